"""Live training in napari's window: how soon its predictions come, and how long the window waits.

Run with ``python benchmarks/bench_live.py [unet | pixels | throughput]``. Strokes are painted by a
script on the sample of coins, scaled to 512 x 512 pixels (1024 x 1024 for the pixel classifier).
The throughput is that of the U-Net in the window, and of a script without a window, each in
processes of its own in turn.
"""

import os
import statistics
import subprocess
import sys
import time
from contextlib import closing

import napari
import numpy as np
from bench_window import EventLoopTimer, print_row, wait
from qtpy.QtWidgets import QApplication
from skimage.data import coins
from skimage.transform import resize

from napari_segkit import ModelSpec, Segmenter, TrainConfig, session
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit.devices import leave_a_core
from napari_segkit.models.presets import preset
from napari_segkit.training.events import TrainStep

STROKES = 3  # after the first prediction
SECONDS = 8.0  # of training with the canvas still, between them
LIMIT = 120.0
ROUNDS, MEASURED = 3, 20.0  # seconds of each process whose throughput is measured
FIRST = 5  # steps that do not count
SCRIPT, STILL, PREVIEW = "a script", "Live, no preview", "Live"


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


def open_window(name):
    """A window with an image, strokes and the Train dock; gives viewer, strokes and dock."""
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
    viewer.window.add_dock_widget(dock, name="Train")
    dock.set_config(TrainConfig() if is_pixels else fast.config)
    process(1)
    wait(lambda: not dock.live.switch.isEnabled())
    warm_up(image, labels, spec)
    return viewer, layer, dock


def main(name):
    viewer, layer, dock = open_window(name)
    live, timer = dock.live, EventLoopTimer()
    print_row("what", "seconds")
    print_row("---", "---")
    began = time.perf_counter()
    live.switch.click()
    print_row("switch to first prediction", f"{wait_for(lambda: live.shares.text(), began):.2f}")
    process(1 if name == "pixels" else SECONDS)
    took, complete = [], []
    for number in range(STROKES):
        began = time.perf_counter()
        stroke(layer, number)
        took.append(wait_for(lambda number=number: live.live.strokes_shown > number, began))
        complete.append(wait_for(lambda: not live.live._preview.is_busy, began))
        process(1)
    print_row("stroke to new picture, median", f"{statistics.median(took):.2f}")
    print_row("stroke to new picture, longest", f"{max(took):.2f}")
    print_row("stroke to all its pixels, median", f"{statistics.median(complete):.2f}")
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


def throughput():
    """Compare steps per second in the window with those of a script."""
    found = {name: [] for name in (SCRIPT, STILL, PREVIEW)}
    for _ in range(ROUNDS):
        for name, each in found.items():
            command = [sys.executable, __file__, name]
            each.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    rates = {
        name: [statistics.median(column) for column in zip(*map(numbers, each), strict=True)]
        for name, each in found.items()
    }
    print_row("training in", "steps a second", "steps a CPU second", "of the script's")
    print_row("---", "---", "---", "---")
    for name, (wall, cpu) in rates.items():
        ratios = [own / bare for own, bare in zip((wall, cpu), rates[SCRIPT], strict=True)]
        shares = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print_row(name, f"{wall:.2f}", f"{cpu:.2f}", shares)


def numbers(text):
    return [float(word) for word in text.splitlines()[-1].split()]


def print_rates(steps, began, cpu_began, cpu):
    """Steps per second, and per CPU second of the threads that compute."""
    wall = time.perf_counter() - began
    print(steps / wall, steps / (cpu - cpu_began))


def script_rates():
    """The throughput of a script that trains with as many threads as the window does."""
    leave_a_core()
    fast, done = preset("fast on CPU"), 0
    image, labels = scribbled(512)
    segmenter = Segmenter(fast.spec, device="cpu")
    with closing(segmenter.train_epochs(image, labels, fast.config.live())) as steps:
        for step in steps:
            done = step.done if isinstance(step, TrainStep) else done
            if isinstance(step, TrainStep) and done == FIRST:
                began, cpu_began = time.perf_counter(), time.process_time()
            if done > FIRST and time.perf_counter() - began > MEASURED:
                break
        print_rates(done - FIRST, began, cpu_began, time.process_time())


def window_rates(name):
    """The throughput of Live with a canvas that nobody touches."""
    _viewer, _, dock = open_window("unet")  # kept, or the window closes
    dock.live.switch.click()
    live = dock.live.live
    if name == STILL:
        live._timer.stop()  # which asks for previews
    wait(lambda: live._step is None or live._step.done < FIRST)
    if name == PREVIEW:
        wait(lambda: not dock.live.shares.text())
    first, began, cpu_began = live._step.done, time.perf_counter(), workers_time()
    process(MEASURED)
    print_rates(live._step.done - first, began, cpu_began, workers_time())
    sys.stdout.flush()
    os._exit(0)


def workers_time():
    """CPU seconds of all threads but the window's."""
    return time.process_time() - time.thread_time()


def warm_up(image, labels, spec):
    """Load the libraries."""
    config = TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, validation=None)
    Segmenter(spec, device="cpu").fit(image, labels, config)
    QApplication.processEvents()


MODES = {"throughput": throughput, SCRIPT: script_rates}

if __name__ == "__main__":
    mode = sys.argv[1] if len(sys.argv) > 1 else "unet"
    if mode in MODES:
        MODES[mode]()
    else:
        (window_rates if mode in (STILL, PREVIEW) else main)(mode)
