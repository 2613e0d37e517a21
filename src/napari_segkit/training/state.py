"""Everything that a training needs to go on exactly where it was."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite, nan
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from napari_segkit.images.intensity import Statistics
from napari_segkit.images.types import AnyArray
from napari_segkit.io.checked_json import MALFORMED
from napari_segkit.models.tensor_checks import require_usable
from napari_segkit.tensor_file import Tensors, network_tensors, write_tensors
from napari_segkit.torch_random import RandomSource

from .schedule import Schedule
from .state_file import (
    FORMAT,
    KEY,
    Fingerprints,
    damaged,
    model_settings,
    read_configs,
    read_file,
    require_equal,
    require_same_images,
)

RECENT_BATCHES = 10

RandomState = Mapping[str, Any]  # of a NumPy bit generator


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
    average : AveragedModel or None
        Moving average of the weights, if there is one.
    history : list of float
        Loss of each step.
    rates : list of float
        Learning rate of each step, where the clock sets it.
    images : int
        Patches trained on so far.
    parts : int
        In how many parts each batch is computed.
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
    start : str
        Identity of the model whose weights it began with; "" if there was none.
    statistics : Statistics or None
        Intensities that normalise all images; None: each has its own.
    finished : bool
        Whether the training shall end after the current step; not saved.
    fingerprints : callable
        Gives the fingerprints of the training images and labels, by the names of the images.
    held_out : callable
        Gives those of the images that are held out.
    held_pixels : callable
        Gives the pixels that are held out of each image, as bits, where labels are added.
    sides : dict
        Those of a state that was loaded.
    """

    settings: Mapping[str, object]
    network: nn.Module
    random: RandomSource
    sampling: np.random.Generator
    schedule: Schedule
    optimiser: Optimizer | None = None
    average: AveragedModel | None = None
    history: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    images: int = 0
    parts: int = 1
    recent: deque[RandomState] = field(default_factory=lambda: deque(maxlen=RECENT_BATCHES))
    best: Best | None = None
    validated: int = 0
    validations: list[dict[str, Any]] = field(default_factory=list)
    stale: int = 0
    start: str = ""
    statistics: Statistics | None = None
    finished: bool = False
    fingerprints: Callable[[], Sequence[Fingerprints]] = list  # by default of no images
    held_out: Callable[[], Sequence[Fingerprints]] = list
    held_pixels: Callable[[], Mapping[str, AnyArray]] = dict
    sides: Mapping[str, AnyArray] = field(default_factory=dict)

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
            "average": network_tensors(self.average.module) if self.average else {},
            "random": self.random.states(),
            "best": self.best.weights if self.best else {},
            "held": {n: torch.from_numpy(bits) for n, bits in self.held_pixels().items()},
            "history": {
                name: torch.tensor(numbers, dtype=torch.float64)
                for name, numbers in self._numbers().items()
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
        header, tensors = read_file(path)
        saved = header["settings"] | model_settings(*read_configs(header["settings"], path))
        require_equal(saved, self.settings, path.name)
        groups = _groups(tensors)
        self._require_same_rates(groups["history"].get("given_rates"), path.name)
        if "images" in header:  # not in those of earlier versions
            require_same_images(header["images"], self.fingerprints(), path.name)
        if "held_out" in header:
            require_same_images(header["held_out"], self.held_out(), path.name)
        try:
            self._read(header, groups)
        except MALFORMED as error:
            raise damaged(path, error) from None

    def _numbers(self) -> dict[str, Sequence[float]]:
        """Numbers of each step; of the rates those that there are."""
        rates = {"rates": self.rates, "given_rates": self.schedule.rates}
        return {"losses": self.history, **{n: numbers for n, numbers in rates.items() if numbers}}

    def _header(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "settings": self.settings,
            "images": self.fingerprints(),
            "held_out": self.held_out(),
            "sampling": self.sampling.bit_generator.state,
            "recent": list(self.recent),
            "seconds": self.schedule.seconds,
            "images_seen": self.images,
            "parts": self.parts,
            "best": _best_header(self.best) if self.best else None,
            "validated": self.validated,
            "validations": self.validations,
            "stale": self.stale,
            "start": self.start,
            "statistics": asdict(self.statistics) if self.statistics else None,
        }

    def _require_same_rates(self, saved: Tensor | None, name: str) -> None:
        given = list(self.schedule.rates)
        rates = [] if saved is None else saved.tolist()
        if given and given != rates:
            raise ValueError(
                f"{name} is the state of a training with other learning_rates: resume with the "
                "same ones, or train without resume."
            )
        self.schedule.rates = rates

    def _read(self, header: Mapping[str, Any], groups: Mapping[str, Tensors]) -> None:
        load_weights(self.network, groups["network"])
        require_usable(self.network)
        self.random.restore(groups["random"])
        self.sides = {number: bits.numpy() for number, bits in groups["held"].items()}
        self.sampling.bit_generator.state = header["sampling"]
        is_first = header["format"] == 1
        losses = header["history"] if is_first else groups["history"]["losses"].tolist()
        self.history[:] = map(_finite, losses)
        rates = groups["history"].get("rates", torch.zeros(0))  # not in those of earlier versions
        self.rates[:] = map(_finite, rates.tolist())
        schedule, done = self.schedule, len(self.history)
        schedule.done, schedule.seconds = done, _finite(header["seconds"])
        self.images = int(header.get("images_seen", done * schedule.config.batch_size))
        self.parts = int(header.get("parts", 1))
        self.validated = int(header["validated"])
        counts = self.images, self.validated, done - self.validated, self.parts - 1
        if not (schedule.seconds >= 0 and min(counts) >= 0):
            raise ValueError("it counts less than nothing, or more than it has done")
        if self.average is not None:
            load_weights(self.average.module, groups["average"])
            self.average.n_averaged.fill_(done)
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
        self.start = str(header.get("start", ""))
        if statistics := header.get("statistics"):
            low, high = (tuple(map(_finite, statistics[n])) for n in ("low", "high"))
            self.statistics = Statistics(low, high)


def _best_header(best: Best) -> dict[str, object]:
    loss = best.loss if isfinite(best.loss) else None
    return {"score": best.score, "epoch": best.epoch, "loss": loss, "figures": best.figures}


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
