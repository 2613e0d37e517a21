"""Trainings that several processes share. Those with real processes are slow."""

import json
import os
import signal
import socket
import subprocess
import sys
from argparse import Namespace

import pytest
import torch
from torch import nn

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.cli import training_processes
from napari_segkit.cli.training_processes import follow
from napari_segkit.new_training import new_training
from napari_segkit.steps import drain
from napari_segkit.torch_random import RandomSource
from napari_segkit.training import distributed
from napari_segkit.training.distributed import Processes, own_device, require_shareable
from napari_segkit.training_set import TrainingRow, TrainingSet

SMALL = "--model segresnet --dims 2D --epochs 2 --steps-per-epoch 6 --batch-size 4 --tile-size 32"
SMALL += " --overlap 0 --device cpu --threads 1 --unlabelled none"


def trainer_of(config, data):
    rows = TrainingSet([TrainingRow(*data)])
    spec = Segmenter(ModelSpec("segresnet", dims="2D")).spec
    trainer = drain(new_training(spec, config, rows, "cpu"))
    for norm in trainer.network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval()
    return trainer


@pytest.mark.parametrize("fewest", [1, 2])
def test_every_patch_is_computed_by_one_process(fewest):
    for count in range(1, 5):
        for patches in range(1, 12):
            shares = [Processes(n, count).share(patches, fewest) for n in range(count)]
            taken = [list(range(patches))[share] for share in shares]
            assert [n for own in taken for n in own] == list(range(patches))
            assert len(taken[0]) <= Processes(0, count).most_patches(patches) or patches < count * 2
            assert all(len(t) >= min(fewest, patches) for t in taken if t)


def test_gradients_of_the_shares_add_up_to_that_of_the_batch(scene, monkeypatch):
    """Unlabelled pixels are unevenly spread, and a third process computes nothing."""
    labels = scene[1].copy()
    labels[45:] = 0
    config = TrainConfig(batch_size=5, tile=TileConfig(32, 0), unlabelled=0, precision="float32")
    trainer = trainer_of(config, (scene[0], labels))
    batch = trainer._batch()
    whole = [trainer._backward(*batch), *(p.grad.clone() for p in trainer.network.parameters())]
    total = [torch.zeros_like(t) for t in whole]
    for rank in range(3):
        monkeypatch.setattr(distributed, "_current", Processes(rank, 3))
        loss, slopes = trainer._backward(*batch), [p.grad for p in trainer.network.parameters()]
        for sum_, own in zip(total, [loss, *slopes], strict=True):
            sum_ += 0 if own is None else own
    for one, two in zip(whole, total, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_random_numbers_of_a_step_differ_between_processes_and_are_repeated():
    first = RandomSource(0)
    assert Processes(0, 3).random_numbers(first, 0, 4) is first
    seeds = [Processes(n, 3).random_numbers(first, 0, s).seed for n in (1, 2) for s in (0, 1)]
    assert len({0, *seeds}) == 5
    assert Processes(1, 3).random_numbers(first, 0, 1).seed == seeds[1]


def test_what_processes_cannot_share_is_refused():
    require_shareable("pixels", 1, 1, None)
    require_shareable("unet", 2, 4, 2)
    with pytest.raises(ValueError, match="cannot share the training of pixels"):
        require_shareable("pixels", 2, 4, None)
    with pytest.raises(ValueError, match=r"A batch of 3 patches is too small for 2 processes"):
        require_shareable("unet", 2, 3, 2)


def test_what_a_launcher_says_is_checked(monkeypatch):
    with distributed.joined() as processes:
        assert processes.count == 1
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(ValueError, match="WORLD_SIZE is 'two'"), distributed.joined():
        pass
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ValueError, match=r"MASTER_ADDR.*torchrun"), distributed.joined():
        pass


def test_a_process_whose_training_ends_by_itself_waits_for_the_first_one(monkeypatch):
    """As all do that diverge, while the first one saves."""
    second, waits = Processes(1, 2, status=0), []
    monkeypatch.setattr(second, "wait", waits.append)
    args = Namespace(device="cpu")
    assert training_processes._follow(second, args, lambda _: follow(iter([None])), "") == 0
    assert waits == [""]


def test_each_process_has_its_own_graphics_card(monkeypatch):
    monkeypatch.setattr(
        distributed, "choose", lambda name: torch.device(name.replace("auto", "cuda"))
    )
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert (own_device("auto"), own_device("cuda"), own_device("cpu")) == ("cuda:1",) * 2 + ("cpu",)
    with pytest.raises(ValueError, match="'cuda:0', one graphics card for all"):
        own_device("cuda:0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="3 processes were started on a computer with 2"):
        own_device("auto")


# Forks the processes of each training after the imports, which take longer than the training.
# Process 1 does what it is told when it draws its fourth batch.
FORKS = """
import json, os, signal, sys
from napari_segkit import cli, new_training, segmenter
from napari_segkit.io import training_files
from napari_segkit.jobs import checkpoints, output_files
from napari_segkit.models.semantic import monai
from napari_segkit.training import distributed, semantic
from napari_segkit.training.sampler import Sampler

drawn = Sampler.batch

def run(rank, what, command):
    def batch(self, count):
        if rank == 1 and self.drawn == 3:
            if what == "fail":
                raise OSError(5, "Input/output error", "07.png")
            if what:
                os.kill(os.getpid(), getattr(signal, what))
        return drawn(self, count)

    Sampler.batch = batch
    out = os.open(f"{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os._exit(cli.main(command))

for line in sys.stdin:
    folder, env, count, *given = json.loads(line)
    os.chdir(folder)
    os.environ.update(env)
    children = []
    for rank in range(count):
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
        children.append(os.fork() or run(rank, *given))
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps([statuses, [open(f"{n}.txt").read() for n in range(count)]]), flush=True)
"""

# Gradients that two processes add up, against those of one; float32 of one thread.
ADDS_UP = """
import json, sys
import numpy as np, torch
from napari_segkit import TileConfig, TrainConfig
from napari_segkit.training import distributed
sys.path.insert(0, {folder!r})
from test_distributed import trainer_of

torch.set_num_threads(1)
image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
labels = np.zeros((64, 64), np.uint8)
labels[6:26, 6:26], labels[20:30, 13:53] = 1, 2
config = TrainConfig(batch_size=5, tile=TileConfig(32, 0), unlabelled=0, precision="float32")
trainer = trainer_of(config, (image, labels))
weights = list(trainer.network.parameters())
images, targets = trainer._batch()
alone = [trainer._backward(images, targets), *(p.grad.clone() for p in weights)]
with distributed.joined() as processes:
    weights[0].data += processes.rank  # the first process gives its own
    processes.begin(trainer.network, {{"settings": 1}})
    loss = processes.add_up(trainer.network, trainer._backward(images, targets))
    together = [loss, *(p.grad for p in weights)]
    pairs = zip(alone, together)
    worst = max(((a - b).norm() / a.norm()).item() for a, b in pairs if a.norm() > 1e-6)
    try:
        processes.begin(trainer.network, {{"settings": processes.rank}})
    except ValueError as error:
        print(json.dumps([worst, str(error)]))
    processes.meet()
"""


def launched(count):
    """What a launcher of so many processes sets in their environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    numbers = {"MASTER_PORT": port, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    return {"MASTER_ADDR": "127.0.0.1"} | {name: str(n) for name, n in numbers.items()}


@pytest.fixture(scope="module")
def forks():
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forks:
        yield forks
        forks.stdin.close()


@pytest.fixture
def train(folder, forks):
    """A function that trains in two processes; exit status and words of each."""

    def train(what="", options=SMALL, count=2, name="a"):
        command = f"train images masks -o {name}.segkit {options}".split()
        order = json.dumps([str(folder), launched(count), count, what, command])
        print(order, file=forks.stdin, flush=True)
        return json.loads(forks.stdout.readline())

    return train


@pytest.fixture
def folder(make_image_folder):
    """The working folder, with five images and masks."""
    return make_image_folder(5)


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one():
    program = ADDS_UP.format(folder=os.path.dirname(__file__))
    env = os.environ | launched(2)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=env | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        worst, error = json.loads(process.communicate()[0])
        assert worst < 1e-5
        assert "Process 2 of 2 has other settings than the first one" in error


@pytest.mark.slow
def test_a_shared_training_is_resumed_bit_for_bit(train):
    assert train(name="whole")[0] == [0, 0]
    status, told = train("SIGINT")
    assert status == [0, 0]
    assert "Interrupted: the model is saved as trained so far." in told[0]
    assert told[1] == ""
    assert train(options="--resume --overwrite --device cpu --threads 1")[0] == [0, 0]
    whole, resumed = (Segmenter.load(f"{n}.segkit", device="cpu").trained for n in ("whole", "a"))
    assert whole.provenance["processes"] == 2
    assert resumed.history == whole.history
    others = resumed.network.state_dict()
    assert all(torch.equal(t, others[name]) for name, t in whole.network.state_dict().items())
    assert train(count=1, name="alone")[0] == [0]
    alone = Segmenter.load("alone.segkit", device="cpu").trained
    assert whole.history == pytest.approx(alone.history, rel=0.1)  # batch normalisation differs


@pytest.mark.slow
@pytest.mark.parametrize(("what", "said"), [("fail", "07.png: Input"), ("SIGKILL", "Another pro")])
def test_an_error_in_one_process_ends_all_with_a_sentence(train, what, said):
    status, told = train(what)
    assert status == [1, {"fail": 1, "SIGKILL": -signal.SIGKILL}[what]]
    assert [line for line in told[0].splitlines() if said in line]
    assert "The model is saved as trained before this error." in told[0]
    assert told[1] == ""
    assert len(Segmenter.load("a.segkit", device="cpu").history) == 3


@pytest.mark.slow
def test_a_mistake_is_said_once(train):
    status, told = train(options=SMALL + " --batch-size 3")
    assert status == [2, 2]
    assert told[0].count("\n") == 1
    assert "A batch of 3 patches is too small for 2 processes" in told[0]
    assert told[1] == ""
