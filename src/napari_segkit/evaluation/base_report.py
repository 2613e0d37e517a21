"""What the reports of all kinds share: counts for each image, their sum, and the table."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from math import isnan, nan
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar

from napari_segkit.arguments import given
from napari_segkit.io.filenames import shorten

from .confusion import nanmean
from .left_out import NOTHING, LeftOut
from .metric import Metric, Values, require_equal
from .report_json import as_json
from .statistics import require_confidence, spread

if TYPE_CHECKING:
    from pandas import DataFrame

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
    group : str or None
        Name of the group that the image belongs to, such as a subject.
    not_counted : LeftOut
        How many pixels are left out because of `region` and `unseen_by`.

    Attributes
    ----------
    images : dict
        Name or number of each image to its own report.
    groups : dict
        Name of each group to the report of its images, pooled.
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
    group: str | None = None
    not_counted: LeftOut = NOTHING

    kind: ClassVar[str]
    key: ClassVar[str] = "class"  # first column of the table
    unprinted: ClassVar[tuple[str, ...]] = ()  # columns that are not printed
    headline: ClassVar[tuple[tuple[str, str], ...]]  # metrics whose spread is printed, and rows
    without_mean: ClassVar[tuple[str, ...]] = ()  # columns of which a mean says nothing

    @property
    def images(self) -> dict[str | int, Self]:
        """Name (the number, if it has none) of each image -> the report of that image."""
        images: dict[str | int, Self] = {}
        for number, image in enumerate(self.parts or (self,)):
            names = chain([image.name or number], (f"{image.name} ({n})" for n in count(2)))
            images[next(name for name in names if name not in images)] = image
        return images

    @property
    def groups(self) -> dict[str | int, Self]:
        """Name of each group -> the report of its images; an image without one is one by itself."""
        groups: dict[str | int, Self] = {}
        for group, image in zip(self._group_names(), self.images.values(), strict=True):
            pooled = groups[group] + image if group in groups else image
            groups[group] = replace(pooled, group=image.group)
        return groups

    def worst_images(self, most: int = 5) -> dict[str | int, float]:
        """Find the images that are predicted worst.

        Parameters
        ----------
        most : int
            How many images.

        Returns
        -------
        dict of str or int to float
            Name (the number, if it has none) of each image to the mean of its first metric, which
            is IoU over classes, F1 over thresholds or PQ over classes; the lowest first. An image
            where it is undefined is left out.
        """
        first = {name: next(iter(image.metrics.values())) for name, image in self.images.items()}
        means = {
            name: nanmean(value.values() if isinstance(value, Mapping) else [value])
            for name, value in first.items()
        }
        defined = [name for name, mean in means.items() if not isnan(mean)]
        return {name: means[name] for name in sorted(defined, key=means.__getitem__)[:most]}

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
        return (*self.not_counted.notes(), *self.changes, *self._remarks(), *of_metrics)

    def table(self, by: Literal["image", "group"] | None = None) -> "DataFrame":
        """Build a table of the metrics.

        Parameters
        ----------
        by : {"image", "group"}, optional
            Tables of each image or group, and of all images ("pooled"), with the name in a first
            column "image" or "group".

        Returns
        -------
        pandas.DataFrame
            A row for each class or threshold, then the means. The class of the report describes
            the columns.
        """
        from pandas import DataFrame, concat

        if by is not None:
            tables = [unit.table() for unit in (*self._units(by).values(), self)]
            named = concat(tables, keys=[*self._names(by), "pooled"], names=[by, None])
            return named.reset_index(by)
        titles = [title for title, _ in self._mean_rows()]
        first = [*self._keys(), *titles, *self._rows()]
        values, counts = self._values(), self._counts()
        columns = {self.key: first, **self._texts(), **values, **counts}
        padded = {name: [*c, *[None] * (len(first) - len(c))] for name, c in columns.items()}
        kinds = dict.fromkeys(values, "float64") | dict.fromkeys(counts, "Int64")
        return DataFrame(padded).astype(kinds)

    def statistics(
        self, by: Literal["image", "group"] = "image", confidence: float = 0.95
    ) -> "DataFrame":
        """Compute mean, spread and confidence interval of each metric over images or groups.

        Parameters
        ----------
        by : {"image", "group"}
            Whether each image, or each group of images, pooled, is one value of the mean.
        confidence : float
            Of the interval: 0.95 gives the 2.5th and the 97.5th percentile.

        Returns
        -------
        pandas.DataFrame
            A row for each metric and class (or threshold), for their means, and for each metric of
            the whole image. "pooled" is computed from the sum of all counts; "mean" and "std" (of a
            sample) are those of the values of images or groups, from "low" to "high" is the
            confidence interval of that mean. "n" values are in the mean; "absent" ones are left
            out, where a class does not occur or a ratio is 0/0. The interval is a percentile
            bootstrap of 5000 draws of whole groups, of images where there are no groups, with a
            fixed seed; nan of fewer than two.
        """
        require_confidence(confidence)
        units = self._units(by)
        groups = self._group_names() if by == "image" else [*units]
        flat = [self._flat(unit.metrics) for unit in units.values()]
        return spread(self._flat(self.metrics), flat, groups, confidence, self.key)

    def to_json(self) -> str:
        """Write metrics and counts of all images, of each image and of each group as JSON.

        Returns
        -------
        str
            An object with kind, unlabelled, summary, notes, metrics (name to value, or to values by
            class or threshold), the rows of the table, and the same of images and groups. What is
            undefined is null, an infinite distance the text "Infinity".
        """
        import json

        return json.dumps(as_json(self), indent=2)

    @abstractmethod
    def summary(self) -> str:
        """Describe in one sentence what was compared."""

    @abstractmethod
    def means(self) -> str:
        """Describe the main metrics in one line."""

    def __add__(self, other: Self) -> Self:
        if type(self) is not type(other):
            return NotImplemented
        require_equal("unlabelled", self.unlabelled, other.unlabelled)
        require_equal("distances", bool(self.extra), bool(other.extra))
        return replace(
            self,
            main=self.main + other.main,
            extra=tuple(a + b for a, b in zip(self.extra, other.extra, strict=True)),
            name=None,
            group=None,
            changes=tuple(dict.fromkeys(self.changes + other.changes)),
            parts=tuple(image for report in (self, other) for image in report.parts or (report,)),
            not_counted=self.not_counted + other.not_counted,
        )

    def __repr__(self) -> str:
        """Table and summary, as a console shows them."""
        table = self.table().drop(columns=[*self._unprinted()]).astype(object)
        text = table.where(table.notna(), "").to_string(index=False, float_format="{:.4f}".format)
        return "\n".join([text, self.summary(), *self._spread(), *self.notes])

    def _spread(self) -> Iterator[str]:
        """Mean and spread of the main metrics over the images, of several."""
        if self.parts:
            named = [image.group for image in self.parts if image.group is not None]
            groups = f" in {len(self.groups)} groups" * bool(named)
            yield f"Over {len(self.parts)} images{groups}: {', '.join(self._intervals())}."

    def _intervals(self) -> Iterator[str]:
        rows = self.statistics().set_index(["metric", self.key])
        for name, part in self.headline:
            mean, std, low, high = rows.loc[(name, part), ["mean", "std", "low", "high"]]
            title = " ".join(filter(None, (part, name)))
            interval = "" if isnan(low) else f" (95 % interval {low:.4f} to {high:.4f})"
            yield f"{title} {mean:.4f} ± {std:.4f}{interval}"

    @abstractmethod
    def _keys(self) -> Sequence[object]:
        """Classes or thresholds, a row of the table for each."""

    @abstractmethod
    def _counts(self) -> dict[str, Sequence[int]]:
        """Columns of counts."""

    @abstractmethod
    def _remarks(self) -> Iterator[str]: ...

    def _unprinted(self) -> Sequence[str]:
        """Columns that are not printed."""
        return self.unprinted

    def _texts(self) -> dict[str, Sequence[str | None]]:
        """Further columns of text; rows at the end may be missing."""
        return {}

    def _mean_rows(self) -> Sequence[tuple[str, Sequence[object]]]:
        """Title of each row of means, and the classes or thresholds it is about."""
        return [("mean", self._keys())]

    def _rows(self) -> Sequence[str]:
        """Metrics of the whole image that have a row of their own, with the value in "value"."""
        return ()

    def _mean(self, values: Sequence[float]) -> float:
        return nanmean(values)

    def _values(self) -> dict[str, Sequence[float]]:
        """Columns of metrics: of classes or thresholds, of the means, then of the whole image."""
        metrics, keys, rows = self.metrics, self._keys(), self._rows()
        columns: dict[str, Sequence[float]] = {
            name: [*_values_at(value, keys), *self._means(name, value)]
            for name, value in metrics.items()
            if name not in rows
        }
        above = [nan] * (len(keys) + len(self._mean_rows()))
        values = [v for n, v in metrics.items() if n in rows and not isinstance(v, Mapping)]
        return columns | ({"value": [*above, *values]} if rows else {})

    def _means(self, name: str, value: Values) -> list[float]:
        """Means of a metric, one for each row of means; a single number is in the first."""
        rows = [keys for _, keys in self._mean_rows()]
        if not isinstance(value, Mapping):
            return [value, *[nan] * (len(rows) - 1)]
        if name in self.without_mean:
            return [nan] * len(rows)
        return [self._mean(_values_at(value, keys)) for keys in rows]

    def _flat(self, metrics: Mapping[str, Values]) -> dict[tuple[str, object], float]:
        """Values of each metric by class or threshold of this report, and their means."""
        titles = [title for title, _ in self._mean_rows()]
        flat: dict[tuple[str, object], float] = {}
        for name, value in metrics.items():
            if not isinstance(value, Mapping):
                flat[name, ""] = value
                continue
            flat |= {(name, key): value.get(key, nan) for key in self._keys()}
            means = zip(titles, self._means(name, value), strict=True)
            for title, mean in () if name in self.without_mean else means:
                flat.setdefault((name, title), mean)
        return flat

    def _units(self, by: str) -> dict[str | int, Self]:
        """Reports of the images or of the groups, by name."""
        if by not in ("image", "group"):
            raise ValueError(f"by is {given(by)}: choose 'image' or 'group'.")
        if by == "group" and all(image.group is None for image in self.images.values()):
            raise ValueError(
                "No image of this report has a group: give evaluate(..., groups=) a name for each "
                "image, or choose by='image'."
            )
        return self.images if by == "image" else self.groups

    def _group_names(self) -> list[str | int]:
        """Name of the group of each image; of one without a group its own, told apart from them."""
        named = {image.group for image in self.images.values()}
        return [
            image.group or (f"{name} (image)" if name in named else name)
            for name, image in self.images.items()
        ]

    def _names(self, by: str) -> list[str | int]:
        """Names of the images, as they are in a table, or of the groups."""
        units = self._units(by).items()
        return [(unit.name or key) if by == "image" else key for key, unit in units]


def _values_at(value: Values, keys: Sequence[object]) -> list[float]:
    """Values for the keys; nan where there is none."""
    values = value if isinstance(value, Mapping) else {}
    return [values.get(key, nan) for key in keys]


def unlabelled_text(unlabelled: int | None, left_out: LeftOut) -> str:
    """Which pixels are left out of the metrics because of their value."""
    if unlabelled is None:
        others = left_out.outside or left_out.images
        return f"unlabelled: none ({'every pixel counts' if not others else 'but see below'})"
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
