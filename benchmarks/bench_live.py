"""Live training in napari's window: how soon its predictions come, and how long the window waits.

Run with ``python benchmarks/bench_live.py [unet | pixels]``. Strokes are painted by a script on the
sample of coins, scaled to 512 x 512 pixels (1024 x 1024 for the pixel classifier).
"""

import statistics
import sys
import time

import napari
import numpy as np
from bench_window import EventLoopTimer, print_row, wait
from qtpy.QtWidgets import QApplication
from skimage.data import coins
from skimage.transform import resize

from napari_segkit import ModelSpec, Segmenter, TrainConfig, session
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit.models.presets import preset

STROKES = 3  # after the first prediction
SECONDS = 8.0  # of training with the canvas still, between them
LIMIT = 120.0


def scribbled(size):
    """Coins, with both classes labelled in six small boxes."""
    image = resize(coins(), (size, size), preserve_range=True).astype(np.uint8)
    labels, side = np.zeros(image.shape, np.uint8), size // 12
    for row, column in ((0.1, 0.2), (0.5, 0.4), (0.8, 0.75), (0.1, 0.7), (0.4, 0.1), (0.6, 0.6)):
        y, x = int(row * size), int(column * size)
        box = slice(y, y + side), slice(x, x + side)
        labels[box] = np.where(image[box] > 140, 1, 2 * (image[box] < 100))
    return image, labels


def process(seconds):
    end = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() < end)


def wait_for(event, began):
    """Process events until something has happened; seconds since `began`."""
    wait(lambda: not event() and time.perf_counter() - began < LIMIT)
    return time.perf_counter() - began


def stroke(layer, number):
    """Paint a short line, as with the mouse."""
    size = layer.data.shape[0]
    layer.brush_size = 5
    with layer.block_history():
        for x in range(0, size // 16, 3):
            layer.paint((size * (0.2 + 0.15 * number), size * 0.6 + x), 1 + number % 2)


def main(name):
    is_pixels = name == "pixels"
    image, labels = scribbled(1024 if is_pixels else 512)
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 800)
    fast = preset("fast on CPU")
    spec = ModelSpec("pixels") if is_pixels else fast.spec
    session(viewer).segmenter = Segmenter(spec, device="cpu")
    viewer.add_image(image, name="coins")
    layer = viewer.add_labels(labels, name="strokes")
    dock = TrainDock(viewer)
    live = dock.live
    viewer.window.add_dock_widget(dock, name="Train")
    dock.set_config(TrainConfig() if is_pixels else fast.config)
    process(1)
    wait(lambda: not live.switch.isEnabled())
    warm_up(image, labels, spec)

    timer = EventLoopTimer()
    print_row("what", "seconds")
    print_row("---", "---")
    began = time.perf_counter()
    live.switch.click()
    print_row("switch to first prediction", f"{wait_for(lambda: live.shares.text(), began):.2f}")
    process(1 if is_pixels else SECONDS)
    took = []
    for number in range(STROKES):
        began = time.perf_counter()
        stroke(layer, number)
        took.append(wait_for(lambda number=number: live.live.strokes_shown > number, began))
        process(1)
    print_row("stroke to new picture, median", f"{statistics.median(took):.2f}")
    print_row("stroke to new picture, longest", f"{max(took):.2f}")
    gaps = sorted(1000 * gap for gap in timer.gaps)
    print_row("heartbeat, 95 % below (ms)", f"{statistics.quantiles(gaps, n=20)[-1]:.0f}")
    print_row("heartbeat, longest (ms)", f"{gaps[-1]:.0f}")
    print_row("steps", live.status.text())
    if len(sys.argv) > 2:
        viewer.window._qt_window.grab().save(sys.argv[2])
    began = time.perf_counter()
    live.switch.click()
    print_row("stop answered", f"{time.perf_counter() - began:.3f}")
    print_row("stop ended", f"{wait_for(lambda: not live.is_on, began):.2f}")
    wait_for(lambda: session(viewer).task is None, began)
    process(0.5)
    print_row("layers", ", ".join(x.name for x in viewer.layers))
    viewer.close()


def warm_up(image, labels, spec):
    """Load the libraries."""
    config = TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, validation=None)
    Segmenter(spec, device="cpu").fit(image, labels, config)
    QApplication.processEvents()


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["unet"])
