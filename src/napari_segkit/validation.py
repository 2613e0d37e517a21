"""Score a model on what is held out of its training, predicting no more than that needs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from .config import CleanConfig, TrainConfig
from .evaluation.confusion import confusion_matrix, dice, iou, nanmean
from .evaluation.report import evaluate
from .images.axes_image import AxesImage
from .images.classes import LabelClass
from .images.labels import IGNORE
from .images.types import AnyArray, Labels
from .inference import predict_tiles_of
from .inference.plan import TilePlan
from .inference.request import PredictRequest
from .models import KINDS
from .refinement.cleanup import clean
from .steps import drain
from .tiling import Cell, Grid
from .trained_model import TrainedModel
from .training.events import Score
from .training.held_out import HeldOut, HeldOutImage

if TYPE_CHECKING:
    from .images.intensity import Statistics

NOT_ANNOTATED = np.iinfo(np.int32).max  # stands for object id -1, as metrics take no negative ids
THRESHOLDS = tuple(round(0.3 + 0.05 * n, 2) for n in range(14))  # that are tried
THRESHOLD_PIXELS = 200_000  # that they are tried on
LEAST_GAIN = 0.001  # of the mean IoU
GIVEN_LEAST = 3  # validations in a training, whatever they take, on images given for it
Frame = dict[str, int]


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
    """

    def __init__(self, held_out: HeldOut, config: TrainConfig, device: torch.device) -> None:
        self.images, self.config, self.device = held_out.images, config, device
        self.least = GIVEN_LEAST if held_out.how == "given" else 1
        self._statistics: dict[int, Statistics] = {}
        self._frame_share = self._cell_share = 1.0

    def limit(self, size: Sequence[int], overlap: Sequence[int], tiles: float) -> float:
        """Predict at most about so many tiles at a time; returns how many there will be.

        What is predicted is chosen by the seed: some frames, then some of their cells.
        """
        needed = [
            sum(
                bool(mask[tile.region].any())
                for tile in Grid(mask.shape, tuple(size), tuple(overlap))
            )
            for image in self.images
            for _, mask in _masks(image, len(size))
        ]
        total = sum(needed)
        self._frame_share = min(1.0, tiles / max(len(needed), 1))
        self._cell_share = min(1.0, tiles / max(total, 1) / self._frame_share)
        return min(total, tiles)

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
        random = np.random.default_rng(self.config.seed)
        chosen = self._frames(model.ndim, random)
        for number, image in enumerate(self.images):
            sink = _CountingSink(image, model, chosen[number], self._cell_share, random)
            sink.probabilities = np.zeros(0, np.float32) if keep else None
            if chosen[number]:
                drain(predict_tiles_of(model)(self._request(model, number, image.image, sink)))
                yield sink

    def _frames(self, ndim: int, random: np.random.Generator) -> list[list[Frame]]:
        """Frames of each image that are predicted; one of all at least."""
        places = [(n, f) for n, image in enumerate(self.images) for f, _ in _masks(image, ndim)]
        drawn = random.random(len(places))
        kept = drawn <= max(self._frame_share, drawn.min())
        frames: list[list[Frame]] = [[] for _ in self.images]
        for (number, frame), is_kept in zip(places, kept, strict=True):
            if is_kept:
                frames[number].append(frame)
        return frames

    def _request(
        self, model: TrainedModel, number: int, image: AxesImage, sink: "_CountingSink | None"
    ) -> PredictRequest:
        """A request with the statistics of the whole image, measured once."""
        if number not in self._statistics:
            self._statistics[number] = model.measure(self.images[number].image)
        statistics = self._statistics[number]
        return PredictRequest(model, image, device=self.device, statistics=statistics, sink=sink)

    def _score_objects(self, model: TrainedModel) -> Score:
        random = np.random.default_rng(self.config.seed)
        chosen, predictions, truths = self._frames(model.ndim, random), [], []
        for number, image in enumerate(self.images):
            for cropped, truth in _crops(image, chosen[number], model):
                request = self._request(model, number, cropped, None)
                predictions.append(drain(predict_tiles_of(model)(request)).labels)
                truths.append(truth)
        report = evaluate(
            predictions,
            truths,
            kind=KINDS[model.kind].metrics,
            unlabelled=NOT_ANNOTATED,
            labels_are="objects",
        )
        return Score(
            float(report.f1[0.5]),
            report.iou,
            report.dice,
            float(report.f1[0.5]),
            report.mean_ap,
            int(sum((truth != NOT_ANNOTATED).sum() for truth in truths)),
            report.truth_objects,
            sum(map(bool, chosen)),
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

    def __init__(
        self,
        image: HeldOutImage,
        model: TrainedModel,
        frames: Sequence[Frame],
        share: float,
        random: np.random.Generator,
    ) -> None:
        self.image, self.values, self.frames = image, model.values, frames
        axes = image.image.label_axes
        self.truth = AxesImage(image.values, axes)
        self.mask = None if image.mask is None else AxesImage(image.mask, axes)
        self.counts = np.zeros((len(self.values), len(self.values) + 1), np.int64)
        self.labels: AnyArray = np.broadcast_to(np.uint8(0), image.values.shape)
        self.kept: list[NDArray[np.float32]] = []
        self.truths: list[AnyArray] = []
        self._share, self._random, self._wanted = share, random, set[tuple[int, ...]]()

    def start(self, plan: TilePlan) -> None:
        """Choose the cells to predict among those with held-out pixels."""
        places = [
            (*frame.values(), *cell.start)
            for frame in self.frames
            for cell in plan.cells
            if self.mask is None or self.mask.read(frame, cell.region).any()
        ]
        drawn = self._random.random(len(places))
        kept = drawn <= max(self._share, drawn.min())
        self._wanted = {place for place, is_kept in zip(places, kept, strict=True) if is_kept}

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


def _masks(image: HeldOutImage, ndim: int) -> Iterator[tuple[Frame, NDArray[np.bool_]]]:
    """Frames of an image that hold pixels to score, and these."""
    shape = image.values.shape
    mask = np.broadcast_to(True, shape) if image.mask is None else image.mask
    for frame, (inside,) in AxesImage(mask, image.image.label_axes).read_frames(ndim):
        if inside.any():
            yield frame, inside.astype(bool)


def _crops(
    image: HeldOutImage, frames: Sequence[Frame], model: TrainedModel
) -> Iterator[tuple[AxesImage, AnyArray]]:
    """The part of each frame around its held-out pixels, with its object ids."""
    whole, axes = image.image, image.image.label_axes
    for frame, mask in _masks(image, model.ndim):
        if frame not in frames:
            continue
        (box,) = ndimage.find_objects(mask.view(np.int8))
        context = zip(box, model.overlap, strict=True)
        region = tuple([slice(max(0, s.start - n), s.stop + n) for s, n in context])
        ids = AxesImage(image.values, axes).read(frame, region)[0]
        kept = "".join(a for a in whole.axes if a not in frame)
        data = whole.data[whole.array_index(frame, region, whole.axes)]
        cropped = replace(whole, data=data, axes=kept)
        truth = np.empty(cropped.label_shape, np.int64)
        cropped.write(truth, {}, np.where(mask[region] & (ids != IGNORE), ids, NOT_ANNOTATED))
        yield cropped, truth
