"""Base of all trainings: hold the data and the state, take commands, return the model."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from math import inf, isfinite, nan
from statistics import fmean
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.slices import along
from napari_segkit.models import build, model_info, stride
from napari_segkit.models.tensor_checks import require_finite_weights
from napari_segkit.models.weights.pretrained import initialise
from napari_segkit.steps import Step
from napari_segkit.tensor_file import network_tensors
from napari_segkit.tiling import Tiling
from napari_segkit.torch_random import RandomSource, random_numbers
from napari_segkit.trained_model import TrainedModel

from .commands import AddLabels, Checkpoint, Finish, Snapshot
from .distributed import current
from .events import CheckpointStep, LabelsStep, RefusedStep, Score, SnapshotStep
from .frozen_encoder import freeze_encoder
from .live_labels import LabelsChange
from .record import provenance, trained_on
from .schedule import Schedule
from .scoring import (
    Validate,
    Workload,
    figures_of,
    validation_step,
    warn_if_overfitting,
)
from .start import take_weights
from .state import RECENT_BATCHES, Best, TrainingState, load_weights
from .tile_sizes import tiles
from .training_setup import TrainingSetup, settings_of

LIVE_BATCHES = 4  # of the statistics of a model, while a person waits for it


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

    smallest_part: int | None = None  # patches of a batch that can be computed alone, if it has any
    tile_ratio: int | None = None  # tile length in prediction / patch length in training, if fixed

    @torch.inference_mode(False)  # the caller may have switched gradients off
    def __init__(self, setup: TrainingSetup) -> None:
        self.setup, self.data, self.config = setup, setup.data, setup.config
        self.failure: Exception | None = None
        self._copy: TrainedModel | None = None  # the last one, unless labels came since
        self.patch, self.tile_size, self.overlap = tiles(
            _planes_of(self.data.images, self.config),
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
            self._make_average(),
            start=setup.start.identity if setup.start else "",
            statistics=self.data.statistics if self.config.normalise == "training" else None,
            fingerprints=setup.fingerprints,
            held_out=setup.held_out_fingerprints,
            held_pixels=dict if setup.live is None else setup.live.sides,
        )
        if setup.resume is not None:
            self.state.load(setup.resume)
            if setup.live is not None:
                setup.live.restore(self.state.sides)
                self.state.best = None  # of labels that may have changed
            self.state.finished = self._is_patience_over
            if self.state.statistics is not None:
                self.data = self.data.normalised(self.state.statistics)

    @cached_property
    def _workload(self) -> Workload:
        steps = self.state.schedule.steps_per_epoch
        shapes = [image.spatial_shape(len(self.patch)) for image in self.data.images]
        longest = np.max(shapes, axis=0).tolist()
        return Workload(self.config, steps, self.patch, self.tiling, longest)

    @property
    def _validate(self) -> Validate | None:
        """What scores models, while anything is held out; the first process alone does that."""
        live = self.setup.live
        is_scored = (live is None or live.is_scored) and current().is_first
        return self.setup.validate if is_scored else None

    @property
    def learned(self) -> nn.Module:
        """The network with the weights that are the model."""
        return self.network if self.state.average is None else self.state.average.module

    @property
    def tiling(self) -> Tiling:
        """How predictions of its model are divided into tiles."""
        strides = stride(self.setup.spec, self.data.inputs.spacing)
        is_cut = not model_info(self.setup.spec.name).has_masks
        return Tiling(self.tile_size, self.overlap, strides if is_cut else ())

    @property
    def _fewer_batches(self) -> int:
        """How many batches give the statistics of a model that a person may wait for."""
        return LIVE_BATCHES if self.config.is_endless else RECENT_BATCHES

    @cached_property
    def interval(self) -> int:
        """Epochs between validations, so that they take about a tenth of the work."""
        return 1 if self._validate is None else self._workload.interval(self._validate)

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

    def snapshot(self, batches: int = RECENT_BATCHES) -> TrainedModel:
        """Copy the model as it is now; the training and its random numbers are not touched.

        Parameters
        ----------
        batches : int
            How many of the last batches the batch statistics are computed from.

        Returns
        -------
        TrainedModel
            In evaluation mode, with recomputed batch statistics.
        """
        return self._model(self._measured(deepcopy(self.learned), batches))

    def result(self) -> TrainedModel:
        """End the training and return its model, with the best weights if they were validated.

        Where a person waits for the end, it is the last copy, if there is one of almost the same
        weights: to measure batch statistics takes longer than a step.

        Returns
        -------
        TrainedModel
            It holds the network itself, which takes no memory, or that of the copy.
        """
        model = self._recent_copy()
        if model is None:
            model = self._model(self._final_network())
        record = {"trained_on": trained_on(self.data.labelled, self.setup.held_out)}
        return replace(model, provenance=model.provenance | record)

    def _final_network(self) -> nn.Module:
        if self.state.best is None:
            return self._measured_if_possible(self.learned, self._fewer_batches)
        load_weights(self.learned, self.state.best.weights)
        return self.learned.eval()

    def _recent_copy(self) -> TrainedModel | None:
        """The last copy, if it can be the model in the end."""
        return None

    def _events(self) -> Generator[Step, None, None]:
        """Train, without commands; ends soon after `state.finished` is set."""
        raise NotImplementedError

    def _make_optimiser(self) -> Optimizer | None:
        return None

    def _make_average(self) -> AveragedModel | None:
        return None

    def _labels_changed(self, change: LabelsChange) -> None:
        """Train on labels that were painted."""
        raise ValueError(
            f"{self.setup.spec.name} takes no labels while it is trained: end the training, and "
            "go on with start='current'."
        )

    def _measure_batch_statistics(self, network: nn.Module, batches: int) -> None:
        """Recompute what a network stores of batches, from the last ones; nothing by default."""

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
                    copy = self.snapshot(self._fewer_batches)
                    self._copy = copy if self.config.is_endless else None
                    return SnapshotStep(event.done, event.total, copy)
                case AddLabels():
                    return self._add_labels(command, event)
                case _:
                    raise TypeError(f"{command!r} is no command that a training takes.")
        except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError) as refusal:
            return RefusedStep(event.done, event.total, refusal)
        return None

    def _add_labels(self, command: AddLabels, event: Step) -> LabelsStep:
        live, state = self.setup.live, self.state
        if live is None:
            raise ValueError(
                "This training takes no labels while it runs: only one without an end does, as "
                "TrainConfig().live() sets it, of a model without object masks."
            )
        if (change := live.add(command)) is not None:
            self._labels_changed(change)
            self._copy = None
            state.best, state.stale = None, 0  # of other labels
            state.validated = min(state.validated, max(0, len(state.history) - 1))
            if change.is_held_out:
                self.__dict__.pop("interval", None)
        counts, strokes = live.counts(), int(live.strokes[1].sum())
        return LabelsStep(event.done, event.total, command.image, *counts, strokes)

    def _require_trained(self) -> None:
        if not self.state.history:
            raise ValueError("There is no model yet: the training has not made its first step.")

    def _validated(self, done: int, total: int, epoch: int) -> Iterator[Step]:
        """Score the model, once after the same step, and keep the best weights."""
        state, steps = self.state, len(self.state.history)
        validate = self._validate
        if validate is None or state.validated == steps or self.failure:
            return
        try:
            model = self.snapshot(self._fewer_batches)
            if self.config.is_endless:  # a person may end it here
                yield Step(done, total)
                if state.finished or self._validate is None:
                    return
            score = validate(model)
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
        if self.setup.live is None:  # else what is held out changes
            warn_if_overfitting(state.validations)
        state.finished = state.finished or self._is_patience_over
        yield step

    @property
    def _is_patience_over(self) -> bool:
        return self.config.patience is not None and self.state.stale >= self.config.patience

    def _scored_on_more(self) -> Iterator[Step]:
        """Score the best model on more than a sample; this replaces its figures of before."""
        best, validate = self.state.best, self._validate
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
            return best is None or not loss >= best.loss  # which is NaN if it was not known
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

    def _measured(self, network: nn.Module, batches: int = RECENT_BATCHES) -> nn.Module:
        with random_numbers(RandomSource(self.config.seed)):
            self._measure_batch_statistics(network, batches)
        return network.eval()

    def _measured_if_possible(self, network: nn.Module, batches: int) -> nn.Module:
        """With recomputed batch statistics, or with the running averages if that fails."""
        averages = [(buffer, buffer.clone()) for buffer in network.buffers()]
        try:
            return self._measured(network, batches)
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
            patch=self.patch,
            nonzero=data.nonzero,
            object_size=data.object_size,
            separation=self._separation,
            statistics=self.state.statistics,
            contrast=data.contrast,
            white=data.white,
            intensities=data.intensities,
            history=tuple(self.state.history),
            learning_rates=tuple(self.state.rates),
            provenance=self._provenance(),
        )

    @property
    def _separation(self) -> float | None:
        """How readily objects are separated, as the validation of the weights chose."""
        best = self.state.best
        return None if best is None else cast("float | None", best.figures.get("separation"))

    def _provenance(self) -> dict[str, object]:
        return provenance(self.setup, self.state)


def _planes_of(images: Sequence[AxesImage], config: TrainConfig) -> list[AxesImage]:
    """The images as they are trained on, with slices along Y and X if these are."""
    further = "YX" if config.three_axes else ""
    return [*images, *(along(image, axis) for image in images for axis in further)]
