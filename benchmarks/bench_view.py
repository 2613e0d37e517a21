"""How soon the first labels of what is in view appear on a layer of 8192 x 8192 pixels.

Run with ``python benchmarks/bench_view.py``. The model is the preset "fast on
CPU", hardly trained: its time does not depend on its weights. A timer fires every 10 ms.
"""

import statistics
import time

import dask.array as da
import napari
import numpy as np
from bench_window import EventLoopTimer, print_row, wait
from qtpy.QtWidgets import QApplication
from skimage.data import coins

from napari_segkit import Segmenter, TrainConfig, session
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.predict.where import Place
from napari_segkit.models.presets import preset

SIZE = 8192
MIDDLE = 4000
PAN = 900  # pixels between two presses


def trained():
    """The fast preset after two steps."""
    fast, image = preset("fast on CPU"), coins()
    labels = np.where(image > 140, 2, (image < 80).astype(int)).astype(np.uint8)
    config = TrainConfig(
        epochs=1, steps_per_epoch=2, batch_size=2, tile=fast.config.tile, validation=None
    )
    return Segmenter(fast.spec, device="cpu").fit(image, labels, config)


def layers():
    """The same pixels in memory, in chunks, and as a pyramid."""
    image = coins()
    rows, columns = (-(-SIZE // n) for n in image.shape)
    pixels = np.tile(image, (rows, columns))[:SIZE, :SIZE].copy()
    chunked = da.from_array(pixels, chunks=512)
    pyramid = [chunked[:: 2**level, :: 2**level] for level in range(5)]
    return {"NumPy": pixels, "dask": chunked, "pyramid": pyramid}


def pause(seconds):
    end = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() < end)


def has_labels(viewer):
    """Whether labels are on the canvas while they are predicted."""
    live = [layer for layer in viewer.layers if layer.name.endswith("(predicting …)")]
    return any(layer.data.any() for layer in live)


def measure(dock, timer):
    """Press Predict; give seconds to the first labels and to the end, and the gaps in ms."""
    timer.gaps, timer._last = [], time.perf_counter()
    began, first = time.perf_counter(), None
    dock.bar.button.click()
    assert dock.bar.is_running, dock.bar.status.text()
    while dock.bar.is_running:
        QApplication.processEvents()
        if first is None and has_labels(dock.viewer):
            first = time.perf_counter() - began
        time.sleep(0.001)
    gaps = sorted(1000 * gap for gap in timer.gaps)
    took = time.perf_counter() - began
    return first or took, took, statistics.quantiles(gaps, n=20)[-1], gaps[-1]


def main():
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    session(viewer).segmenter = trained()
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock, name="Predict")
    timer = EventLoopTimer()
    dock.image.value = viewer.add_image(coins()[:64, :64])
    pause(1.5)
    measure(dock, timer)  # libraries are loaded
    head = ("layer", "press", "first labels (s)", "all (s)", "95 % of pauses below (ms)", "longest")
    print_row(*head)
    print_row(*["---"] * len(head))
    for name, data in layers().items():
        for layer in viewer.layers:  # software OpenGL may crash where all are removed at once
            layer.visible = False
        dock.image.value = viewer.add_image(data, name=name)
        dock.where.place.value = Place.VIEW
        for press in (1, 2):
            viewer.scene.camera.zoom = 1
            viewer.scene.camera.center = MIDDLE, MIDDLE + PAN * press
            pause(1.5)
            first, took, p95, longest = measure(dock, timer)
            seconds = f"{first:.2f}", f"{took:.2f}"
            print_row(name, str(press), *seconds, f"{p95:.0f}", f"{longest:.0f}")
    viewer.close()


if __name__ == "__main__":
    main()
