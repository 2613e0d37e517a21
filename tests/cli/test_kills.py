"""Commands that are killed at random moments, or find the disk full, leave files old or new.

SEGKIT_KILLS names another number of moments for each command and signal; --log-cli-level=INFO
shows the outcome of each.
"""

import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_segkit import cli
from napari_segkit.io.files import read_labels
from napari_segkit.segmenter import Segmenter
from napari_segkit.training.state_file import read_file

resource = pytest.importorskip("resource", reason="this system knows no limits of a process")

MOMENTS = int(os.environ.get("SEGKIT_KILLS", "2"))
SEGKIT = "import sys; from napari_segkit.cli import main; sys.exit(main())"
TINY = "--epochs 1 --steps-per-epoch 2 --batch-size 2 --tile-size 32 --overlap 0 --device cpu"
TINY += " --threads 1 --unlabelled none --overwrite"
COMMANDS = {
    "unet": f"train images masks -o model.segkit --encoder resnet18 {TINY}",
    "pixels": f"train images masks -o model.segkit --model pixels {TINY}",
    "solo": f"train images ids -o model.segkit --model solo --labels-are objects {TINY}",
    "maskrcnn": f"train images ids -o model.segkit --model maskrcnn --labels-are objects {TINY}",
    "predict": "predict unet.segkit images -o out --overwrite --probabilities --tile-size 96",
    "merge": "merge pixels.segkit solo.segkit -o model.segkit --overwrite",
}
IMPORTS = 0.6  # of the time of such a short run
PART = re.compile(r"\..*\.part")
LOG = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Twelve images with labels, and a model of each kind."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("images", "masks", "ids"):
        (folder / name).mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        ids = np.zeros((96, 96), np.uint8)
        ids[20 + number : 50 + number, 30:70], ids[70:85, 5:25] = 1, 2
        image = (ids > 0) * 120 + rng.integers(20, 80, ids.shape)
        for name, array in {"images": image, "masks": ids > 0, "ids": ids}.items():
            Image.fromarray(array.astype(np.uint8)).save(folder / name / f"{number:02d}.png")
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        for name in ("unet", "pixels", "solo"):
            assert cli.main(COMMANDS[name].replace("model.segkit", f"{name}.segkit").split()) == 0
    return folder


@pytest.fixture
def place(inputs, tmp_path):
    """A copy of the inputs, with older results where the commands write."""
    place = tmp_path / "place"
    shutil.copytree(inputs, place)
    return place


def put_older_results(place):
    shutil.copy(place / "pixels.segkit", place / "model.segkit")
    (place / "model.segkit.state").unlink(missing_ok=True)  # of the run before
    (place / "out" / "probabilities").mkdir(parents=True, exist_ok=True)
    for image in (place / "images").iterdir():
        older = Image.fromarray(np.full((96, 96), 7, np.uint8))
        older.save(place / "out" / f"{image.stem}.tif")
        older.save(place / "out" / "probabilities" / f"{image.stem}.tif")


def contents(place):
    files = (path for path in sorted(place.rglob("*")) if path.is_file())
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


def run(command, place, moment=None, number=0, largest=None, first=""):
    """Run the real command, with a signal after some seconds; status, errors, seconds."""

    def limit():
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", first + SEGKIT, *command.split()],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    ) as process:
        try:
            _, errors = process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            _, errors = process.communicate()
    return process.returncode, errors, time.monotonic() - began


def check_files(before, after):
    """Inputs are as they were; results are the older ones, or complete new ones; gives how many.

    A training that was killed may leave a complete state to resume it from.
    """
    new = [name for name in after if before.get(name) != after[name] and not PART.search(name)]
    lost = [name for name in before if name not in after and not PART.search(name)]
    assert not lost
    for path in map(Path, new):
        if path.name == "model.segkit":
            assert len(Segmenter.load(path, device="cpu").classes) > 1
        elif path.name == "model.segkit.state":
            read_file(path)  # refuses one that is not complete
        elif path.parent.name == "probabilities":
            assert tifffile.imread(path).shape == (2, 96, 96)
        else:
            assert path.parent.name == "out", f"{path} was changed"
            assert set(np.unique(read_labels(path))) <= {0, 1}
    return len(new)


def check_killed(number, status, errors, before, after):
    """Says which outcome a run had that a signal ended; AssertionError if it harmed files."""
    left = {name for name in after if PART.search(name)} - set(before)
    new = check_files(before, after)
    assert "Traceback" not in errors, errors
    if number == signal.SIGKILL:
        assert status in (0, -9)
    else:
        assert status in (0, 128 + number, -number), errors  # the latter once all is done
        assert not left
    return number.name, status, f"{new} new", f"{len(left)} left"


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_command_leaves_files_old_or_new(command, place):
    put_older_results(place)
    status, _, seconds = run(COMMANDS[command], place)
    assert status == 0
    draw, outcomes, faults = random.Random(command), Counter(), []
    for index, number in enumerate(MOMENTS * (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)):
        put_older_results(place)
        earliest = seconds * IMPORTS if index % 2 else 0.05
        before, moment = contents(place), draw.uniform(earliest, seconds)
        status, errors, _ = run(COMMANDS[command], place, moment, number)
        try:
            outcome = check_killed(number, status, errors, before, contents(place))
        except AssertionError as fault:
            outcome = (number.name, "fault")
            faults.append((moment, fault))
        LOG.info("%s after %.1f of %.1f s: %s", command, moment, seconds, outcome)
        outcomes[outcome] += 1
    assert run(COMMANDS[command], place)[0] == 0
    LOG.info("%s: %s", command, sorted(outcomes.items(), key=str))
    assert not faults
    assert not list(place.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_killed_while_it_writes(command, number, place):
    put_older_results(place)
    before = contents(place)
    first = f"import os; os.fsync = lambda _: os.kill(os.getpid(), {int(number)}); "
    status, errors, _ = run(COMMANDS[command], place, first=first)
    outcome = check_killed(number, status, errors, before, contents(place))
    LOG.info("%s: %s", command, outcome)
    killed = number == signal.SIGKILL
    assert (outcome[2] == "0 new") == killed
    assert (outcome[3] != "0 left") == killed
    assert run(COMMANDS[command], place)[0] == 0
    assert not list(place.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_leaves_files_old_or_new(command, place):
    draw, outcomes = random.Random(command), Counter()
    for _ in range(MOMENTS):
        put_older_results(place)
        before = contents(place)
        largest = int(10 ** draw.uniform(2, 3 if command == "predict" else 5))
        status, errors, _ = run(COMMANDS[command], place, largest=largest)
        after = contents(place)
        assert "Traceback" not in errors, errors
        assert not [name for name in after if PART.search(name)]
        outcome = status, f"{check_files(before, after)} new", errors.splitlines()[-1]
        LOG.info("%s with files of %d bytes: %s", command, largest, outcome)
        outcomes[outcome] += 1
        assert status in (1, 2) or outcome[1] != "0 new"
