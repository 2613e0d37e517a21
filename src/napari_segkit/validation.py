"""Score a model on what is held out of its training, predicting no more than that needs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .config import CleanConfig, TrainConfig
from .evaluation.confusion import confusion_matrix, dice, iou, nanmean
from .evaluation.report import evaluate
from .images.axes_image import AxesImage
from .images.classes import LabelClass
from .images.labels import IGNORE
from .images.regions import Region, as_region
from .images.slices import slab_around
from .images.types import AnyArray, Labels
from .inference import predict_tiles_of
from .inference.plan import TilePlan
from .inference.request import PredictRequest
from .models import KINDS
from .refinement.cleanup import clean
from .separation import choose_separation, separated_objects
from .steps import drain
from .tiling import Cell, Tiling
from .trained_model import TrainedModel
from .training.events import Score
from .training.held_out import HeldOut, HeldOutImage
from .training.held_out_parts import Frame, Part, Places, around, frames_of, parts_of, spread

if TYPE_CHECKING:
    from .images.intensity import Statistics

NOT_ANNOTATED = np.iinfo(np.int32).max  # stands for object id -1, as metrics take no negative ids
THRESHOLDS = tuple(round(0.3 + 0.05 * n, 2) for n in range(14))  # that are tried
THRESHOLD_PIXELS = 200_000  # that they are tried on
LEAST_GAIN = 0.001  # of the mean IoU
GIVEN_LEAST = 3  # validations in a training, whatever they take, on images given for it


class Validation:
    """Score models on held-out images, or on parts of them; always on the same.

    Parameters
    ----------
    held_out : HeldOut
        What is held out, in the orientation of the training images.
    config : TrainConfig
        Which value means unlabelled, and the seed.
    device : device
        Where to predict.
    objects : bool
        Whether the models predict objects.

    Attributes
    ----------
    is_sample : bool
        Whether some of what is held out is not predicted, to save time.
    """

    def __init__(
        self, held_out: HeldOut, config: TrainConfig, device: torch.device, *, objects: bool
    ) -> None:
        self.images, self.config, self.device = held_out.images, config, device
        self.objects = objects
        self.least = GIVEN_LEAST if held_out.how == "given" else 1
        self.is_sample = False
        self._statistics: dict[int, Statistics] = {}
        self._chosen: list[Places] = []  # of each image; empty: all of it

    def limit(self, tiling: Tiling, tiles: float) -> int:
        """Predict at most about so many tiles at a time; returns how many there are.

        What is predicted is chosen by the seed and spread evenly over all that is held out.
        """
        parts = list(parts_of(self.images, self.config, tiling, objects=self.objects))
        needed: set[tuple[int, ...]] = set()
        self._chosen, self.is_sample = [{} for _ in self.images], False
        for number in spread(len(parts), np.random.default_rng(self.config.seed)):
            part = parts[number]
            if self.images[part.image].mask is None and not self._is_labelled(part):
                continue
            if needed and len(needed | part.tiles) > tiles:
                self.is_sample = True
                break
            needed |= part.tiles
            places = self._chosen[part.image].setdefault(tuple(part.frame.values()), set())
            places.add(part.start)
        return len(needed)

    def _is_labelled(self, part: Part) -> bool:
        image = self.images[part.image]
        (values,) = AxesImage(image.values, image.image.label_axes).read(part.frame, part.region)
        unlabelled = IGNORE if self.objects else self.config.unlabelled
        return bool((values != unlabelled).any())

    def _places(self, number: int, ndim: int) -> Places:
        """Frames of an image that are predicted, and the first pixels of their cells."""
        if self._chosen:
            return self._chosen[number]
        return {tuple(frame.values()): set() for frame, _ in frames_of(self.images[number], ndim)}

    def __call__(self, model: TrainedModel) -> Score:
        """The score of a model, which is on the device."""
        return self._score_objects(model) if model.predicts_objects else self._score_classes(model)

    def thresholds(self, model: TrainedModel) -> tuple[CleanConfig, ...]:
        """The minimum probabilities with which classes agree best with what is held out.

        They are clean-ups that change the labels to the next likeliest class; none if that gains
        nothing.
        """
        probabilities, truth = [], []
        for sink in self._predicted(model, keep=True):
            probabilities += sink.kept
            truth += sink.truths
        return choose_thresholds(
            np.concatenate(probabilities, axis=1), np.concatenate(truth), model.values
        )

    def _score_classes(self, model: TrainedModel) -> Score:
        counts, images = np.zeros((len(model.values), len(model.values) + 1), np.int64), 0
        for sink in self._predicted(model):
            counts += sink.counts
            images += bool(sink.counts.any())
        return score_of(counts, model.values, images)

    def _predicted(self, model: TrainedModel, *, keep: bool = False) -> Iterator["_CountingSink"]:
        """The held-out pixels of each image with their predictions."""
        for number, image in enumerate(self.images):
            if places := self._places(number, model.ndim):
                sink = _CountingSink(image, model, places)
                sink.probabilities = np.zeros(0, np.float32) if keep else None
                drain(predict_tiles_of(model)(self._request(model, number, image.image, sink)))
                yield sink

    def _request(
        self, model: TrainedModel, number: int, image: AxesImage, sink: "_CountingSink | None"
    ) -> PredictRequest:
        """A request with the statistics of the whole image, measured once."""
        if number not in self._statistics:
            self._statistics[number] = model.measure(self.images[number].image)
        statistics = self._statistics[number]
        return PredictRequest(model, image, device=self.device, statistics=statistics, sink=sink)

    def _score_objects(self, model: TrainedModel) -> Score:
        """The score with the separation of touching objects that agrees best."""
        predictions: dict[float | None, list[AnyArray]] = {}
        truths, images = [], 0
        for number, image in enumerate(self.images):
            places = self._places(number, model.ndim)
            images += bool(places)
            for cropped, truth, region in _crops(image, places, model):
                request = replace(self._request(model, number, cropped, None), region=region)
                for separation, labels in separated_objects(request):
                    predictions.setdefault(separation, []).append(labels)
                truths.append(truth)
        metrics = KINDS[model.kind].metrics
        reports = {
            each: evaluate(
                labels, truths, kind=metrics, unlabelled=NOT_ANNOTATED, labels_are="objects"
            )
            for each, labels in predictions.items()
        }
        separation = choose_separation(reports)
        report = reports[separation]
        return Score(
            float(report.f1[0.5]),
            report.iou,
            report.dice,
            float(report.f1[0.5]),
            report.mean_ap,
            int(sum((truth != NOT_ANNOTATED).sum() for truth in truths)),
            report.truth_objects,
            images,
            separation,
        )


def score_of(counts: AnyArray, values: Sequence[int], images: int) -> Score:
    """Score of a confusion matrix of classes."""
    overlaps, dices = (dict(zip(values, f(counts).tolist(), strict=True)) for f in (iou, dice))
    return Score(nanmean(dices.values()), overlaps, dices, nan, nan, int(counts.sum()), 0, images)


def score_pixels(
    predicted: NDArray[np.int64],
    truth: NDArray[np.int64],
    weights: NDArray[np.float64],
    classes: Sequence[LabelClass],
    images: int,
) -> Score:
    """Score of single pixels of so many images, given the positions of their classes."""
    size = len(classes)
    counts = np.zeros((size, size + 1))
    np.add.at(counts, (truth, predicted), weights)
    values = [c.value for c in classes]
    return replace(score_of(counts, values, images), pixels=len(truth))


def choose_thresholds(
    probabilities: NDArray[np.float32], truth: AnyArray, values: Sequence[int]
) -> tuple[CleanConfig, ...]:
    """Thresholds, class by class, that raise the mean IoU of pixels ``(classes, pixels)``."""
    few = slice(None, None, max(1, len(truth) // THRESHOLD_PIXELS))
    maps, truth = probabilities[:, None, few], truth[None, few]
    labels = np.asarray(values)[maps.argmax(axis=0)]

    def mean_iou(steps: Sequence[CleanConfig]) -> float:
        cleaned = clean(labels, steps, probabilities=maps, values=values, spacing=(1.0, 1.0))
        return nanmean(iou(confusion_matrix(cleaned, truth, values)).tolist())

    chosen: tuple[CleanConfig, ...] = ()
    best = mean_iou(chosen)
    for value in values:
        steps = [(*chosen, CleanConfig(value, threshold)) for threshold in THRESHOLDS]
        gained = [mean_iou(each) for each in steps]
        if max(gained) > best + LEAST_GAIN:
            chosen, best = steps[int(np.argmax(gained))], max(gained)
    return chosen


class _CountingSink:
    """Compares labels with the truth as they are predicted, and keeps none of them.

    If `probabilities` is set, those of the held-out pixels are kept, with their truth.
    """

    probabilities: NDArray[np.float32] | None = None

    def __init__(self, image: HeldOutImage, model: TrainedModel, places: Places) -> None:
        self.image, self.values, self.places = image, model.values, places
        axes = image.image.label_axes
        self.truth = AxesImage(image.values, axes)
        self.mask = None if image.mask is None else AxesImage(image.mask, axes)
        self.counts = np.zeros((len(self.values), len(self.values) + 1), np.int64)
        self.labels: AnyArray = np.broadcast_to(np.uint8(0), image.values.shape)
        self.kept: list[NDArray[np.float32]] = []
        self.truths: list[AnyArray] = []
        self._wanted: set[tuple[int, ...]] = set()

    def start(self, plan: TilePlan) -> None:
        """Choose the cells to predict: all of a frame if the chosen ones are cut in other ways."""
        starts = {cell.start for cell in plan.cells}
        for frame in plan.frames():
            if (own := self.places.get(tuple(frame.values()))) is None:
                continue
            for cell in plan.cells:
                is_chosen = not own or not own <= starts or cell.start in own
                if is_chosen and self._is_held_out(frame, cell):
                    self._wanted.add((*frame.values(), *cell.start))

    def _is_held_out(self, frame: Frame, cell: Cell) -> bool:
        return self.mask is None or bool(self.mask.read(frame, cell.region).any())

    def is_finished(self, frame: Frame, cell: Cell) -> bool:
        """Whether a cell need not be predicted."""
        return (*frame.values(), *cell.start) not in self._wanted

    def write(
        self, frame: Frame, cell: Cell, labels: Labels, probabilities: NDArray[np.float32] | None
    ) -> None:
        """Count the held-out pixels of a cell."""
        (truth,) = self.truth.read(frame, cell.region)
        inside = np.isin(truth, self.values)
        if self.mask is not None:
            inside &= self.mask.read(frame, cell.region)[0].astype(bool)
        self.counts += confusion_matrix(labels[inside], truth[inside], self.values)
        if self.probabilities is not None and probabilities is not None:
            self.kept.append(probabilities[:, inside])
            self.truths.append(truth[inside])


def _crops(
    image: HeldOutImage, places: Places, model: TrainedModel
) -> Iterator[tuple[AxesImage, AnyArray, Region | None]]:
    """The part of each frame around its held-out pixels, with its object ids.

    Slices that the network sees beside a frame are in it, too; the region is the frame then.
    """
    whole, axes = image.image, image.image.label_axes
    for frame, mask in frames_of(image, model.ndim):
        if tuple(frame.values()) not in places:
            continue
        region = around(mask, model.overlap)
        ids = AxesImage(image.values, axes).read(frame, region)[0]
        around_it, slab = slab_around(whole, frame, region, model.spec.neighbour_slices)
        kept = "".join(a for a in whole.axes if a not in around_it)
        data = whole.data[whole.array_index(around_it, slab, whole.axes)]
        cropped = replace(whole, data=data, axes=kept)
        own = {"Z": frame["Z"] - slab[0].start} if "Z" in frame and "Z" in kept else {}
        truth = np.full(cropped.label_shape, NOT_ANNOTATED, np.int64)
        cropped.write(truth, own, np.where(mask[region] & (ids != IGNORE), ids, NOT_ANNOTATED))
        yield cropped, truth, as_region(own, cropped) if own else None
