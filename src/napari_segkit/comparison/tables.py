"""The results of a comparison as tables: metrics, intervals, tests, costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.arguments import given
from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation.confusion import nanmean
from napari_segkit.evaluation.metric import Metric
from napari_segkit.evaluation.report import Report
from napari_segkit.evaluation.statistics import bootstrap, require_confidence
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.pictures import Picture, grid

from .figures import FIGURES, TITLES, Cost, Figure, Interval
from .paired_tests import PairedTest, holm, paired_test
from .repeat import Repeat
from .views import View

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class ComparisonTables:
    """What a `Comparison` holds, and the tables made of it."""

    reports: Mapping[str, Report[Metric]]
    costs: Mapping[str, Cost]
    config: EvaluateConfig
    views: tuple[View, ...] = ()
    classes: tuple[LabelClass, ...] = ()
    repeat: Repeat = field(default_factory=Repeat)
    notes: tuple[str, ...] = ()

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the metrics that are compared; the first decides which is best."""
        return tuple(FIGURES[self.config.kind])

    @property
    def unit(self) -> str:
        """What the spread and the tests are over: "image", or "group" if groups are known."""
        images = next(iter(self.reports.values())).images.values()
        return "image" if all(image.group is None for image in images) else "group"

    @property
    def are_objects(self) -> bool:
        """Whether labels are ids of objects."""
        return self.config.kind != "semantic" or self.config.labels_are == "objects"

    @property
    def colors(self) -> dict[int, str]:
        """Label value to colour, "#rrggbb", in the pictures; of objects those of the palette."""
        return {} if self.are_objects else {c.value: c.color for c in self.classes}

    @property
    def best(self) -> str:
        """Name of the one with the highest first metric."""
        first = self.figures[0]
        return max(self.reports, key=lambda name: _or_lowest(self.pooled(name)[first]))

    def pooled(self, name: str) -> dict[str, float]:
        """Metrics of all pixels or objects of a model together, counts first.

        Parameters
        ----------
        name : str
            Of the model or prediction.

        Returns
        -------
        dict
            Name of each of `figures` to its value.
        """
        return {key: get(self.reports[name]) for key, get in FIGURES[self.config.kind].items()}

    def values(self, name: str, figure: str) -> dict[str, float]:
        """A metric of a model for each image, or for each group if groups are known.

        Parameters
        ----------
        name : str
            Of the model or prediction.
        figure : str
            One of `figures`.

        Returns
        -------
        dict
            Name of the image or group to the metric; nan where it is undefined.
        """
        get = self._figure(figure)
        return {unit: get(report) for unit, report in self._units(name).items()}

    def interval(self, name: str, figure: str, confidence: float = 0.95) -> Interval:
        """Mean of a metric over images or groups, with its bootstrap interval.

        Parameters
        ----------
        name : str
            Of the model or prediction.
        figure : str
            One of `figures`.
        confidence : float
            Part of the resampled means that lie in the interval.

        Returns
        -------
        Interval
            ``.mean``, ``.low``, ``.high``, ``.n``.
        """
        require_confidence(confidence)
        values = np.array(list(self.values(name, figure).values()))
        (low,), (high,) = bootstrap(values[:, None], range(len(values)), confidence)
        known = values[~np.isnan(values)]
        return Interval(nanmean(known), float(low), float(high), len(known))

    def tests(self, figure: str | None = None) -> "DataFrame":
        """Test each pair of models on the same images or groups.

        A permutation test that flips the signs of the differences (scipy.stats.permutation_test):
        exact up to 13 images or groups, else with 9999 seeded resamples; two-sided. With n of them
        no p can be below 2 / 2^n.

        Parameters
        ----------
        figure : str, optional
            One of `figures`. None: the first.

        Returns
        -------
        pandas.DataFrame
            A row for each pair: first, second, difference (mean over images or groups), p, p_holm
            (adjusted for the number of pairs), n (images or groups that both have).
        """
        from pandas import DataFrame

        figure = self.figures[0] if figure is None else figure
        pairs = list(combinations(self.reports, 2))
        tests = [self._test(*pair, figure) for pair in pairs]
        adjusted = holm([test.p for test in tests])
        rows = [
            {"first": a, "second": b, "difference": t.difference, "p": t.p, "p_holm": p, "n": t.n}
            for (a, b), t, p in zip(pairs, tests, adjusted, strict=True)
        ]
        return DataFrame(rows, columns=["first", "second", "difference", "p", "p_holm", "n"])

    def table(self) -> "DataFrame":
        """Give the table of the comparison.

        Returns
        -------
        pandas.DataFrame
            A row for each model or prediction: model (its name); each of `figures` of all pixels or
            objects pooled, with the mean over images or groups (``_mean``) and the bootstrap
            interval of 95 % of that mean (``_low``, ``_high``); p, of the paired test of the first
            of them against the best, adjusted for their number (Holm); n images or groups;
            seconds_per_megapixel, parameters and file_mb. nan where it is unknown.
        """
        return self._table.copy()

    @cached_property
    def _table(self) -> "DataFrame":
        """The table: draws and tests take seconds where there are hundreds of images."""
        from pandas import DataFrame

        against_best = self._p_against_best()
        rows = []
        for name in self.reports:
            row: dict[str, object] = {"model": name}
            pooled = self.pooled(name)
            for figure in self.figures:
                interval = self.interval(name, figure)
                row |= {figure: pooled[figure], f"{figure}_mean": interval.mean}
                row |= {f"{figure}_low": interval.low, f"{figure}_high": interval.high}
            n = self.interval(name, self.figures[0]).n
            rows.append(row | {"p": against_best[name], "n": n} | vars(self.costs[name]))
        return DataFrame(rows)

    def metrics(self) -> "DataFrame":
        """Build one table of all metrics.

        Returns
        -------
        pandas.DataFrame
            The tables of all reports by image, with the name of the model in a first column.
        """
        from pandas import concat

        tables = [report.table(by="image") for report in self.reports.values()]
        named = concat(tables, keys=list(self.reports), names=["model", None])
        return named.reset_index("model").reset_index(drop=True)

    def __repr__(self) -> str:
        """Table and notes, as a console shows them; intervals stand with the mean they are of."""
        table = self.table()
        for figure in self.figures:
            columns = [f"{figure}_{part}" for part in ("mean", "low", "high")]
            means = [_with_interval(*row) for row in table[columns].itertuples(index=False)]
            table = table.drop(columns=columns)
            table.insert(table.columns.get_loc(figure) + 1, f"by {self.unit}", means, True)
        text = table.to_string(index=False, float_format="{:.4f}".format, na_rep="")
        return "\n".join([text, self.summary(), *self.notes])

    def picture(self) -> Picture | None:
        """Draw the same views under each of them, one below the other.

        Returns
        -------
        ndarray or None
            uint8 ``(Y, X, 3)``; None without views.
        """
        rows = [view.pictures(self.colors, objects=self.are_objects) for view in self.views]
        return grid(rows) if rows else None

    def summary(self) -> str:
        """Say in two sentences which is best, and what the intervals and tests are over.

        Returns
        -------
        str
            Such as "Highest mean IoU: unet (0.9132)." and what the rest rests on.
        """
        first, count = self.figures[0], len(self._units(self.best))
        title = TITLES[first]
        units = f"{count} {self.unit}{'s' * (count != 1)}"
        best = f"Highest {title}: {self.best} ({self.pooled(self.best)[first]:.4f})."
        if count < 2:
            return f"{best} There is one {self.unit}, so there are no intervals and no test."
        return (
            f"{best} Intervals: 95 % of bootstrapped means over {units}. p: sign-flip permutation "
            f"test against the best over the same {units}, Holm-adjusted; it cannot be below "
            f"{2 / 2**count:.2g} per test."
        )

    def _figure(self, figure: str) -> Figure:
        known = FIGURES[self.config.kind]
        if figure not in known:
            raise ValueError(f"figure is {given(figure)}: choose one of {', '.join(known)}.")
        return known[figure]

    def _units(self, name: str) -> dict[str, Report[Metric]]:
        """The reports of single images, or of groups."""
        report = self.reports[name]
        units = report.images if self.unit == "image" else report.groups
        return {str(unit): own for unit, own in units.items()}

    def _test(self, first: str, second: str, figure: str) -> PairedTest:
        a, b = self.values(first, figure), self.values(second, figure)
        return paired_test(list(a.values()), [b[unit] for unit in a])

    def _p_against_best(self) -> dict[str, float]:
        others = [name for name in self.reports if name != self.best]
        tests = [self._test(self.best, name, self.figures[0]).p for name in others]
        return {self.best: nan, **dict(zip(others, holm(tests), strict=True))}


def _with_interval(mean: float, low: float, high: float) -> str:
    return "" if isnan(low) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _or_lowest(value: float) -> float:
    return value if value == value else -1.0
