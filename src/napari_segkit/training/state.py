"""Everything that a training needs to go on exactly where it was."""

import json
import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.config._schema import config_fields, from_dict, to_dict
from napari_segkit.models.tensor_checks import UNBOUNDED, require_usable
from napari_segkit.tensor_file import (
    MALFORMED,
    Tensors,
    first_line,
    has_checksum,
    network_tensors,
    read_tensors,
    require_finite_tensors,
    require_regular_file,
    write_tensors,
)
from napari_segkit.torch_random import RandomSource

from .schedule import Schedule

FORMAT = 2  # 1: the history is in the header
KEY = "segkit-training"
RECENT_BATCHES = 10
EARLIER = TrainConfig(validation=None)

RandomState = Mapping[str, Any]  # of a NumPy bit generator
Fingerprints = tuple[str, str, str]  # name of an image, fingerprints of it and of its labels


@dataclass(frozen=True)
class Best:
    """The weights that did best in validation, and its figures as JSON can hold them."""

    score: float
    epoch: int
    weights: Tensors
    loss: float = nan
    figures: Mapping[str, object] = field(default_factory=dict)


@dataclass(eq=False)
class TrainingState:
    """All that changes during a training. It can be saved, and the training goes on bit for bit.

    Parameters
    ----------
    settings : dict
        Model, classes and settings by name, as JSON can hold them; only a training with the same
        ones can go on from the file.
    network : Module
        The network; its weights are part of the state.
    random : RandomSource
        Random numbers of torch: initial weights, dropout, sampled boxes.
    sampling : numpy.random.Generator
        Random numbers of patches and augmentation.
    schedule : Schedule
        Steps and seconds done, and the learning rate.
    optimiser : Optimizer or None
        None where nothing is optimised in steps.
    history : list of float
        Loss of each step.
    rates : list of float
        Learning rate of each step, where the clock sets it.
    images : int
        Patches trained on so far.
    recent : deque of dict
        State of `sampling` before each of the last batches, from which they can be drawn again.
    best : Best or None
        Best weights so far, if there is a validation.
    validated : int
        Steps done at the last validation.
    validations : list of dict
        Figures of each validation, as JSON can hold them.
    stale : int
        Validations since the best one.
    finished : bool
        Whether the training shall end after the current step; not saved.
    fingerprints : callable
        Gives the fingerprints of the training images and labels, by the names of the images; called
        where they are written or compared, because they take time.
    """

    settings: Mapping[str, object]
    network: nn.Module
    random: RandomSource
    sampling: np.random.Generator
    schedule: Schedule
    optimiser: Optimizer | None = None
    history: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    images: int = 0
    recent: deque[RandomState] = field(default_factory=lambda: deque(maxlen=RECENT_BATCHES))
    best: Best | None = None
    validated: int = 0
    validations: list[dict[str, Any]] = field(default_factory=list)
    stale: int = 0
    finished: bool = False
    fingerprints: Callable[[], Sequence[Fingerprints]] = list  # by default of no images

    def save(self, path: str | PathLike[str]) -> None:
        """Write the state to one safetensors file with a JSON header, which holds no code.

        Parameters
        ----------
        path : path-like
            The file; an existing one is replaced after the new one is complete.
        """
        self.schedule.tick()
        groups = {
            "network": network_tensors(self.network),
            "optimiser": _optimiser_tensors(self.optimiser),
            "random": self.random.states(),
            "best": self.best.weights if self.best else {},
            "history": {
                name: torch.tensor(numbers, dtype=torch.float64)
                for name, numbers in {"losses": self.history, "rates": self.rates}.items()
                if numbers or name == "losses"
            },
        }
        tensors = {f"{group}.{n}": t for group, named in groups.items() for n, t in named.items()}
        write_tensors(Path(path), tensors, KEY, self._header())

    def load(self, path: str | PathLike[str]) -> None:
        """Replace this state, of a training that has not begun, by a saved one.

        Parameters
        ----------
        path : path-like
            A file that `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is not a complete state of a training, or of one with another model, other
            classes, other settings, or other images or labels.
        """
        path = Path(path)
        header, tensors = _read_file(path)
        saved = header["settings"] | model_settings(*_read_configs(header["settings"], path))
        _require_equal(_plain(saved), _plain(self.settings), path.name)
        if "images" in header:  # not in those of earlier versions
            _require_same_images(header["images"], self.fingerprints(), path.name)
        try:
            self._read(header, _groups(tensors))
        except MALFORMED as error:
            raise _damaged(path, error) from None

    def _header(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "settings": self.settings,
            "images": self.fingerprints(),
            "sampling": self.sampling.bit_generator.state,
            "recent": list(self.recent),
            "seconds": self.schedule.seconds,
            "images_seen": self.images,
            "best": _best_header(self.best) if self.best else None,
            "validated": self.validated,
            "validations": self.validations,
            "stale": self.stale,
        }

    def _read(self, header: Mapping[str, Any], groups: Mapping[str, Tensors]) -> None:
        load_weights(self.network, groups["network"])
        require_usable(self.network)
        self.random.restore(groups["random"])
        self.sampling.bit_generator.state = header["sampling"]
        is_first = header["format"] == 1
        losses = header["history"] if is_first else groups["history"]["losses"].tolist()
        self.history[:] = map(_finite, losses)
        rates = groups["history"].get("rates", torch.zeros(0))  # not in those of earlier versions
        self.rates[:] = map(_finite, rates.tolist())
        schedule, done = self.schedule, len(self.history)
        schedule.done, schedule.seconds = done, _finite(header["seconds"])
        self.images = int(header.get("images_seen", done * schedule.config.batch_size))
        self.validated = int(header["validated"])
        if not (schedule.seconds >= 0 and 0 <= self.validated <= done and self.images >= 0):
            raise ValueError("it counts less than nothing, or more than it has done")
        if self.optimiser is not None:
            _load_optimiser(self.optimiser, groups["optimiser"])
            self.recent.extend(header["recent"])
            if len([generator_at(s) for s in self.recent]) != min(done, RECENT_BATCHES):
                raise ValueError("batches are missing")
        if header["best"]:
            weights, best = groups["best"], header["best"]
            _require_alike(weights, self.network)
            loss, figures = best.get("loss"), dict(best.get("figures", {}))
            loss = nan if loss is None else _finite(loss)
            self.best = Best(_finite(best["score"]), int(best["epoch"]), weights, loss, figures)
        self.validations[:] = map(dict, header.get("validations", []))
        self.stale = int(header.get("stale", 0))


def _best_header(best: Best) -> dict[str, object]:
    loss = best.loss if isfinite(best.loss) else None
    return {"score": best.score, "epoch": best.epoch, "loss": loss, "figures": best.figures}


def model_settings(spec: ModelSpec, config: TrainConfig) -> dict[str, object]:
    """Model and settings by name, as a state keeps them; of a weights file only its name."""
    return {
        "model": spec.name,
        **{k: v for k, v in to_dict(spec).items() if k != "name"},
        "weights": spec.weights and Path(spec.weights).name,
        **to_dict(config),
    }


def read_settings(path: Path) -> tuple[ModelSpec, TrainConfig]:
    """Model and settings of a training whose state was saved; errors as in `TrainingState.load`."""
    return _read_configs(_read_file(path)[0]["settings"], path)


def _read_configs(settings: dict[str, Any], path: Path) -> tuple[ModelSpec, TrainConfig]:
    """Model and settings, also as earlier versions wrote them."""
    try:
        named = settings | {"name": settings["model"]}
        spec = {k: named[k] for k in config_fields(ModelSpec) if k in named}
        config = {k: named[k] for k in config_fields(TrainConfig) if k in named}
        config.setdefault("validation", EARLIER.validation)
        return from_dict(ModelSpec, spec), from_dict(TrainConfig, config)
    except MALFORMED as error:
        raise _damaged(path, error) from None


def require_settings(path: Path, spec: ModelSpec, config: TrainConfig) -> None:
    """Refuse another model or other settings than those of a saved state, and name the first."""
    saved, given = (model_settings(*pair) for pair in (read_settings(path), (spec, config)))
    _require_equal(saved, given, path.name)


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path.name} is a damaged training state ({first_line(error)}): choose another."
    )


def _read_file(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Header and tensors of a file that `TrainingState.save` wrote."""
    require_regular_file(path, "training state")
    try:
        header, tensors = read_tensors(path, KEY)
        number, header["settings"] = int(header["format"]), dict(header["settings"])
        require_finite_tensors(tensors, UNBOUNDED)
    except MALFORMED as error:
        raise ValueError(
            f"{path.name} is not a complete training state ({first_line(error)}): choose a "
            "file that a Checkpoint of a training wrote."
        ) from None
    if not has_checksum(header):
        warnings.warn(
            f"{path.name} has no checksum, because an earlier version of napari-segkit wrote it: "
            "damage to it may go unnoticed.",
            UserWarning,
            stacklevel=3,
        )
    if number > FORMAT:
        raise ValueError(
            f"{path.name} was saved by a newer napari-segkit: update napari-segkit to resume."
        )
    return header, tensors


def _finite(value: object) -> float:
    """A number of the header, which must not be NaN or infinite."""
    if type(value) not in (int, float) or not isfinite(value):  # type: ignore[arg-type]
        raise ValueError("a number is not finite")
    return float(value)  # type: ignore[arg-type]


def generator_at(state: RandomState) -> np.random.Generator:
    """A generator with the state of another one."""
    generator = np.random.default_rng()
    generator.bit_generator.state = state
    return generator


def load_weights(network: nn.Module, tensors: Tensors) -> None:
    """Copy tensors, named as `network_tensors` does, into a network."""
    _require_alike(tensors, network)
    network.load_state_dict(tensors, strict=False)  # shared tensors have one name


def _require_alike(tensors: Tensors, network: nn.Module) -> None:
    found, expected = (
        {name: (t.shape, t.dtype) for name, t in named.items()}
        for named in (tensors, network_tensors(network))
    )
    if found != expected:
        raise ValueError("its tensors are those of another network")


def _optimiser_tensors(optimiser: Optimizer | None) -> Tensors:
    """Tensors of each parameter's state, named such as "0.exp_avg"."""
    states = {} if optimiser is None else optimiser.state_dict()["state"]
    return {f"{n}.{name}": tensor for n, state in states.items() for name, tensor in state.items()}


def _load_optimiser(optimiser: Optimizer, tensors: Tensors) -> None:
    states = {int(number): state for number, state in _groups(tensors).items()}
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    fits = [
        t.shape == (() if name == "step" else parameters[number].shape)
        for number, state in states.items()
        for name, t in state.items()
    ]
    if not all(fits) or len({frozenset(state) for state in states.values()}) != 1:
        raise ValueError("its optimiser is that of another network")
    for number, state in states.items():  # in the memory layout of the weights
        like = parameters[number]
        moments = {name: torch.empty_like(like).copy_(t) for name, t in state.items() if t.ndim}
        state.update(moments if like.ndim else {})
    optimiser.load_state_dict(optimiser.state_dict() | {"state": states})


def _groups(tensors: Tensors) -> defaultdict[str, Tensors]:
    """Tensors by the first part of their names, such as "optimiser" of "optimiser.0.step"."""
    groups: defaultdict[str, Tensors] = defaultdict(dict)
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor
    return groups


def _plain(settings: Mapping[str, object]) -> dict[str, object]:
    """Settings as they are read from a file."""
    plain: dict[str, object] = json.loads(json.dumps(settings))
    return plain


def _require_equal(saved: Mapping[str, object], current: Mapping[str, object], name: str) -> None:
    """Refuse to go on with another model, other classes or settings, and name the first.

    A setting that an earlier version did not know had what is now its default, but nothing was
    held out.
    """
    defaults = {k: v for k, v in to_dict(EARLIER).items() if k in current}
    saved = {**defaults, **saved}
    for key in {**current, **saved}:
        if saved.get(key) != current.get(key):
            raise ValueError(
                f"{name} is the state of a training with {key} {_text(saved.get(key))}, but this "
                f"one has {_text(current.get(key))}: resume with the same model, classes and "
                "settings, or train without resume."
            )


def _require_same_images(
    saved: Sequence[Sequence[str]], current: Sequence[Fingerprints], name: str
) -> None:
    """Refuse to go on with other images or labels, and name the first."""
    if len(saved) != len(current):
        images = "1 image" if len(saved) == 1 else f"{len(saved)} images"
        different = f"of a training on {images}, but {len(current)} are given"
    elif changed := list(_changed(saved, current)):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        different = f"of another training: the pixels of the {changed[0]}{more} have changed"
    else:
        return
    raise ValueError(
        f"{name} is the state {different}. Resume with the same images and labels, or train "
        "without resume."
    )


def _changed(saved: Sequence[Sequence[str]], current: Sequence[Fingerprints]) -> Iterator[str]:
    for (_, image, labels), (name, image_now, labels_now) in zip(saved, current, strict=True):
        if image != image_now:
            yield name
        elif labels != labels_now:
            yield f"labels of {name}"


def _text(value: object) -> str:
    """A setting as a person reads it: lists without brackets."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
