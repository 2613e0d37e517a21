"""Base of all trainings: hold the data and the state, take commands, return the model."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from math import inf, isfinite, nan
from os import PathLike
from pathlib import Path
from statistics import fmean
from uuid import uuid4

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.models import build, stride
from napari_segkit.models.tensor_checks import require_finite_weights
from napari_segkit.models.weights.pretrained import initialise
from napari_segkit.steps import Step
from napari_segkit.tensor_file import network_tensors
from napari_segkit.tiling import (
    TILE,
    fit_to_stride,
    length_per_axis,
    round_up,
    tile_shape,
    tile_shape_from_size,
)
from napari_segkit.torch_random import RandomSource, random_numbers
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions

from .commands import Checkpoint, Finish, Snapshot
from .dataset import TrainingData
from .events import CheckpointStep, RefusedStep, Score, SnapshotStep
from .frozen_encoder import freeze_encoder
from .held_out import NOTHING, HeldOut
from .record import trained_on
from .schedule import Schedule
from .scoring import (
    OverfittingCheck,
    ScorePixels,
    Validate,
    Workload,
    figures_of,
    validation_step,
)
from .start import take_weights
from .state import Best, TrainingState, load_weights, model_settings


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """All that a training is started with.

    Parameters
    ----------
    spec : ModelSpec
        Which model.
    data : TrainingData
        Images and targets.
    config : TrainConfig
        Settings.
    device : device
        Where to compute.
    held_out : HeldOut
        What is held out, which the model file records.
    validate : Validate, optional
        Scores models on what is held out; the weights that do best are kept.
    score_pixels : ScorePixels, optional
        Scores pixels whose classes were predicted by folds.
    resume : path-like, optional
        A saved `TrainingState` to go on from.
    start : TrainedModel, optional
        A model whose weights the training begins with.
    learning_rates : sequence of float
        The learning rate of each step; empty: as the settings say.
    """

    spec: ModelSpec
    data: TrainingData
    config: TrainConfig
    device: torch.device
    held_out: HeldOut = NOTHING
    validate: Validate | None = None
    score_pixels: ScorePixels | None = None
    resume: str | PathLike[str] | None = None
    start: TrainedModel | None = None
    learning_rates: Sequence[float] = ()


class Trainer:
    """One training: `steps` runs it, `snapshot` copies its model, `result` ends it.

    Parameters
    ----------
    setup : TrainingSetup
        Model, data and settings.

    Attributes
    ----------
    state : TrainingState
        All that changes during the training.
    failure : Exception or None
        What made a validation or the batch statistics fail. It ends the training, not its model.
    """

    tile_ratio = 1  # tile length in prediction / patch length in training

    @torch.inference_mode(False)  # the caller may have switched gradients off
    def __init__(self, setup: TrainingSetup) -> None:
        self.setup, self.data, self.config = setup, setup.data, setup.config
        self.failure: Exception | None = None
        self._overfitting = OverfittingCheck()
        self.patch, self.tile_size, self.overlap = tiles(
            self.data.images,
            self.config,
            stride(setup.spec, self.data.inputs.spacing),
            self.tile_ratio,
        )
        random = RandomSource(self.config.seed)
        self.network = self._build(random).to(setup.device)
        if self.config.freeze_encoder:
            freeze_encoder(self.network)
        self.state = TrainingState(
            settings_of(setup),
            self.network,
            random,
            np.random.default_rng(self.config.seed),
            Schedule(self.config, rates=setup.learning_rates),
            self._make_optimiser(),
            fingerprints=setup.data.fingerprints,
        )
        if setup.resume is not None:
            self.state.load(setup.resume)

    @cached_property
    def _workload(self) -> Workload:
        steps = self.state.schedule.steps_per_epoch
        return Workload(self.config, steps, self.patch, self.tile_size, self.overlap)

    @cached_property
    def interval(self) -> int:
        """Epochs between validations, so that they take about a tenth of the work."""
        return 1 if self.setup.validate is None else self._workload.interval(self.setup.validate)

    @torch.inference_mode(False)
    def steps(self) -> Generator[Step, object, None]:
        """Train: a generator of events that takes commands.

        Yields
        ------
        Step
            `TrainStep` after each step, `ValidationStep` after each validation; `SnapshotStep`,
            `CheckpointStep` and `RefusedStep` answer commands. ``send(command)`` carries out one of
            `commands` after the event and returns the next event.
        """
        with closing(self._events()) as events:
            for event in events:
                answer: Step | None = event
                while answer is not None:
                    self.state.schedule.tick()
                    command = yield answer
                    self.state.schedule.start()  # a pause of the caller does not count
                    answer = self._answer(command, event)

    def snapshot(self) -> TrainedModel:
        """Copy the model as it is now; the training and its random numbers are not touched.

        Returns
        -------
        TrainedModel
            In evaluation mode, with recomputed batch statistics.
        """
        return self._model(self._measured(deepcopy(self.network)))

    def result(self) -> TrainedModel:
        """End the training and return its model, with the best weights if they were validated.

        Returns
        -------
        TrainedModel
            It holds the network itself, which takes no memory.
        """
        if self.state.best is None:
            network = self._measured_if_possible(self.network)
        else:
            load_weights(self.network, self.state.best.weights)
            network = self.network.eval()
        model, setup = self._model(network), self.setup
        record = {"trained_on": trained_on(self.data.labelled, setup.held_out)}
        return replace(model, provenance=model.provenance | record)

    def _events(self) -> Generator[Step, None, None]:
        """Train, without commands; ends soon after `state.finished` is set."""
        raise NotImplementedError

    def _make_optimiser(self) -> Optimizer | None:
        return None

    def _measure_batch_statistics(self, network: nn.Module) -> None:
        """Recompute what a network stores of batches; nothing by default."""

    def _answer(self, command: object, event: Step) -> Step | None:
        """Carry out a command; return the event that answers it, if any."""
        try:
            match command:
                case None:
                    pass
                case Finish():
                    self.state.finished = True
                case Checkpoint(path):
                    require_finite_weights(self.network)
                    self.state.save(path)
                    return CheckpointStep(event.done, event.total, path)
                case Snapshot():
                    self._require_trained()
                    return SnapshotStep(event.done, event.total, self.snapshot())
                case _:
                    raise TypeError(f"{command!r} is no command that a training takes.")
        except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError) as refusal:
            return RefusedStep(event.done, event.total, refusal)
        return None

    def _require_trained(self) -> None:
        if not self.state.history:
            raise ValueError("There is no model yet: the training has not made its first step.")

    def _validated(self, done: int, total: int, epoch: int) -> Iterator[Step]:
        """Score the model, once after the same step, and keep the best weights."""
        state, steps = self.state, len(self.state.history)
        if self.setup.validate is None or state.validated == steps or self.failure:
            return
        try:
            model = self.snapshot()
            score = self.setup.validate(model)
            loss = self._held_out_loss(model.network)
        except FloatingPointError:
            raise
        except Exception as error:  # noqa: BLE001
            self.failure, state.finished = error, True
            return
        train_loss = fmean(state.history[state.validated :])
        is_best = self._is_best(score, loss)
        step = validation_step(Step(done, total), epoch, score, loss, train_loss, is_best)
        if is_best:
            weights = {n: t.detach().cpu() for n, t in network_tensors(model.network).items()}
            state.best = Best(score.score, epoch, weights, loss, figures_of(step))
        state.stale = 0 if is_best else state.stale + 1
        state.validated = steps
        state.validations.append({"step": done, "is_best": is_best, **figures_of(step)})
        self._overfitting.check(train_loss, loss)
        if self.config.patience is not None and state.stale >= self.config.patience:
            state.finished = True
        yield step

    def _scored_on_more(self) -> Iterator[Step]:
        """Score the best model on more than a sample; this replaces its figures of before."""
        best, validate = self.state.best, self.setup.validate
        scored = next((v for v in reversed(self.state.validations) if v["is_best"]), None)
        if not (best and validate and scored and validate.is_sample) or self.failure:
            return
        network = deepcopy(self.network)
        load_weights(network, best.weights)
        self._workload.widen(validate)
        try:
            score = validate(self._model(network.eval()))
        except Exception as error:  # noqa: BLE001
            self.failure = error
            return
        place = Step(scored["step"], self.state.schedule.total)
        train_loss = nan if scored["train_loss"] is None else scored["train_loss"]
        step = validation_step(place, best.epoch, score, best.loss, train_loss, True)
        self.state.best = replace(best, score=score.score, figures=figures_of(step))
        scored |= figures_of(step)
        yield step

    def _is_best(self, score: Score, loss: float) -> bool:
        best = self.state.best
        if self.config.best_by == "loss" and isfinite(loss):
            return best is None or loss < best.loss
        return score.score > (best.score if best else -inf)  # NaN never is

    def _held_out_loss(self, network: nn.Module) -> float:
        """Loss of a network on patches of what is held out; nan where it has none."""
        return nan

    def _build(self, random: RandomSource) -> nn.Module:
        spec, inputs = self.setup.spec, self.data.inputs
        network = build(spec, inputs, random)
        if self.setup.start is not None:
            take_weights(network, self.setup.start, self.data)
        elif self.setup.resume is None:
            with random_numbers(random):
                initialise(network, spec, inputs)
        return network

    def _measured(self, network: nn.Module) -> nn.Module:
        with random_numbers(RandomSource(self.config.seed)):
            self._measure_batch_statistics(network)
        return network.eval()

    def _measured_if_possible(self, network: nn.Module) -> nn.Module:
        """With recomputed batch statistics, or with the running averages if that fails."""
        averages = [(buffer, buffer.clone()) for buffer in network.buffers()]
        try:
            return self._measured(network)
        except FloatingPointError:
            raise
        except Exception as error:  # noqa: BLE001
            self.failure = error
            for buffer, average in averages:
                buffer.copy_(average)
            return network.eval()

    def _model(self, network: nn.Module) -> TrainedModel:
        require_finite_weights(network)
        data, first = self.data, self.data.images[0]
        fixed = data.samples[0].statistics if self.config.normalise == "training" else None
        return TrainedModel(
            network=network,
            spec=self.setup.spec,
            config=self.config,
            classes=data.classes,
            channels=data.inputs.channels,
            channel_names=first.channel_names,
            axes=first.axes,
            spacing=first.spacing,
            orientation=first.orientation,
            unit=first.unit,
            tile_size=self.tile_size,
            overlap=self.overlap,
            nonzero=data.nonzero,
            object_size=data.object_size,
            statistics=fixed,
            contrast=data.contrast,
            white=data.white,
            history=tuple(self.state.history),
            learning_rates=tuple(self.state.rates),
            provenance=self._provenance(),
        )

    def _provenance(self) -> dict[str, object]:
        best, spec = self.state.best, self.setup.spec
        objects = {} if self.data.class_of is None else {"objects": self.data.object_count}
        every = {"validations": list(self.state.validations)} if self.state.validations else {}
        score = {"validation": best.figures, **every} if best else every
        start = {} if self.setup.start is None else {"start": self.setup.start.identity}
        return {
            **objects,
            **score,
            **start,
            "id": uuid4().hex,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "images": [i.name for i in self.data.images],
            "weights": spec.weights and Path(spec.weights).name,
            "images_seen": self.state.images,
            "seconds": round(self.state.schedule.seconds, 1),
            "device": str(self.setup.device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }


def settings_of(setup: TrainingSetup) -> dict[str, object]:
    """What a training must share with a saved state to go on from it, by name."""
    inputs = setup.data.inputs
    return {
        "model": setup.spec.name,
        "classes": [f"{c.value} {c.name}" for c in setup.data.classes],
        "channels": inputs.channels,
        "spacing": list(inputs.spacing),
        **model_settings(setup.spec, setup.config),
        "validation images": len(setup.data.labelled.validation),
    }


def tiles(
    images: Sequence[AxesImage], config: TrainConfig, strides: Sequence[int], tile_ratio: int = 1
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Patch edges of the training, then tile size and overlap stored with the model."""
    if config.resized_shape and config.tile.tile_size is None:
        whole = tuple(map(round_up, config.resized_shape, strides))
        return whole, whole, (0,) * len(whole)
    longest = np.max([image.spatial_shape(len(strides)) for image in images], axis=0).tolist()
    if config.tile.tile_size is None:
        default = length_per_axis(TILE[len(strides)], strides)
        shorter = [min(pair) for pair in zip(default, longest, strict=True)]
        patch = tile_shape(shorter, longest, strides)
        sizes = tuple(tile_ratio * edge for edge in patch)
    else:
        patch = sizes = tile_shape_from_size(config.tile.tile_size, longest, strides)
    if config.tile.overlap is None:
        overlaps = [3 * size // 8 if tile_ratio == 1 else size // 2 for size in sizes]
    else:
        overlaps = length_per_axis(config.tile.overlap, strides)
    if config.tile.tile_size is not None:  # less where an image is thinner than a tile
        overlaps = [min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True)]
    fitted = [fit_to_stride(*axis) for axis in zip(sizes, overlaps, strides, strict=True)]
    return patch, tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)
