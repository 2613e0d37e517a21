"""What a worker does: keep models, and predict blocks with them."""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import torch

from napari_segkit import devices, model_file
from napari_segkit.freed_memory import keeping_freed_memory
from napari_segkit.inference.masks import TileMasks
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions

from .block import Block, PredictedCell, predict_block

MAX_MODELS = 2  # that a worker keeps

_models: dict[str, TrainedModel] = {}  # by digest, the one used last is the last
_loading, _card = Lock(), Lock()


@dataclass(frozen=True)
class ModelBytes:
    """A model as the bytes of its file."""

    data: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True)
class WorkerRecord:
    """Where a block was predicted, and which packages have another version there."""

    address: str
    device: str
    others: Sequence[str]


def bytes_of(model: TrainedModel) -> ModelBytes:
    """What travels of a model: no more than its file holds."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.segkit"
        model_file.save(model, file)
        data = file.read_bytes()
    return ModelBytes(data, hashlib.sha256(data).hexdigest())


def keep(model: ModelBytes) -> ModelBytes:
    """A task that holds a model for others; computed anew where a worker that held it is lost."""
    return model


def predict_on_worker(
    model: ModelBytes, block: Block, threads: int, wanted: Mapping[str, str]
) -> tuple[list[PredictedCell] | TileMasks, WorkerRecord]:
    """Predict a block on the best device of this machine.

    `wanted` are the versions of the client; ValueError for another one of napari-segkit.
    """
    from distributed import get_worker

    address, others = get_worker().address, _other_versions(wanted)
    if others and others[0].startswith("napari-segkit "):
        raise ValueError(
            f"The worker {address} has {others[0]}, here it is {wanted['napari-segkit']}: install "
            "the same version on all workers."
        )
    device = devices.choose()
    with keeping_freed_memory(), _torch_threads(threads), _alone(device):
        predicted = predict_block(block, _loaded(model, device), device)
    return predicted, WorkerRecord(address, device.type, others)


def _other_versions(wanted: Mapping[str, str]) -> list[str]:
    """Such as "torch 2.8.0"; builds of one version, such as 2.8.0+cpu, are alike."""
    here = versions()
    return [f"{k} {here[k]}" for k, v in wanted.items() if here[k].split("+")[0] != v.split("+")[0]]


def _loaded(model: ModelBytes, device: torch.device) -> TrainedModel:
    """The model, loaded once."""
    with _loading:
        trained = _models.pop(model.digest, None) or _load(model)
        _models[model.digest] = trained
        for other in list(_models)[:-MAX_MODELS]:
            del _models[other]
        trained.to(device)
        return trained


def _load(model: ModelBytes) -> TrainedModel:
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "model.segkit"
        with atomic_write(file) as opened:
            opened.write(model.data)
        return model_file.load(file)


@contextmanager
def _torch_threads(count: int) -> Generator[None]:
    before = torch.get_num_threads()
    devices.use_threads(count)
    try:
        yield
    finally:
        devices.use_threads(before)


def _alone(device: torch.device) -> "Lock | nullcontext[None]":
    """A graphics card computes one block at a time, whose memory it may need as a whole."""
    return nullcontext() if device.type == "cpu" else _card
