"""Train a model for each fold of a training set, and evaluate it on that fold."""

import warnings
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from napari_segkit.arguments import as_device, require_bool
from napari_segkit.config import EvaluateConfig, FoldConfig, ModelSpec, TrainConfig
from napari_segkit.config._schema import as_config
from napari_segkit.config.training import HoldOut
from napari_segkit.devices import choose
from napari_segkit.evaluation.base_report import Report
from napari_segkit.evaluation.label_pair import LabelPair
from napari_segkit.evaluation.left_out import Limits
from napari_segkit.evaluation.metric import Metric
from napari_segkit.evaluation.report import evaluate_pairs
from napari_segkit.freed_memory import keeping_freed_memory
from napari_segkit.images.class_labels import with_classes
from napari_segkit.images.intensity import pooled_statistics
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.regions import as_region
from napari_segkit.inference import predict_tiles_of
from napari_segkit.inference.request import PredictRequest
from napari_segkit.models import KINDS, as_spec, predicts_objects, resolve
from napari_segkit.new_training import make_trainer, with_separation, with_thresholds
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Failure, Finished, Step, drain, until_finish, warn_if_blocking
from napari_segkit.trained_model import TrainedModel
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training.folds import Folds, LabelledFold
from napari_segkit.training.frozen_encoder import check_frozen
from napari_segkit.training.held_out import HeldOutImage
from napari_segkit.training.normalisation import has_zero_background
from napari_segkit.training.progress_bar import with_bar
from napari_segkit.training.read_data import read_training_data
from napari_segkit.training_set import TrainingSet, as_training_set
from napari_segkit.validation import NOT_ANNOTATED

from .events import FoldEnded, FoldsChosen, FoldStep
from .results import CrossValidation, Fold

if TYPE_CHECKING:
    from napari_segkit.images.types import AnyArray

T = TypeVar("T")


def cross_validate(
    spec: ModelSpec | str,
    training_set: TrainingSet,
    config: TrainConfig | None = None,
    folds: int = 5,
    *,
    over: HoldOut = "auto",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
    progress: bool = False,
) -> CrossValidation:
    """Train a model without each fold of a training set, and evaluate it on that fold.

    Every model is a training of its own with the same settings, whose validation is held out of
    what it is trained on. So no pixel of a fold is used to choose the weights that are evaluated on
    it, and all labels are evaluated once. Ctrl-C keeps the folds that are complete.

    Parameters
    ----------
    spec : ModelSpec or str
        The method.
    training_set : TrainingSet
        Its rows to train on are divided. Rows to validate score every training, as in
        `Segmenter.fit`.
    config : TrainConfig, optional
        Settings of each training; the seed divides the set, too.
    folds : int
        Number of folds, as in `FoldConfig`.
    over : str
        What is divided: "groups", "images", "regions", or "auto"; as in `FoldConfig`.
    axes, spacing
        As in `Segmenter.fit`.
    device : str
        As in `Segmenter`.
    progress : bool
        Whether to show a bar in the terminal or notebook.

    Returns
    -------
    CrossValidation
        ``.folds`` with a model and a report each, ``.report`` of all of them pooled, ``.table()``
        with their spread, and ``.mean_model()``, which predicts with all of them.

    Raises
    ------
    ValueError
        If the set cannot be divided, or its images and labels cannot be used.

    Examples
    --------
    >>> rows = [TrainingRow(image, labels) for image, labels in pairs]
    >>> found = cross_validate("unet", TrainingSet(rows), TrainConfig(epochs=20))
    >>> found.mean_model().save("cells.segkit")
    """
    warn_if_blocking("cross_validate", "cross_validations(...)")
    require_bool("progress", progress)
    steps = cross_validations(
        spec, training_set, config, folds, over=over, axes=axes, spacing=spacing, device=device
    )
    return drain(_warning(with_bar(steps) if progress else steps))


def cross_validations(
    spec: ModelSpec | str,
    training_set: TrainingSet,
    config: TrainConfig | None = None,
    folds: int = 5,
    *,
    over: HoldOut = "auto",
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
) -> Generator[Step, object, CrossValidation]:
    """Cross-validate step by step: the generator behind `cross_validate`.

    ``send(Finish())``, a command of `napari_segkit.steps`, ends it with the folds that are
    complete. A fold that fails is left out, unless it is the first.

    Parameters
    ----------
    spec, training_set, config, folds, over, axes, spacing, device
        As in `cross_validate`.

    Yields
    ------
    Step
        `FoldsChosen` when the set is divided, a `FoldStep` after each step of a training, a
        `FoldEnded` with the model and report of each fold, a `Failure` of a fold that failed.

    Returns
    -------
    CrossValidation
        As `cross_validate` returns it.
    """
    run = _Run(as_spec(spec), config, FoldConfig(folds, over), as_device(device))
    rows = as_training_set(training_set, None)
    return (yield from run.steps(rows, axes, spacing))


class _Run:
    """One cross-validation; wrong settings are refused when it is made."""

    def __init__(
        self, spec: ModelSpec, config: TrainConfig | None, wanted: FoldConfig, device: str
    ) -> None:
        self.spec, self.wanted, self.device = resolve(spec), wanted, device
        self.config = as_config("config", config, TrainConfig)
        self.config.require_end()
        check_frozen(self.spec, self.config, is_trained=False)
        self.torch_device = choose(device)
        self.done: list[Fold] = []
        self.notes: list[str] = []
        self.count, self.over = wanted.folds, str(wanted.over)

    def steps(
        self, training_set: TrainingSet, axes: str | None, spacing: Sequence[float] | None
    ) -> Generator[Step, object, CrossValidation]:
        """Read the set, divide it, and train without each fold."""
        try:
            labelled = yield from self._read(training_set, axes, spacing)
            division = Folds(self.spec, self.config, labelled, self.wanted)
            self.count, self.over, self.notes = division.count, division.over, [*division.notes]
            yield FoldsChosen(0, self.count, self.count, self.over, division.notes)
            for number in range(self.count):
                yield from self._fold(number + 1, division)
        except Finished:
            pass
        except KeyboardInterrupt:
            if not self.done:
                raise
        return CrossValidation(tuple(self.done), self.count, self.over, tuple(self.notes))

    def _read(
        self, training_set: TrainingSet, axes: str | None, spacing: Sequence[float] | None
    ) -> Generator[Step, object, LabelledImages]:
        reading = read_training_data(
            self.spec, self.config, training_set, axes=axes, spacing=spacing
        )
        labelled, self.config = yield from until_finish(reading, lambda step: step)
        with_regions = any(row.regions is not None for row in training_set.rows)
        is_partial = with_regions or bool(self.config.unlabelled)
        self._unlabelled = self.config.unlabelled
        if predicts_objects(self.spec):
            self._unlabelled = NOT_ANNOTATED if is_partial else None
        # alike in all models, so that they have a mean
        self._nonzero = has_zero_background(self.config, labelled.intensities)
        self._statistics = None
        if self.config.normalise == "training":
            self._statistics = pooled_statistics(labelled.intensities)
        return labelled

    def _fold(self, number: int, division: Folds) -> Generator[Step, object, None]:
        """Train and evaluate; a failure costs this fold only, unless it is the first."""
        place = _Place(number, self.count)
        try:
            with keeping_freed_memory():
                fold = division.fold(number - 1)
                model = yield from self._trained(fold, place)
                report = yield from self._evaluated(model, fold, place)
        except Finished:
            raise
        except Exception as error:
            if not self.done:
                raise
            self.notes.append(f"Fold {number} failed: {error}")
            yield Failure(place.done, place.total, error, f"Fold {number}")
            return
        model.to(torch.device("cpu"))
        segmenter = Segmenter.of_trained(model, device=self.device)
        self.done.append(Fold(number, fold.about, segmenter, report))
        yield FoldEnded(place.end, place.total, self.done[-1])

    def _trained(
        self, fold: LabelledFold, place: "_Place"
    ) -> Generator[Step, object, TrainedModel]:
        trainer = make_trainer(
            self.spec,
            self.config,
            fold.trained,
            self.torch_device,
            statistics=self._statistics,
            nonzero=self._nonzero,
        )
        yield from until_finish(trainer.steps(), place.of_training)
        model = with_separation(trainer, with_thresholds(trainer, trainer.result()))
        if trainer.failure is not None:
            raise trainer.failure
        return model

    def _evaluated(
        self, model: TrainedModel, fold: LabelledFold, place: "_Place"
    ) -> Generator[Step, object, Report[Metric]]:
        """Compare predictions of what was held out with its labels, image by image."""
        reports = []
        model.to(self.torch_device)
        for held, group in zip(fold.held_out, fold.groups, strict=True):
            truth, is_labelled = self._truth(held, model)
            if not is_labelled:
                continue
            region = None if held.mask is None else as_region(held.mask, held.image)
            request = PredictRequest(model, held.image, device=self.torch_device, region=region)
            result = yield from until_finish(predict_tiles_of(model)(request), place.after)
            named = with_classes(truth, model.classes)
            pair = LabelPair(result.labels, named, held.image.name, group=group or None)
            config = EvaluateConfig(
                kind=KINDS[model.kind].metrics,
                unlabelled=self._unlabelled,
                labels_are="objects" if model.predicts_objects else "classes",
                spacing=held.image.spacing[-len(held.image.label_axes.replace("T", "")) :],
            )
            reports.append(drain(evaluate_pairs([pair], config, Limits(held.mask))))
        return reduce(add, reports)

    def _truth(self, held: HeldOutImage, model: TrainedModel) -> tuple["AnyArray", bool]:
        """Labels of an image, and whether any of what is held out of it is labelled."""
        values, is_object = np.asarray(held.values), model.predicts_objects
        known = values != IGNORE if is_object else np.isin(values, model.values)
        is_labelled = bool((known if held.mask is None else known & held.mask).any())
        return np.where(known, values, NOT_ANNOTATED) if is_object else values, is_labelled


@dataclass
class _Place:
    """Where a fold is among the steps of all trainings."""

    fold: int
    folds: int
    length: int = 0  # steps of a training
    done: int = 0

    @property
    def total(self) -> int:
        return self.folds * self.length

    @property
    def end(self) -> int:
        return self.fold * self.length

    def of_training(self, step: Step) -> FoldStep:
        """A step of the training without this fold."""
        self.length = step.total
        self.done = self.end - self.length + min(step.done, self.length)
        return FoldStep(self.done, self.total, self.fold, self.folds, step)

    def after(self, step: Step) -> FoldStep:
        """A step of the prediction of this fold, after its training."""
        self.done = self.end
        return FoldStep(self.end, self.total, self.fold, self.folds, step)


def _warning(steps: Generator[Step, object, T]) -> Generator[Step, object, T]:
    """Pass steps on; warn of what limits the metrics, and of folds that failed."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            for note in _notes(step):
                warnings.warn(note, UserWarning, stacklevel=4)
            yield step


def _notes(step: Step) -> tuple[str, ...]:
    match step:
        case FoldsChosen():
            return step.notes
        case Failure():
            return (f"{step.part} failed: {step.error}",)
    return ()
