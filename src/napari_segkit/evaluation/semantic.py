"""Semantic metrics: the class of every pixel."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from math import prod

import numpy as np

from napari_segkit.images.classes import (
    LabelClass,
    class_names,
    default_color,
    feature_column,
    naming_conflict,
)
from napari_segkit.images.types import Labels

from . import confusion
from .base_report import Report, one_sided, unlabelled_text
from .confusion import nanmean
from .metric import ImageInfo, Index, LabelSource, Metric, Values
from .slab_reader import get_labels
from .value_pairs import count_pairs

VOLUMES = ("truth_volume", "predicted_volume")
OTHER_VALUES = (
    "Classes are compared by their values, and none but 0 agrees anywhere: check that the same "
    "values mean the same in the prediction and in the truth, such as 1 and 255 of masks."
)


class ClassConfusion(Metric):
    """Confusion matrix of the classes of pixels.

    Attributes
    ----------
    classes : tuple of int
        Class values that occur in the truth or in the prediction, rising.
    counts : ndarray of int64
        Confusion matrix (K, K + 1): rows are the truth, columns the prediction, the last column
        predictions that are none of the classes.
    volumes : ndarray of float
        Of each class, that of the truth and that of the prediction, in world units.
    names : dict of int to str
        Names of classes, whether they occur or not.
    """

    def __init__(self, image: ImageInfo) -> None:
        self._unlabelled = image.unlabelled
        self._pixel_volume = float(prod(image.spacing))
        self.classes: tuple[int, ...] = ()
        self.counts = np.zeros((0, 1), np.int64)
        self.volumes = np.zeros((0, 2))
        of_prediction = own_names(image.prediction).items()
        named = {image.class_map.get(value, value): name for value, name in of_prediction}
        self.names = named | own_names(image.truth)

    def update(self, prediction: Labels, truth: Labels, core: Index) -> None:
        pairs = count_pairs(prediction[core], truth[core])
        values = [v for v in pairs.present.tolist() if v != self._unlabelled]
        self.include(values, confusion.matrix_of(pairs, values))

    def include(self, classes: Sequence[int], counts: confusion.Counts) -> None:
        """Add a confusion matrix of any classes, rising."""
        true, predicted = confusion.truth_pixels(counts), confusion.predicted_pixels(counts)
        pixels = np.column_stack([true, predicted]).astype(np.float64)
        self._add(classes, counts, pixels * self._pixel_volume)

    def _add(
        self, classes: Sequence[int], counts: confusion.Counts, volumes: confusion.Floats
    ) -> None:
        before, self.classes = self.classes, tuple(sorted({*self.classes, *classes}))
        self.counts = confusion.expand_classes(
            self.counts, before, self.classes
        ) + confusion.expand_classes(counts, classes, self.classes)
        sums = np.zeros((len(self.classes), 2))
        sums[np.searchsorted(self.classes, before)] += self.volumes
        sums[np.searchsorted(self.classes, classes)] += volumes
        self.volumes = sums

    def __add__(self, other: "ClassConfusion") -> "ClassConfusion":
        pooled = copy(self)
        pooled._add(other.classes, other.counts, other.volumes)
        pooled.names = other.names | self.names
        return pooled

    def compute(self) -> dict[str, Values]:
        """Ratios and volumes of each class, by its value, and ratios of the image."""
        true, predicted = self.volumes.T
        figures = {name: ratio(self.counts) for name, ratio in confusion.RATIOS.items()} | {
            "truth_volume": true,
            "predicted_volume": predicted,
            "volume_error": confusion.ratio(predicted - true, true),
        }
        return {
            name: value if isinstance(value, float) else self.by_class(value)
            for name, value in figures.items()
        }

    def by_class(self, values: confusion.Floats) -> dict[int, float]:
        return dict(zip(self.classes, values.tolist(), strict=True))


def own_names(source: LabelSource) -> dict[int, str]:
    """Class value -> name, for those that a layer names."""
    names = class_names(getattr(get_labels(source), "features", None))
    return {v: name for v, name in names.items() if name != f"class {v}"}


def naming_notes(prediction: LabelSource, truth: LabelSource) -> tuple[str, ...]:
    """A note if prediction and truth name the values of classes differently."""
    sides = {"the prediction": prediction, "the truth": truth}
    named = ((side, _named_classes(source)) for side, source in sides.items())
    conflict = naming_conflict(named)
    return (conflict,) if conflict else ()


def _named_classes(source: LabelSource) -> list[LabelClass]:
    names = feature_column(getattr(get_labels(source), "features", None), "name")
    return [LabelClass(v, str(name), default_color(v)) for v, name in names.items() if name]


@dataclass(frozen=True, eq=False, repr=False)
class SemanticReport(Report[ClassConfusion]):
    """How well a prediction agrees with the truth, pixel by pixel.

    The columns of its table are class, name (where there are names), iou, dice, precision, recall,
    specificity, truth_volume and predicted_volume (in world units: areas of 2D images, pixels where
    the spacing is unknown; T counts frames), volume_error, further metrics, value, truth_pixels and
    predicted_pixels. volume_error is (predicted - truth) / truth; the absolute error is the
    difference of both volumes.

    Below the classes stand "mean", of the classes that occur, and "mean of foreground", without 0,
    where 0 is one of them. Metrics of the whole image have rows of their own, with their number in
    the column value: accuracy, frequency_weighted_iou (weighted by the pixels of each class in the
    truth) and kappa (Cohen's).
    """

    kind = "semantic"
    headline = (("iou", "mean"), ("dice", "mean"), ("accuracy", ""))
    without_mean = (*VOLUMES, "volume_error")

    @property
    def classes(self) -> tuple[int, ...]:
        """Class values that occur in the truth or in the prediction, rising."""
        return self.main.classes

    @property
    def counts(self) -> confusion.Counts:
        """Confusion matrix (K, K + 1); the last column is predictions of no class."""
        return self.main.counts

    @property
    def names(self) -> dict[int, str]:
        """Class value -> name, for those that have one."""
        names = self.main.names
        return {value: names[value] for value in self.classes if value in names}

    @property
    def iou(self) -> dict[int, float]:
        """Class value -> intersection over union, nan where absent."""
        return self.main.by_class(confusion.iou(self.counts))

    @property
    def dice(self) -> dict[int, float]:
        """Class value -> Dice coefficient, nan where absent."""
        return self.main.by_class(confusion.dice(self.counts))

    @property
    def precision(self) -> dict[int, float]:
        """Class value -> fraction of its predicted pixels that are correct, nan without any."""
        return self.main.by_class(confusion.precision(self.counts))

    @property
    def recall(self) -> dict[int, float]:
        """Class value -> fraction of its true pixels that are predicted, nan without any."""
        return self.main.by_class(confusion.recall(self.counts))

    @property
    def specificity(self) -> dict[int, float]:
        """Class value -> fraction of the pixels of other classes that are not predicted as it."""
        return self.main.by_class(confusion.specificity(self.counts))

    @property
    def mean_foreground_iou(self) -> float:
        """Mean IoU of the classes that occur, but for 0."""
        return nanmean(self.iou[value] for value in self._foreground())

    @property
    def mean_foreground_dice(self) -> float:
        """Mean Dice of the classes that occur, but for 0."""
        return nanmean(self.dice[value] for value in self._foreground())

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean IoU, weighted by the pixels of each class in the truth."""
        return confusion.frequency_weighted_iou(self.counts)

    @property
    def kappa(self) -> float:
        """Cohen's kappa of the pixels, nan where chance alone explains everything."""
        return confusion.kappa(self.counts)

    @property
    def truth_volume(self) -> dict[int, float]:
        """Class value -> its volume in the truth in world units, the area in 2D."""
        return self.main.by_class(self.main.volumes[:, 0])

    @property
    def predicted_volume(self) -> dict[int, float]:
        """Class value -> its volume in the prediction in world units, the area in 2D."""
        return self.main.by_class(self.main.volumes[:, 1])

    @property
    def accuracy(self) -> float:
        """Fraction of the pixels whose class is predicted correctly."""
        return confusion.accuracy(self.counts)

    @property
    def pixels(self) -> int:
        """Number of pixels compared."""
        return int(self.counts.sum())

    def summary(self) -> str:
        """Describe in one sentence how many pixels were compared, and the accuracy."""
        return (
            f"{self.pixels:,} pixels, accuracy {self.accuracy:.4f}; "
            f"{unlabelled_text(self.unlabelled, self.not_counted)}."
        )

    def means(self) -> str:
        """Describe the mean metrics in one line."""
        return (
            f"mean IoU {self.mean_iou:.4f}, mean Dice {self.mean_dice:.4f}, "
            f"accuracy {self.accuracy:.4f}, {self.pixels} pixels"
        )

    def _unprinted(self) -> Sequence[str]:
        """Volumes, where they are numbers of pixels."""
        pixels = np.column_stack([*self._counts().values()])
        return VOLUMES if np.array_equal(pixels, self.main.volumes) else ()

    def _keys(self) -> Sequence[int]:
        return self.classes

    def _texts(self) -> dict[str, Sequence[str | None]]:
        names = self.names
        return {"name": [*map(names.get, self.classes)]} if names else {}

    def _foreground(self) -> Sequence[int]:
        return [value for value in self.classes if value != 0]

    def _mean_rows(self) -> Sequence[tuple[str, Sequence[object]]]:
        foreground = self._foreground()
        both = 0 < len(foreground) < len(self.classes)
        return [("mean", self.classes), *[("mean of foreground", foreground)] * both]

    def _rows(self) -> Sequence[str]:
        return [name for name, value in self.main.compute().items() if isinstance(value, float)]

    def _counts(self) -> dict[str, Sequence[int]]:
        sides = confusion.truth_pixels(self.counts), confusion.predicted_pixels(self.counts)
        return dict(zip(("truth_pixels", "predicted_pixels"), map(list, sides), strict=True))

    def _remarks(self) -> Iterator[str]:
        yield from one_sided(zip(self.classes, *self._counts().values(), strict=True))
        if self._has_other_values():
            yield OTHER_VALUES

    def _has_other_values(self) -> bool:
        """Whether each side has classes that the other lacks, and no class but 0 is ever right."""
        true, predicted = map(np.asarray, self._counts().values())
        right = np.diag(self.counts)[np.asarray(self.classes) != 0]
        apart = (true > 0) & (predicted == 0), (predicted > 0) & (true == 0)
        return all(side.any() for side in apart) and not right.any()
