"""A training made of a model, a training set and settings; and what its model gets in the end."""

import warnings
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TypeVar

import torch

from .config import CleanConfig, ModelSpec, TrainConfig
from .devices import choose
from .images.intensity import Statistics
from .instances.watershed import SEPARATIONS
from .models import choose_ndim, model_info, predicts_objects
from .steps import Step
from .trained_model import TrainedModel
from .trained_pixels import seen_before
from .training import trainer_of
from .training.dataset import LabelledImages
from .training.events import RefusedStep
from .training.frozen_encoder import check_frozen
from .training.held_out import HeldOut, HeldOutImage
from .training.hold_out import hold_out
from .training.live_labels import LiveLabels
from .training.prepare_data import prepare_data
from .training.read_data import read_training_data
from .training.start import prepared_as, require_same_network
from .training.trainer import Trainer
from .training.training_setup import TrainingSetup
from .training_set import TrainingSet
from .validation import Validation, score_pixels

T = TypeVar("T")
SEPARATION_PIXELS = 2**22  # that are predicted to choose how readily objects are separated
NOT_BEGUN = "The training has not begun, its images are still being read: send"


def new_training(
    spec: ModelSpec,
    config: TrainConfig,
    training_set: TrainingSet,
    device: str = "auto",
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    resume: Path | None = None,
    start: TrainedModel | None = None,
    learning_rates: Sequence[float] = (),
) -> Generator[Step, None, Trainer]:
    """Read and check everything, with a step for each file, and make the training ready to run."""
    chosen = choose(device)
    check_frozen(spec, config, is_trained=start is not None or resume is not None)
    if start is not None:
        require_same_network(start, spec, config)
    labelled, config = yield from read_training_data(
        spec, config, training_set, axes=axes, spacing=spacing
    )
    return make_trainer(
        spec, config, labelled, chosen, resume=resume, start=start, learning_rates=learning_rates
    )


def make_trainer(
    spec: ModelSpec,
    config: TrainConfig,
    labelled: LabelledImages,
    device: torch.device,
    *,
    resume: Path | None = None,
    start: TrainedModel | None = None,
    learning_rates: Sequence[float] = (),
    statistics: Statistics | None = None,
    nonzero: bool | None = None,
) -> Trainer:
    """Make the training of images that were read.

    `statistics` normalise all of them, `nonzero` as in `prepare_data`; None: as these images ask.
    """
    live = _live_labels(spec, config, labelled)
    labelled, held_out = hold_out(spec, config, labelled if live is None else live.labelled)
    if start is not None:
        held_out = replace(held_out, about=held_out.about + seen_before(start, held_out.images))
    scored = held_out.images
    if live is not None:
        labelled, held_out = live.divide(labelled, held_out)
        scored = live.scored
    data = prepare_data(spec, config, labelled, scored, live, nonzero=nonzero)
    if start is not None:
        data = prepared_as(start, data)
    if statistics is not None:
        data = data.normalised(statistics)
    objects, validate = predicts_objects(spec), None
    if scored:
        validate = Validation(held_out, config, device, objects=objects)
    if config.thresholds and (validate is None or objects):
        warnings.warn(_no_thresholds(held_out), UserWarning, stacklevel=5)
    setup = TrainingSetup(
        spec,
        data,
        config,
        device,
        held_out,
        validate,
        score_pixels,
        resume,
        start,
        learning_rates,
        live,
    )
    return trainer_of(spec, is_endless=config.is_endless)(setup)


def _live_labels(
    spec: ModelSpec, config: TrainConfig, labelled: LabelledImages
) -> LiveLabels | None:
    """Labels that a training without an end takes more of; None where it takes none."""
    if not config.is_endless or model_info(spec.name).has_masks:
        return None
    ndim = min(choose_ndim(spec, image.axes) for image, _ in labelled.pairs)
    divides = model_info(spec.name).training != "pixels"  # which scores by folds
    return LiveLabels(labelled, config, ndim, divides=divides)


def refusing_commands(reading: Generator[Step, None, T]) -> Generator[Step, object, T]:
    """Answer commands while the images are read: there is no training yet that takes them."""
    with closing(reading):
        try:
            while True:
                step = next(reading)
                command = yield step
                while command is not None:
                    refusal = ValueError(f"{NOT_BEGUN} {type(command).__name__} when it has.")
                    command = yield RefusedStep(step.done, step.total, refusal)
        except StopIteration as end:
            return end.value


def with_refinement_of(previous: TrainedModel | None, trained: TrainedModel) -> TrainedModel:
    """The model with the refinement settings of the one it replaces, if they have equal classes."""
    if previous and (previous.kind, previous.values) == (trained.kind, trained.values):
        return replace(trained, refine=previous.refine)
    return trained


def with_thresholds(trainer: Trainer, trained: TrainedModel) -> TrainedModel:
    """The model with the thresholds that do best on what was held out, if these are asked for."""
    validate = trainer.setup.validate
    if not trainer.config.thresholds or validate is None or trained.predicts_objects:
        return trained
    others = [replace(c, threshold=None) for c in trained.refine.clean]
    others = [c for c in others if c != CleanConfig(c.value)]  # was a threshold only
    smoothed = replace(trained, refine=replace(trained.refine, clean=()))
    clean = (*validate.thresholds(smoothed), *others)
    return replace(trained, refine=replace(trained.refine, clean=clean))


def with_separation(trainer: Trainer, trained: TrainedModel) -> TrainedModel:
    """A pixel classifier that separates objects as agrees best with what it was trained on.

    It hardly learns pixels by heart. Images with larger frames are left out, for they are predicted
    whole. The separation of other models is chosen by their validation.
    """
    setup = trainer.setup
    if (
        trained.separation is not None
        or trained.info.training != "pixels"
        or trained.spec.objects not in SEPARATIONS
        or trainer.config.is_endless
    ):
        return trained
    images = [
        HeldOutImage(image, ids)
        for image, ids in setup.data.labelled.pairs
        if prod(image.spatial_shape(trained.ndim)) <= SEPARATION_PIXELS
    ]
    held_out = HeldOut(None, "", images)
    validation = Validation(held_out, trainer.config, setup.device, objects=True)
    if not validation.limit(trainer.tiling, SEPARATION_PIXELS // prod(trainer.tiling.size)):
        return trained
    return replace(trained, separation=validation(trained).separation)


def _no_thresholds(held_out: HeldOut) -> str:
    """Why no thresholds of classes are chosen."""
    if held_out.images:
        return (
            "No thresholds are chosen: this model predicts objects, and thresholds are of classes."
        )
    return (
        f"No thresholds are chosen, because they need images or regions held out. {held_out.about}"
    )
