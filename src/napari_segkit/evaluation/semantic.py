"""Semantic metrics: the class of every pixel."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

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
from .metric import ImageInfo, Index, LabelSource, Metric, Values
from .slab_reader import get_labels

MOST_CLASSES = 4096
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
    names : dict of int to str
        Names of classes, whether they occur or not.
    """

    def __init__(self, image: ImageInfo) -> None:
        self._unlabelled = image.unlabelled
        self.classes: tuple[int, ...] = ()
        self.counts = np.zeros((0, 1), np.int64)
        self.names = _names(image.prediction) | _names(image.truth)

    def update(self, prediction: Labels, truth: Labels, core: Index) -> None:
        present = np.union1d(np.unique(truth[core]), np.unique(prediction[core]))
        values = tuple(int(v) for v in present if v != self._unlabelled)
        if len(values) > MOST_CLASSES:
            raise ValueError(
                f"The truth and the prediction hold {len(values)} values, too many for classes: "
                "choose labels_are='objects' to merge all of them into one class."
            )
        self.include(values, confusion.confusion_matrix(prediction[core], truth[core], values))

    def include(self, classes: Sequence[int], counts: confusion.Counts) -> None:
        """Add a confusion matrix of any classes, rising."""
        before, self.classes = self.classes, tuple(sorted({*self.classes, *classes}))
        self.counts = confusion.expand_classes(
            self.counts, before, self.classes
        ) + confusion.expand_classes(counts, classes, self.classes)

    def __add__(self, other: "ClassConfusion") -> "ClassConfusion":
        pooled = copy(self)
        pooled.include(other.classes, other.counts)
        pooled.names = other.names | self.names
        return pooled

    def compute(self) -> dict[str, Values]:
        """Ratios of each class, by its value."""
        ratios = {name: ratio(self.counts) for name, ratio in confusion.RATIOS.items()}
        return {
            name: value if isinstance(value, float) else self.by_class(value)
            for name, value in ratios.items()
        }

    def by_class(self, values: confusion.Floats) -> dict[int, float]:
        return dict(zip(self.classes, values.tolist(), strict=True))


def _names(source: LabelSource) -> dict[int, str]:
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
    truth_pixels and predicted_pixels; further metrics follow recall.
    """

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

    def _keys(self) -> Sequence[int]:
        return self.classes

    def _texts(self) -> dict[str, list[str | None]]:
        names = self.names
        return {"name": [*map(names.get, self.classes), None]} if names else {}

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
