"""Draw the pictures of the docs anew, in a real window on the sample of coins.

    tools/on_screen.sh .venv/bin/python tools/docs_pictures.py

A pixel classifier and a small U-Net are trained through the docks; each picture shows a dock after
its work. The pictures go to `docs/images`.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

os.environ["XDG_DATA_HOME"] = mkdtemp()  # nothing of earlier windows is offered

import napari
from qtpy.QtWidgets import QApplication, QWidget

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, session
from napari_segkit._qt.app.workbench import Workbench
from napari_segkit.config import MeasureConfig

FOLDER = Path(__file__).parent.parent / "docs" / "images"
CONFIG = TrainConfig(epochs=6, steps_per_epoch=10, tile=TileConfig(tile_size=128))
SIZE = 1280, 800
SETTLED = 1.5  # seconds until what follows in the background is drawn
LIMIT = 600.0


def wait(is_done: Callable[[], bool]) -> None:
    """Process events until something is done."""
    end = time.perf_counter() + LIMIT
    while not is_done():
        if time.perf_counter() > end:
            raise TimeoutError("A dock did not end its work.")
        QApplication.processEvents()
        time.sleep(0.002)


def settle() -> None:
    end = time.perf_counter() + SETTLED
    wait(lambda: time.perf_counter() > end)


class Pictures:
    """The window, and how its docks are used."""

    def __init__(self) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(*SIZE)
        self.viewer.open_sample("napari-segkit", "coins")
        _, self.bench = self.viewer.window.add_plugin_dock_widget(
            "napari-segkit", "SegKit workbench"
        )
        assert isinstance(self.bench, Workbench)
        settle()
        self.viewer.reset_view()

    def show(self, dock: QWidget) -> None:
        self.bench.setCurrentWidget(dock)
        settle()

    def press(self, dock: QWidget) -> None:
        """Show a dock, press its button, and wait for the result."""
        self.show(dock)
        wait(lambda: dock.bar.reason is None and not dock.bar.is_running)
        dock.bar.button.click()
        wait(lambda: not dock.bar.is_running)
        settle()

    def save(self, name: str) -> None:
        settle()
        self.viewer.window.screenshot(FOLDER / f"{name}.png", canvas_only=False, flash=False)

    def train(self, spec: ModelSpec, config: TrainConfig) -> None:
        session(self.viewer).segmenter = Segmenter(spec, device="cpu")
        self.show(self.bench.train)
        self.bench.train.set_config(config)
        self.press(self.bench.train)

    def draw(self) -> None:
        """Use one dock after the other."""
        bench, layers = self.bench, self.viewer.layers
        self.train(ModelSpec("pixels"), TrainConfig())
        self.train(ModelSpec("unet", encoder="resnet18"), CONFIG)
        self.save("train")
        self.show(bench.model)
        self.save("model")
        bench.predict.image.value = layers["coins"]
        self.press(bench.predict)
        self.save("predict")
        bench.evaluate.truth.value = layers["coins truth"]
        self.press(bench.evaluate)
        self.save("workbench")
        bench.evaluate.errors.errors_button.click()
        self.save("evaluate")
        bench.evaluate.errors.errors_button.click()
        self.press(bench.compare)
        self.save("compare")
        for layer in [layer for layer in layers if layer.name.endswith("(compared)")]:
            layers.remove(layer)
        bench.measure.inputs.labels.value = layers["coins prediction"]
        bench.measure.inputs.form.value = MeasureConfig(by="component", unlabelled=1)
        self.press(bench.measure)
        self.save("measure")
        self.show(bench.refine)
        bench.refine.preview.checkbox.value = True
        self.save("refine")
        self.press(bench.superpixels)
        self.save("superpixels")
        session(self.viewer).spare.dismiss()
        self.viewer.close()


if __name__ == "__main__":
    Pictures().draw()
