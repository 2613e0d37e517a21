"""`segkit train` is killed, stopped and resumed.

SEGKIT_KILLS names another number of kills; --log-cli-level=INFO shows how far each training was.
"""

import json
import logging
import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_segkit import cli
from napari_segkit.io.replace_file import WriteError
from napari_segkit.jobs import checkpoints
from napari_segkit.segmenter import Segmenter

SMALL = "--model segresnet --dims 2D --epochs 3 --steps-per-epoch 4 --batch-size 2 --tile-size 32"
SMALL += " --overlap 0 --device cpu --threads 1 --unlabelled none"
RESUME = "--device cpu --threads 1 --resume --overwrite"
PLACE = "images masks -o {}.segkit"
LOG = logging.getLogger(__name__)
# Forks after the imports, which take longer than the training, and before torch starts threads.
FORKS = """
import json, os, signal, sys, time
from napari_segkit import cli, new_training, segmenter
from napari_segkit.io import training_files
from napari_segkit.jobs import checkpoints, output_files
from napari_segkit.models.semantic import monai
from napari_segkit.training import semantic

checkpoints.SECONDS = 0

def run(command, moment, file):
    began, child = time.monotonic(), os.fork()
    if child == 0:
        os.dup2(2, 1)
        os._exit(cli.main(command.split()))
    while time.monotonic() - began < moment and not os.path.exists(file):
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            break
        time.sleep(0.002)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return time.monotonic() - began

for line in sys.stdin:
    print(json.dumps(run(*json.loads(line))), flush=True)
"""


@pytest.fixture
def folder(make_image_folder):
    """The working folder, with two images and masks."""
    return make_image_folder(2)


def same_weights(one, other):
    one, other = (
        Segmenter.load(f"{name}.segkit", device="cpu").trained.network.state_dict()
        for name in (one, other)
    )
    return all(torch.equal(one[name], other[name]) for name in one)


def train(name="a", options=SMALL):
    return cli.main(f"train {PLACE.format(name)} {options}".split())


@contextmanager
def trainings():
    """A function that trains, and kills the training after some seconds or once a file exists."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as forks:  # fmt: skip

        def run(name, options=SMALL, moment=600.0, file=""):
            command = f"train {PLACE.format(name)} {options}", moment, file
            print(json.dumps(command), file=forks.stdin, flush=True)
            return json.loads(forks.stdout.readline())

        yield run
        forks.stdin.close()


def test_what_a_kill_leaves_is_resumed_bit_for_bit(folder, monkeypatch):
    """The state, as it lies beside the model during the training, is all that there is."""
    state, left = folder / "a.segkit.state", folder / "left"

    def kept(step):
        if step.done == 7:
            left.write_bytes(state.read_bytes())
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "SECONDS", 0.0)
        patch.setattr("napari_segkit.cli.training_lines.describe", kept)
        assert train() == 0
    assert not state.exists()
    (folder / "a.segkit").rename(folder / "whole.segkit")
    left.rename(state)
    assert train(options=RESUME) == 0
    assert same_weights("whole", "a")
    assert not state.exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_trainings_killed_at_random_times_are_resumed_bit_for_bit(folder):
    draw, kills, resumed = random.Random(0), int(os.environ.get("SEGKIT_KILLS", "20")), 0
    with trainings() as run:
        run("first")
        seconds = run("whole")
        for number in range(kills):
            run(f"k{number}", moment=draw.uniform(0.1, 1.0) * seconds)
            state = folder / f"k{number}.segkit.state"
            is_left = state.exists()
            run(f"k{number}", RESUME if is_left else f"{SMALL} --overwrite")
            resumed += is_left
            assert same_weights("whole", f"k{number}")
            assert not state.exists()
    LOG.info("%d of %d killed trainings had a checkpoint", resumed, kills)
    assert resumed > kills / 2


@pytest.fixture
def stopped(folder, monkeypatch, capsys):
    """A training that a signal has stopped after its fifth step."""

    def signalled(step):
        if step.done == 5:
            signal.raise_signal(signal.SIGTERM)
        return ""

    with monkeypatch.context() as patch:
        patch.setattr("napari_segkit.cli.training_lines.describe", signalled)
        assert train() == 0
    return folder / "a.segkit.state"


def test_a_stopped_training_is_saved_and_resumed_where_it_was(stopped, capsys):
    assert (
        "--resume --overwrite (and without --preset or --start) goes on" in capsys.readouterr().err
    )
    assert len(Segmenter.load("a.segkit").history) == 5
    assert train(options=RESUME) == train("whole") == 0
    assert same_weights("whole", "a")
    assert not stopped.exists()


def truncated(stopped):
    stopped.write_bytes(stopped.read_bytes()[:-100])


def painted(stopped):
    mask = np.asarray(Image.open("masks/1.png")).copy()
    mask[0, 0] = 1
    Image.fromarray(mask).save("masks/1.png")


def nothing(stopped):
    pass


REFUSED = {
    "settings": (nothing, f"{RESUME} --epochs 9", "epochs 3, but this one has 9"),
    "model": (nothing, f"{RESUME} --model unet", "model segresnet, but this one has unet"),
    "preset": (
        nothing,
        f"{RESUME} --preset balanced",
        "--preset balanced cannot be used with --resume",
    ),
    "left": (nothing, SMALL, "add --resume --overwrite to go on with it"),
    "anew": (lambda s: (s.parent / "a.segkit").unlink(), SMALL, "add --resume to go on with it"),
    "truncated": (truncated, RESUME, "a.segkit.state is not a complete training state"),
    "painted": (painted, RESUME, "the pixels of the labels of 1.png have changed"),
    "missing": (Path.unlink, RESUME, "There is no training state a.segkit.state"),
}


def test_what_does_not_fit_the_state_is_refused(stopped, capsys):
    contents = stopped.read_bytes()
    mask = (stopped.parent / "masks" / "1.png").read_bytes()
    for change, options, message in REFUSED.values():
        stopped.write_bytes(contents)
        (stopped.parent / "masks" / "1.png").write_bytes(mask)
        change(stopped)
        assert train(options=options) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_training_starts_from_a_trained_model(folder, capsys):
    assert train() == 0
    again = "--start a.segkit --device cpu --threads 1"
    assert train("b", again) == 0
    one, other = (Segmenter.load(f"{name}.segkit").trained for name in "ab")
    assert other.provenance["start"] == one.identity
    assert other.config == one.config
    assert train("c", f"{again} --encoder medium") == 2
    assert "encoder small, but encoder is now medium" in capsys.readouterr().err.splitlines()[-1]
    assert train("a", f"{again} --overwrite") == 2
    assert "a.segkit is an input" in capsys.readouterr().err.splitlines()[-1]


def test_a_full_disk_at_a_checkpoint_is_told_once_and_the_training_goes_on(
    folder, monkeypatch, capsys
):
    tries = []

    def full(*_):
        tries.append(1)
        raise WriteError("a.segkit.state cannot be written: the disk is full.")

    monkeypatch.setattr("napari_segkit.training.state.write_tensors", full)
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    assert train() == 0
    assert capsys.readouterr().err.count("No checkpoint was written: ") == 1
    assert len(tries) == 12
    assert len(Segmenter.load("a.segkit").history) == 12
