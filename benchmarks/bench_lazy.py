"""A prediction that follows the view of a pyramid of 40 000 x 40 000 pixels: how soon, how fast.

Run with ``python benchmarks/bench_lazy.py``; ``--quick`` takes 8192 x 8192 pixels. The model is the
preset "fast on CPU", hardly trained: its time does not depend on its weights. torch has one thread;
a timer of the window fires every 10 ms.
"""

import argparse
import os
import statistics
import tempfile
import time

import napari
import numpy as np
import torch
import zarr
from bench_view import pause, trained
from bench_window import EventLoopTimer, print_row
from qtpy.QtWidgets import QApplication
from skimage.data import coins

from napari_segkit import TileConfig, session
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.predict.where import Place
from napari_segkit.images.axes_image import as_image
from napari_segkit.inference.plan import make_plan
from napari_segkit.inference.tiles import tile_probabilities

os.environ.setdefault("OMP_NUM_THREADS", "1")
CHUNK = 1000
LEVELS = 6


def pyramid(folder, size):
    """A zarr of each level, of coins side by side."""
    image = coins()
    cell = np.tile(image, (4, 3))[:CHUNK, :CHUNK]
    levels = []
    for level in range(LEVELS):
        length = size // 2**level
        array = zarr.create_array(
            f"{folder}/{level}", shape=(length, length), chunks=(CHUNK, CHUNK), dtype=np.uint8
        )
        tile = np.tile(cell[:: 2**level, :: 2**level], (2**level, 2**level))[:CHUNK, :CHUNK]
        for row in range(0, length, CHUNK):
            rows = min(CHUNK, length - row)
            array[row : row + rows] = np.tile(tile[:rows], (1, -(-length // CHUNK)))[:, :length]
        levels.append(array)
    return levels


def bare_seconds(segmenter, level):
    """Seconds of a forward pass of a tile, with reading and scaling it."""
    plan = make_plan(segmenter.ready(), as_image(level), TileConfig(), torch.device("cpu"))
    tiles = [tile for tile, _ in zip(plan.grid, range(6), strict=False)]
    tile_probabilities(plan, {}, tiles[:1])
    began = time.perf_counter()
    for tile in tiles:
        tile_probabilities(plan, {}, [tile])
    return (time.perf_counter() - began) / len(tiles)


class Watch:
    """What happens to a followed view after it was moved."""

    def __init__(self, dock, timer):
        self._dock, self._timer = dock, timer
        self.passes = 0

    def until(self, is_there):
        """Process events until something is there; give seconds and the gaps in ms."""
        timer = self._timer
        timer.gaps, timer._last = [], time.perf_counter()
        began = time.perf_counter()
        while not is_there():
            QApplication.processEvents()
            time.sleep(0.001)
        gaps = sorted(1000 * gap for gap in timer.gaps)
        return time.perf_counter() - began, gaps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    size = 8192 if parser.parse_args().quick else 40_000
    with tempfile.TemporaryDirectory() as folder:
        measure(pyramid(folder, size), size)


def measure(levels, size):
    torch.set_num_threads(1)
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    segmenter = session(viewer).segmenter = trained()
    bare = bare_seconds(segmenter, levels[0])
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock, name="Predict")
    timer = EventLoopTimer()
    watch = Watch(dock, timer)
    viewer.add_image(levels, name="slide", contrast_limits=(0, 255))
    viewer.fit_to_view()
    pause(1.5)
    dock.where.place.value = Place.FOLLOW
    steps = []

    def press():
        dock.bar.button.click()
        assert dock.bar.is_running, dock.bar.status.text()
        dock.bar._task.yielded.connect(steps.append)

    head = ("what", "seconds", "95 % of pauses below (ms)", "longest")
    print_row(*head)
    print_row(*["---"] * len(head))

    def row(what, seconds, gaps):
        cells = f"{statistics.quantiles(gaps, n=20)[-1]:.0f}", f"{gaps[-1]:.0f}"
        print_row(what, f"{seconds:.2f}", *cells)

    press()
    followed = session(viewer).followed

    def shows(what):
        """Whether the labels of the view on the canvas have this kind of pixels everywhere."""
        prediction = followed._prediction
        look, cache = prediction.look, prediction.cache
        if look is None:
            return False
        return what(cache, look)

    def previewed(cache, look):
        level = len(cache.shapes) - 1
        return (cache._codes(level, cache.box_at(level, look.box)) > 0).all()

    row("preview of the whole slide", *watch.until(lambda: shows(previewed)))
    row("... goes on", *watch.until(after(5)))
    centres = [size / 3, size / 2.2, size / 1.5]
    for centre in centres:
        viewer.scene.camera.zoom = 1
        viewer.scene.camera.center = centre, centre
        count = followed._prediction._cells(0)
        before = len(count._outputs)
        seconds, gaps = watch.until(lambda: len(count._outputs) > before)
        row(f"pan to {centre:.0f}: first tile", seconds, gaps)
        began, passes = time.perf_counter(), Passes(count)
        _, gaps = watch.until(lambda: "Waiting" in type(steps[-1]).__name__ if steps else False)
        took = time.perf_counter() - began
        row(f"... view complete, {passes.count} tiles", took, gaps)
    print(f"bare forward pass {bare:.2f} s")
    viewer.close()


if __name__ == "__main__":
    main()
