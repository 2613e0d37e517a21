"""What a cross-validation finds: a model and a report for each fold, and their spread."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from math import nan
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_segkit.evaluation.base_report import Report
from napari_segkit.evaluation.metric import Metric
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Step
from napari_segkit.training.events import Score

if TYPE_CHECKING:
    from pandas import DataFrame

MEANS = ("mean_iou", "mean_dice", "accuracy")


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold of a cross-validation.

    Parameters
    ----------
    number : int
        Counted from 1.
    about : str
        What was held out.
    segmenter : Segmenter
        The model that was trained on the rest.
    report : SemanticReport or InstanceReport
        How it does on what was held out, as `evaluate` gives it.
    """

    number: int
    about: str
    segmenter: Segmenter
    report: Report[Metric]

    @property
    def score(self) -> float:
        """Mean Dice of the classes, or F1 of the objects at IoU 0.5."""
        return main_score(self.report)


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """What a cross-validation has found: metrics on pixels that the models were not trained on.

    Parameters
    ----------
    folds : tuple of Fold
        The folds that were trained and evaluated.
    planned : int
        How many there were to be.
    over : str
        What was divided: "groups", "images" or "regions".
    notes : tuple of str
        What limits the metrics, such as a fold without a class.
    """

    folds: tuple[Fold, ...]
    planned: int
    over: str
    notes: tuple[str, ...] = ()

    @property
    def report(self) -> Report[Metric]:
        """Report on all folds: their counts are added, then the metrics are computed."""
        return reduce(add, (fold.report for fold in self.folds))

    def table(self) -> "DataFrame":
        """Build a table of the metrics.

        Returns
        -------
        pandas.DataFrame
            A row for each metric and class (or threshold): its value of each fold, their mean and
            standard deviation, in how many folds it is defined, and that of all folds pooled.
        """
        from pandas import DataFrame

        pooled = self.report
        columns = {f"fold {fold.number}": _values(fold.report) for fold in self.folds}
        rows = []
        for place, value in _values(pooled).items():
            own = {name: values.get(place, nan) for name, values in columns.items()}
            known = [v for v in own.values() if v == v]
            rows.append(
                {
                    "metric": place[0],
                    pooled.key: "" if place[1] is None else place[1],
                    **own,
                    "mean": np.mean(known) if known else nan,
                    "std": np.std(known, ddof=1) if len(known) > 1 else nan,
                    "folds": len(known),
                    "pooled": value,
                }
            )
        return DataFrame(rows).astype({pooled.key: object})

    def summary(self) -> str:
        """Describe the main metric in one sentence.

        Returns
        -------
        str
            With its mean and standard deviation over the folds, and that of all folds pooled.
        """
        if not self.folds:
            return "No fold was completed."
        scores = [fold.score for fold in self.folds if fold.score == fold.score]
        spread = f" ± {np.std(scores, ddof=1):.4f}" if len(scores) > 1 else ""
        count = f"{len(self.folds)}" + f" of {self.planned}" * (len(self.folds) < self.planned)
        return (
            f"{score_name(self.report)} {np.mean(scores) if scores else nan:.4f}{spread} over "
            f"{count} folds ({self.over}); {main_score(self.report):.4f} pooled."
        )

    def mean_model(self) -> Segmenter:
        """Make one model of all folds, which predicts the mean of their probabilities.

        Returns
        -------
        Segmenter
            As the function `mean_model` makes it of the folds' models; it records their metrics.

        Raises
        ------
        ValueError
            If there are fewer than two folds, or the models have no mean.
        """
        from napari_segkit.mean_model import mean_of

        if len(self.folds) < 2:
            raise ValueError(
                f"{'One fold was' if self.folds else 'No fold was'} completed, and a mean needs "
                "two: let two or more folds be trained."
            )
        mean = mean_of([fold.segmenter.ready() for fold in self.folds])
        record = {"validation": _figures(self.report), "cross_validation": self._record()}
        mean = replace(mean, provenance=mean.provenance | record)
        return Segmenter.of_trained(mean, device=self.folds[0].segmenter.device)

    def _record(self) -> dict[str, object]:
        """What the model file keeps."""
        return {
            "over": self.over,
            "planned": self.planned,
            "folds": [{"held_out": f.about, "metrics": f.report.means()} for f in self.folds],
            "summary": self.summary(),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        """Table and summary, as a console shows them."""
        lines = [self.summary(), *self.notes]
        if self.folds:
            table = self.table().astype(object)
            text = table.where(table.notna(), "")
            lines.insert(0, text.to_string(index=False, float_format="{:.4f}".format))
        return "\n".join(lines)


def score_name(report: Any) -> str:
    """What `main_score` is."""
    return "F1 at IoU 0.5" if hasattr(report, "f1") else "Mean Dice"


def main_score(report: Any) -> float:
    """Mean Dice of the classes, or F1 of the objects at IoU 0.5."""
    return float(report.f1[0.5] if hasattr(report, "f1") else report.mean_dice)


def _values(report: Report[Metric]) -> dict[tuple[str, object], float]:
    """All metrics of a report by name, and by class or threshold where there are several."""
    values: dict[tuple[str, object], float] = {(n, None): getattr(report, n) for n in MEANS}
    for name, value in report.metrics.items():
        several = value if isinstance(value, Mapping) else {None: value}
        values |= {(name, key): float(each) for key, each in several.items()}
    return values


def _figures(report: Any) -> dict[str, object]:
    """Pooled metrics as a training keeps those of its validation."""
    from napari_segkit.training.scoring import figures_of, validation_step

    is_instance = hasattr(report, "f1")
    score = Score(
        main_score(report),
        report.iou,
        report.dice,
        float(report.f1[0.5]) if is_instance else nan,
        report.mean_ap if is_instance else nan,
        report.pixels.pixels if is_instance else report.pixels,
        report.truth_objects if is_instance else 0,
        len(report.images),
    )
    return figures_of(validation_step(Step(0, 0), 0, score, nan, nan, True))
