"""Trainings by gradient descent on patches: optimiser, learning rate and time limit."""

import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property, partial
from math import ceil, isfinite, nan
from statistics import fmean, median
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from napari_segkit.config import AugmentConfig
from napari_segkit.config.training import Precision
from napari_segkit.error_messages import is_out_of_memory
from napari_segkit.images.labels import LabelsError
from napari_segkit.models.finite import REMEDY
from napari_segkit.models.precision import (
    autocast,
    choose_precision,
    fast_memory_format,
    to_memory_format,
)
from napari_segkit.steps import Step, Waiting
from napari_segkit.torch_random import RandomSource, random_numbers
from napari_segkit.trained_model import TrainedModel

from .distributed import Processes, current
from .events import DivergenceWarning, TrainStep
from .micro_batches import even_parts, less_at_once, parts_that_fit
from .optimisers import make_optimiser
from .sampler import Sample
from .scoring import LOSS_BATCHES
from .state import RECENT_BATCHES, RandomState
from .trainer import Trainer
from .training_setup import TrainingSetup

COPY_STEPS = 20  # at most that may follow the copy which is the model in the end,
COPY_SHARE = 0.2  # and their share of all steps


class Movable(Protocol):
    """Targets of a batch: a tensor, or a list of them."""

    def to(self, device: torch.device, /) -> Self: ...
    def __getitem__(self, part: slice, /) -> Any: ...


M = TypeVar("M", bound=Movable)
M_co = TypeVar("M_co", bound=Movable, covariant=True)


class BatchSource(Protocol[M_co]):
    """Where patches come from: a `Sampler`."""

    random: np.random.Generator
    drawn: int

    @property
    def is_empty(self) -> bool: ...
    def steps_per_pass(self, batch_size: int) -> int: ...
    def batch(self, count: int) -> tuple[torch.Tensor, M_co]: ...
    def redraw_images(self, count: int, state: RandomState) -> torch.Tensor: ...


class GradientTrainer(Trainer, Generic[M]):
    """Train the network on patches that a sampler draws."""

    smallest_part: int = 2  # of one alone some batch normalisation cannot be computed

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__(setup)
        size = self.processes.most_patches(self.config.batch_size)
        fewest = parts_that_fit(self.setup, self.patch, size, self.most_parts)
        self.parts = max(fewest, min(self.state.parts, self.most_parts))
        self.sampler = self._make_sampler(
            self.data.samples, self.state.sampling, augment=self.config.augment
        )
        size, states, schedule = self.config.batch_size, self.state.recent, self.state.schedule
        schedule.steps_per_pass = self.sampler.steps_per_pass(size)
        self.sampler.drawn = schedule.done - len(states)
        redrawn = (self.sampler.redraw_images(size, state) for state in states)
        self.recent = deque(redrawn, RECENT_BATCHES)  # images may be out of reach at the end

    @abstractmethod
    def _make_sampler(
        self, samples: Sequence[Sample], random: np.random.Generator, *, augment: AugmentConfig
    ) -> BatchSource[M]: ...

    @abstractmethod
    def _loss(
        self, network: nn.Module, images: torch.Tensor, targets: M, whole: M | None = None
    ) -> torch.Tensor:
        """Share of these images in the loss of a step, whose targets are `whole` if it has more.

        The training ends if the sum, or the slope of a weight, is not finite.
        """

    def _build(self, random: RandomSource) -> nn.Module:
        network = super()._build(random)
        to_memory_format(network, self._layout)
        return network

    def _make_optimiser(self) -> Optimizer:
        return make_optimiser(self.config, self.network.parameters(), self.setup.device)

    def _make_average(self) -> AveragedModel | None:
        decay = self.config.average
        if decay is None:
            return None
        return AveragedModel(self.network, multi_avg_fn=partial(_average, decay))

    @property
    def parts(self) -> int:
        """In how many parts the next batch is computed."""
        return self.state.parts

    @parts.setter
    def parts(self, parts: int) -> None:
        self.state.parts = parts

    @property
    def most_parts(self) -> int:
        """In how many parts a process can compute what it has of a batch."""
        size = self.processes.most_patches(self.config.batch_size)
        return max(1, size // self.smallest_part)

    @property
    def processes(self) -> Processes:
        return current()

    @property
    def precision(self) -> Precision:
        return choose_precision(self.config.precision, self.setup.device)

    @cached_property
    def _layout(self) -> torch.memory_format:
        return fast_memory_format(self.setup.device, len(self.patch))

    def _events(self) -> Generator[Step, None, None]:
        """Train in training mode; the network is in evaluation mode when this ends or is closed."""
        self.state.schedule.start()
        if self.processes.count > 1:
            self.processes.begin(self.network, self._facts)
        self.network.train()
        try:
            yield from self._steps()
        except FloatingPointError as error:
            self._end_early(error)
        finally:
            self.network.eval()

    def _steps(self) -> Generator[Step, None, None]:
        """Train and validate; FloatingPointError if something becomes NaN or infinite."""
        schedule = self.state.schedule
        while True:
            interval = self.interval  # of what is held out now, of which it chooses what is scored
            if schedule.is_epoch_end and schedule.epoch % interval == 0:
                yield from self._validated(schedule.done, schedule.total, schedule.epoch)
            schedule.tick()
            is_over = self.state.finished or schedule.progress >= 1
            if is_over and self.processes.is_first:  # the others learn of it in the next step
                if not self.config.is_endless:  # else a person waits for its end
                    yield from self._validated(schedule.done, schedule.total, schedule.epoch)
                    yield from self._scored_on_more()
                return
            if self.setup.live is not None and self.sampler.is_empty:  # all labels taken away
                yield Waiting(schedule.done, schedule.total)
            else:
                yield self._step()

    def _held_out_loss(self, network: nn.Module) -> float:
        """Mean loss on the same patches each time, which are not augmented."""
        device, losses = self.setup.device, []
        with torch.no_grad(), random_numbers(RandomSource(self.config.seed)):
            for images, targets in self._held_out_batches:
                whole, parts = targets.to(device), even_parts(len(images), self.parts)
                losses.append(
                    sum(
                        self._loss(network, images[part].to(device), whole[part], whole).item()
                        for part in parts
                    )
                )
        return fmean(losses) if losses else nan

    @cached_property
    def _held_out_batches(self) -> list[tuple[torch.Tensor, M]]:
        samples = self.data.held_out
        if not samples:
            return []
        random = np.random.default_rng(self.config.seed)
        try:
            sampler = self._make_sampler(samples, random, augment=AugmentConfig(augment=False))
        except LabelsError:  # regions too narrow for a patch of objects
            return []
        if sampler.is_empty:
            return []
        return [sampler.batch(self.config.batch_size) for _ in range(LOSS_BATCHES)]

    def _end_early(self, error: FloatingPointError) -> None:
        """End a training that diverged with the model before; raise if it has learned nothing."""
        losses = self.state.history
        if self.state.best is None:
            count = min(10, max(1, len(losses) // 4))  # one loss alone is noisy
            if not losses or median(losses[-count:]) >= median(losses[:count]):
                raise error
            self.snapshot()  # raises if the model before is not finite either
        warnings.warn(
            f"{error} The training ended there, and the model from before is kept.",
            DivergenceWarning,
            stacklevel=2,
        )

    def _step(self) -> TrainStep:
        state, schedule, optimiser = self.state, self.state.schedule, self.state.optimiser
        assert optimiser is not None
        drawn_from = state.sampling.bit_generator.state
        images, targets = self._batch()
        loss = self._backward(images, targets)
        schedule.seconds = self.processes.meet(schedule.seconds)
        loss = self.processes.add_up(self.network, loss)
        value = self._finite(loss)  # before the weights are changed
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate
        if self.config.minutes is not None:  # they follow the clock
            state.rates.append(schedule.learning_rate)
        optimiser.step()
        if state.average is not None:
            state.average.update_parameters(self.network)
        state.recent.append(drawn_from)
        self.recent.append(images)
        schedule.done += 1
        schedule.tick()
        state.images += len(images)
        state.history.append(value)
        return TrainStep(
            schedule.done,
            schedule.total,
            schedule.epoch,
            value,
            schedule.seconds,
            state.images,
            schedule.seconds_left,
            self.precision,
            ceil(len(images[self._share(images)]) / self.parts),
        )

    def _backward(self, images: torch.Tensor, targets: M) -> torch.Tensor:
        """Compute gradients and give the loss, in smaller parts each time memory runs out."""
        while True:
            try:
                return self._add_up(images, targets)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or 2 * self.parts > self.most_parts:
                    raise
                self.parts *= 2
                count = len(images[self._share(images)])
                warnings.warn(less_at_once(count, self.parts), UserWarning, stacklevel=3)

    def _add_up(self, images: torch.Tensor, targets: M) -> torch.Tensor:
        """Sum of the losses of the parts of a batch, whose gradients add up, too.

        They are the parts that this process computes.
        """
        device, optimiser = self.setup.device, self.state.optimiser
        assert optimiser is not None
        optimiser.zero_grad()
        whole, total = targets.to(device), torch.zeros((), device=device)
        step, own = self.state.schedule.done, self._share(images)
        random = self.processes.random_numbers(self.state.random, self.config.seed, step)
        for part in even_parts(own.stop - own.start, self.parts, own.start):
            if part.start == part.stop:  # a batch of fewer patches than processes
                continue
            with random_numbers(random), autocast(self.precision, device):
                shown = images[part].to(device, memory_format=self._layout)
                loss = self._loss(self.network, shown, whole[part], whole)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _share(self, images: torch.Tensor) -> slice:
        return self.processes.share(len(images), self.smallest_part)

    def _finite(self, loss: torch.Tensor) -> float:
        """The loss; FloatingPointError unless it and its slopes are finite."""
        slopes = [p.grad for p in self.network.parameters() if p.grad is not None]
        value, steepness = torch.stack([loss.detach(), get_total_norm(slopes)]).tolist()
        for name, number in {"loss": value, "gradient": steepness}.items():
            if not isfinite(number):
                step = self.state.schedule.done + 1
                raise FloatingPointError(
                    f"The {name} became {number} at step {step}: choose a lower learning rate, "
                    f"{REMEDY}."
                )
        return float(value)

    def _batch(self) -> tuple[torch.Tensor, M]:
        return self.sampler.batch(self.config.batch_size)

    def _recent_images(self, batches: int) -> Iterator[torch.Tensor]:
        """The last batches, to measure batch statistics on."""
        for images in list(self.recent)[-batches:]:
            for part in even_parts(len(images), self.parts):
                yield images[part].to(self.setup.device)

    @property
    def _facts(self) -> dict[str, object]:
        """What processes must have in common to train together, by name."""
        return {
            "settings": self.state.settings,
            "images or labels": (self.setup.fingerprints(), self.setup.held_out_fingerprints()),
            "number of steps done": self.state.schedule.done,
            "type of device": self.setup.device.type,
        }

    def _recent_copy(self) -> TrainedModel | None:
        """The copy that a person looks at, if few steps followed it and nothing better is known."""
        copy, steps = self._copy, len(self.state.history)
        if copy is None or self.state.best is not None:
            return None
        later = steps - len(copy.history)
        return copy if later <= min(COPY_STEPS, COPY_SHARE * steps) else None

    def _model(self, network: nn.Module) -> TrainedModel:
        to_memory_format(network, torch.contiguous_format)  # as one that is read from a file
        return super()._model(network)

    def _provenance(self) -> dict[str, object]:
        done = {"steps": len(self.state.history), "precision": self.precision}
        size = self.processes.most_patches(self.config.batch_size)
        if self.processes.count > 1:
            done["processes"] = self.processes.count
        if self.parts > 1:
            done["micro_batch"] = ceil(size / self.parts)
        return super()._provenance() | done


@torch.no_grad()
def _average(
    decay: float,
    averages: list[torch.Tensor],
    weights: list[torch.Tensor],
    count: torch.Tensor,
) -> None:
    """Exponential moving average; of few steps it keeps less of the first ones."""
    done = int(count)
    torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + done) / (10 + done)))
