"""Which of our functions one press of Predict runs, on the window's thread and in the worker.

Trains a small network on the coins sample, presses Predict in the workbench, and counts the
functions of this package that run on the window's thread until the result is shown, and the
generators that a step of the prediction passes through. ``--list`` names the functions.
"""

import argparse
import inspect
import sys
import threading
from collections import Counter
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

import napari_segkit
from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, session

ROOT = str(Path(napari_segkit.__file__).parent)
Function = tuple[str, str]


class Trace:
    """Functions of the package that the current thread runs, each with its number of calls."""

    def __init__(self) -> None:
        self.calls: Counter[Function] = Counter()

    def __enter__(self) -> "Trace":
        sys.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _on_event(self, frame, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOT):
            self.calls[code.co_filename.removeprefix(ROOT + "/"), code.co_qualname] += 1


def generators_of(frame) -> list[Function]:
    """The generators of the package on a stack that ends with `frame`."""
    found = []
    while frame is not None:
        code = frame.f_code
        is_generator = code.co_flags & inspect.CO_GENERATOR
        if is_generator and code.co_filename.startswith(ROOT):
            found.append((code.co_filename.removeprefix(ROOT + "/"), code.co_qualname))
        frame = frame.f_back
    return found


class GeneratorTrace:
    """The deepest chain of generators that a thread started from now on resumes."""

    def __init__(self) -> None:
        self.deepest: list[Function] = []

    def __enter__(self) -> "GeneratorTrace":
        threading.setprofile(self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        threading.setprofile(None)

    def _on_event(self, frame, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_flags & inspect.CO_GENERATOR:
            found = generators_of(frame)
            if len(found) > len(self.deepest):
                self.deepest = found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the functions")
    listed = parser.parse_args().list
    viewer = napari.Viewer()
    viewer.open_sample("napari-segkit", "coins")
    _, workbench = viewer.window.add_plugin_dock_widget("napari-segkit", "SegKit workbench")
    segmenter = Segmenter(ModelSpec("unet", encoder="resnet18"))
    config = TrainConfig(epochs=1, steps_per_epoch=2, tile=TileConfig(tile_size=64))
    segmenter.fit(viewer.layers["coins"], viewer.layers["coins scribbles"], config)
    session(viewer).segmenter = segmenter
    predict = workbench.predict
    workbench.setCurrentWidget(predict)
    workbench.train.wait_idle()
    ended: list[object] = []
    predict.bar.finished.connect(lambda: ended.append(True))
    with GeneratorTrace() as generators, Trace() as trace:
        predict.bar.button.click()
        while not ended:
            QApplication.processEvents()
        predict.wait_idle()
    files = {file for file, _ in trace.calls}
    print(f"functions on the window's thread: {len(trace.calls)} in {len(files)} files")
    print(f"their calls: {trace.calls.total()}")
    print(f"generators on the way of a step: {len(generators.deepest)}")
    for file, name in generators.deepest:
        print(f"  {file}: {name}")
    if listed:
        for (file, name), count in sorted(trace.calls.items()):
            print(f"{count:6} {file}: {name}")
    viewer.close()


if __name__ == "__main__":
    main()
