"""A prediction that follows the view of a pyramid of 40 000 x 40 000 pixels: how soon, how fast.

Run with ``python benchmarks/bench_lazy.py``; ``--quick`` takes 8192 x 8192 pixels. The model is the
preset "fast on CPU", hardly trained: its time does not depend on its weights. torch has one thread;
a timer of the window fires every 10 ms. Libraries are loaded before.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
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
from napari_segkit.inference import view_cells
from napari_segkit.inference.plan import make_plan
from napari_segkit.inference.tiles import tile_probabilities

CHUNK = 1024
LEVELS = 6


def pyramid(folder, size):
    """Levels in zarr: coins side by side, with every second, fourth, ... of their pixels."""
    levels = []
    for level in range(LEVELS):
        pixels = np.tile(coins()[:: 2**level, :: 2**level], (4 * 2**level, 3 * 2**level))
        pixels, length = pixels[:CHUNK, :CHUNK], size // 2**level
        array = zarr.create_array(
            f"{folder}/{level}", shape=(length, length), chunks=(CHUNK, CHUNK), dtype=np.uint8
        )
        rows = np.tile(pixels, (1, -(-length // CHUNK)))[:, :length]
        for start in range(0, length, CHUNK):
            array[start : start + CHUNK] = rows[: length - start]
        levels.append(array)
    return levels


def bare_seconds(segmenter, level):
    """Seconds of a tile: read, scaled, and passed through the network."""
    plan = make_plan(segmenter.ready(), as_image(level), TileConfig(), torch.device("cpu"))
    tiles = [tile for tile, _ in zip(plan.grid, range(6), strict=False)]
    tile_probabilities(plan, {}, tiles[:1])
    began = time.perf_counter()
    for tile in tiles:
        tile_probabilities(plan, {}, [tile])
    return (time.perf_counter() - began) / len(tiles)


class Watch:
    """Follows the view of an image: the tiles that are predicted, the last step, and the gaps."""

    def __init__(self, viewer):
        self._dock = PredictDock(viewer)
        viewer.window.add_dock_widget(self._dock, name="Predict")
        self._timer, self._bare = EventLoopTimer(), tile_probabilities
        self.tiles, self.step = 0, None
        view_cells.tile_probabilities = self._count

    def press(self, layer):
        """Begin with a layer."""
        self._dock.image.value, self.step = layer, None
        self._dock.where.place.value = Place.FOLLOW
        pause(1.5)
        self._dock.bar.button.click()
        assert self._dock.bar.is_running, self._dock.bar.status.text()
        self._dock.session.followed.task.yielded.connect(self._on_step)

    def until(self, is_there, what):
        """Process events until something is there, and print how long that took."""
        timer, self.tiles, self.step = self._timer, 0, None
        timer.gaps, timer._last = [], time.perf_counter()
        began = time.perf_counter()
        while not is_there():
            QApplication.processEvents()
            time.sleep(0.001)
        took = time.perf_counter() - began
        gaps = sorted(1000 * gap for gap in timer.gaps)
        p95 = statistics.quantiles(gaps, n=20)[-1] if len(gaps) > 1 else gaps[0]
        print_row(what, f"{took:.2f}", str(self.tiles), f"{p95:.0f}", f"{gaps[-1]:.0f}")
        return took

    def has_all(self):
        """Whether what is in view is predicted."""
        return self.step is not None and self.step.done == self.step.total > 0

    def has_preview(self):
        """Whether every pixel in view is at least a preview."""
        prediction = self._dock.session.followed._prediction
        if (look := prediction.look) is None:
            return False
        box = prediction.cache.box_at(look.level, look.box)
        return bool(prediction.cache._shown(look.level, box).all())

    def stop(self):
        """Stop, and close the layer."""
        self._dock.session.followed.close()
        pause(1)

    def _count(self, plan, frame, tiles):
        outputs = self._bare(plan, frame, tiles)
        self.tiles += len(tiles)
        return outputs

    def _on_step(self, step):
        self.step = step


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller image")
    size = 8192 if parser.parse_args().quick else 40_000
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    segmenter = session(viewer).segmenter = trained()
    torch.set_num_threads(1)
    watch = Watch(viewer)
    head = ("what", "seconds", "tiles", "95 % of pauses below (ms)", "longest")
    print_row(*head)
    print_row(*["---"] * len(head))
    watch.press(viewer.add_image(coins()))
    watch.until(watch.has_all, "a small image: libraries are loaded")
    watch.stop()
    with tempfile.TemporaryDirectory() as folder:
        levels = pyramid(folder, size)
        bare = bare_seconds(segmenter, levels[0])
        layer = viewer.add_image(levels, name="slide", contrast_limits=(0, 255))
        viewer.fit_to_view()
        pause(2)
        watch.press(layer)
        watch.until(watch.has_preview, "preview of the whole slide")
        for number in range(1, 3):
            viewer.scene.camera.zoom = 1
            viewer.scene.camera.center = size / 2, size * number / 4
            watch.until(lambda: watch.tiles, f"view {number}: first tile")
            took = watch.until(watch.has_all, f"view {number}: all others")
            print(f"seconds of a tile {took / watch.tiles:.2f}, alone {bare:.2f}")
        watch.stop()
    viewer.close()


if __name__ == "__main__":
    main()
