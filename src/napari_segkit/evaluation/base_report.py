"""What the reports of all kinds share: counts for each image, their sum, and the table."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from math import nan
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar

from napari_segkit.io.filenames import shorten

from .confusion import nanmean
from .metric import Metric, Values, require_equal

if TYPE_CHECKING:
    from pandas import DataFrame

SEEN = 2**31 - 1  # in a truth: a model was trained on this pixel
M_co = TypeVar("M_co", bound=Metric, covariant=True)


@dataclass(frozen=True, eq=False, repr=False)
class Report(ABC, Generic[M_co]):
    """Metrics of predictions: the counts of each image, and ratios of their sum.

    Adding two reports appends the images of the second. A subclass for each kind has the typed
    attributes of its metrics: keys are classes or IoU thresholds, and PQ is one number for objects,
    but one for each class of panoptic segments.

    Parameters
    ----------
    main : Metric
        The counts that the kind of report is about, of one image or summed.
    extra : tuple of Metric
        Further metrics of the kind.
    unlabelled : int or None
        The value of the truth that is left out; None where every pixel counts.
    name : str or None
        Name of the image.
    changes : tuple of str
        What was changed in the label values.
    parts : tuple of Report
        The reports of all images; empty of one image.

    Attributes
    ----------
    images : dict
        Name or number of each image to its own report.
    metrics : dict
        Name of each metric to its value, or to its values by class or threshold.
    mean_iou, mean_dice, accuracy : float
        Of the pixels.
    notes : tuple of str
        Remarks on the metrics.
    """

    main: M_co
    extra: tuple[Metric, ...] = ()
    unlabelled: int | None = None
    name: str | None = None
    changes: tuple[str, ...] = ()
    parts: tuple[Self, ...] = ()

    key: ClassVar[str] = "class"  # first column of the table
    unprinted: ClassVar[tuple[str, ...]] = ()  # columns that are not printed

    @property
    def images(self) -> dict[str | int, Self]:
        """Name (the number, if it has none) of each image -> the report of that image."""
        images: dict[str | int, Self] = {}
        for number, image in enumerate(self.parts or (self,)):
            names = chain([image.name or number], (f"{image.name} ({n})" for n in count(2)))
            images[next(name for name in names if name not in images)] = image
        return images

    @property
    def metrics(self) -> dict[str, Values]:
        """Name of each metric -> its value, or its values by class or threshold."""
        return {
            name: value for metric in self._metrics() for name, value in metric.compute().items()
        }

    def _metrics(self) -> tuple[Metric, ...]:
        return (self.main, *self.extra)

    @property
    @abstractmethod
    def iou(self) -> Mapping[Any, float]:
        """Class -> intersection over union of its pixels, nan where absent."""

    @property
    @abstractmethod
    def dice(self) -> Mapping[Any, float]:
        """Class -> Dice coefficient of its pixels, nan where absent."""

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the pixels of the classes that occur."""
        return nanmean(self.iou.values())

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the pixels of the classes that occur."""
        return nanmean(self.dice.values())

    @property
    @abstractmethod
    def accuracy(self) -> float:
        """Fraction of the pixels whose class is predicted correctly."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the metrics, and what was changed in the label values."""
        of_metrics = (note for metric in self._metrics() for note in metric.notes)
        return (*self.changes, *self._remarks(), *of_metrics)

    def table(self, by: Literal["image"] | None = None) -> "DataFrame":
        """Build a table of the metrics.

        Parameters
        ----------
        by : "image", optional
            Tables of each image and of all images ("pooled"), with the name in a first column
            "image".

        Returns
        -------
        pandas.DataFrame
            A row for each class or threshold, then the mean. The class of the report describes
            the columns.
        """
        from pandas import DataFrame, concat

        if by == "image":
            tables = [image.table() for image in (*self.images.values(), self)]
            names = [image.name or key for key, image in self.images.items()]
            named = concat(tables, keys=[*names, "pooled"], names=["image", None])
            return named.reset_index("image")
        keys, parts, counts = self._keys(), self._mean_rows(), self._counts()
        means = [part._means() for part in parts.values()]
        columns = {name: _values_at(value, keys) for name, value in self.metrics.items()}
        table = DataFrame(
            {self.key: [*keys, *["mean"] * len(parts)]}
            | self._texts()
            | {name: [*column, *(mean[name] for mean in means)] for name, column in columns.items()}
            | {name: [*column, *[None] * len(parts)] for name, column in counts.items()}
        )
        return table.astype(dict.fromkeys(counts, "Int64"))

    @abstractmethod
    def summary(self) -> str:
        """Describe in one sentence what was compared."""

    @abstractmethod
    def means(self) -> str:
        """Describe the main metrics in one line."""

    def _means(self) -> dict[str, float]:
        """Name of each metric -> its mean over classes or thresholds."""
        return {
            name: self._mean(_values_at(value, self._keys()))
            if isinstance(value, Mapping)
            else value
            for name, value in self.metrics.items()
        }

    def __add__(self, other: Self) -> Self:
        if type(self) is not type(other):
            return NotImplemented
        require_equal("unlabelled", self.unlabelled, other.unlabelled)
        return replace(
            self,
            main=self.main + other.main,
            extra=tuple(a + b for a, b in zip(self.extra, other.extra, strict=True)),
            name=None,
            changes=tuple(dict.fromkeys(self.changes + other.changes)),
            parts=tuple(image for report in (self, other) for image in report.parts or (report,)),
        )

    def __repr__(self) -> str:
        """Table and summary, as a console shows them."""
        table = self.table().drop(columns=[*self.unprinted]).astype(object)
        text = table.where(table.notna(), "").to_string(index=False, float_format="{:.4f}".format)
        return "\n".join([text, self.summary(), *self.notes])

    @abstractmethod
    def _keys(self) -> Sequence[object]:
        """Classes or thresholds, a row of the table for each."""

    @abstractmethod
    def _counts(self) -> dict[str, Sequence[int]]:
        """Columns of counts."""

    @abstractmethod
    def _remarks(self) -> Iterator[str]: ...

    def _texts(self) -> dict[str, list[str | None]]:
        """Further columns of text, rows of means included."""
        return {}

    def _mean_rows(self) -> "Mapping[str, Report[M_co]]":
        """Reports that have a row of means."""
        return {"": self}

    def _mean(self, values: Sequence[float]) -> float:
        return nanmean(values)


def _values_at(value: Values, keys: Sequence[object]) -> list[float]:
    """Values for the keys; nan where there is none."""
    values = value if isinstance(value, Mapping) else {}
    return [values.get(key, nan) for key in keys]


def unlabelled_text(unlabelled: int | None) -> str:
    """Which pixels are left out of the metrics."""
    if unlabelled is None:
        return "unlabelled: none (every pixel counts)"
    if unlabelled == SEEN:
        return "pixels that the model was trained on are not counted"
    return f"unlabelled: {unlabelled} (its pixels are not counted)"


def one_sided(classes: Iterable[tuple[object, int, int]]) -> Iterator[str]:
    """Remark on the classes that have pixels on one side only, of their pixels in both."""
    counted = list(classes)
    missed = [repr(name) for name, true, predicted in counted if true and not predicted]
    invented = [repr(name) for name, true, predicted in counted if predicted and not true]
    if missed:
        yield f"{_classes(missed)} in the truth but nowhere in the prediction."
    if invented:
        yield f"{_classes(invented)} in the prediction but nowhere in the truth."


def _classes(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"Class {names[0]} is"
    return f"Classes {shorten(names)} are"
