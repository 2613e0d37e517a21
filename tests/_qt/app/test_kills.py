"""Windows that are killed at random moments while a person paints and Live is on.

SEGKIT_KILLS names another number of moments, with a project and without; --log-cli-level=INFO
shows the outcome of each.
"""

import logging
import os
import random
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

from napari_segkit import Project

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")

MOMENTS = int(os.environ.get("SEGKIT_KILLS", "1"))
LATEST = 75.0  # seconds after the first prediction
LOST_AT_MOST = 60.0  # seconds of strokes
SIZE = 128
LOG = logging.getLogger(__name__)
PAINT = """
import sys
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, session
from napari_segkit._qt.app.workbench import Workbench

strokes, size, *project = sys.argv[1:]
size = int(size)


def wait(busy):
    while busy():
        QApplication.processEvents()
        time.sleep(0.001)


pixels = np.random.default_rng(0).integers(0, 100, (size, size), np.uint8)
pixels[:, size // 2 :] += 100
labels = np.zeros(pixels.shape, np.uint8)
labels[-8:, :40], labels[-8:, -40:] = 1, 2
viewer = napari.Viewer()
session(viewer).segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu")
viewer.add_image(pixels, name="cells")
layer = viewer.add_labels(labels, name="cells labels")
layer.brush_size = 1
bench = Workbench(viewer)
viewer.window.add_dock_widget(bench)
if project:
    bench.project.save(Path(project[0]))
    wait(lambda: bench.project.is_busy)
bench.train.set_config(TrainConfig(steps_per_epoch=5, batch_size=2, tile=TileConfig(tile_size=32)))
live = bench.train.live
wait(lambda: not live.switch.isEnabled())
live.switch.click()
wait(lambda: not live.shares.text())
print("live", flush=True)
with open(strokes, "w") as file:
    for number in range((size // 2 - 8) * (size // 2)):
        layer.paint((2 * (number // (size // 2)), 2 * (number % (size // 2))), 1 + number % 2)
        print(time.monotonic(), file=file, flush=True)
        pause = time.monotonic() + 0.2
        wait(lambda: time.monotonic() < pause)
        assert live.is_on
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def paint_and_kill(moment, strokes, arguments):
    """Paint in a window for some seconds; gives when each stroke was made, and the kill."""
    command = [sys.executable, "-c", PAINT, str(strokes), str(SIZE), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "live\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=moment)
        killed = time.monotonic()
        process.send_signal(signal.SIGKILL)
    lines = strokes.read_text().split("\n")[:-1]  # the last one may be cut
    return np.array(list(map(float, lines))), killed


def labels_found(folder):
    """The labels of a project, those that were autosaved if there are any."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*autosaved after the last save", UserWarning)
        project = Project.open(folder)
    (row,) = (project.recovered or project).training_set.rows
    labels = row.labels.open()
    return np.asarray(getattr(labels, "data", labels))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("has_project", [True, False])
def test_at_most_the_last_minute_of_strokes_is_lost(home, has_project):
    draw, lost = random.Random(f"live {has_project}"), []
    place = home / "data" / "napari-segkit" / "unsaved-labels"
    for number in range(MOMENTS):
        project = home / f"project {number}"
        moment, before = draw.uniform(1.0, LATEST), set(place.glob("*.project"))
        arguments = [str(project)] if has_project else []
        times, killed = paint_and_kill(moment, home / f"{number}.txt", arguments)
        new = [project] if has_project else sorted(set(place.glob("*.project")) - before)
        found = labels_found(new[0]) if new else np.zeros((SIZE, SIZE), np.uint8)
        half, count = SIZE // 2, np.arange(len(times))
        kept = found[2 * (count // half), 2 * (count % half)] == 1 + count % 2
        lost.append(killed - times[~kept].min() if not kept.all() else 0.0)
        LOG.info(
            "killed after %.1f s: %d of %d strokes lost, of the last %.1f s",
            moment,
            (~kept).sum(),
            len(times),
            lost[-1],
        )
    assert max(lost) <= LOST_AT_MOST
