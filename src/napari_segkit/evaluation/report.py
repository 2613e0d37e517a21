"""From a prediction and a truth to a report; which figures it holds depends on the kind."""

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from napari_segkit.config import LabelsAre, TrainConfig
from napari_segkit.data.images import is_layer
from napari_segkit.steps import Step, drain

from .semantic import Report, compare_blocks

if TYPE_CHECKING:
    from pandas import DataFrame

KINDS: dict[str, Callable[..., Generator[Step, None, Report]]] = {"semantic": compare_blocks}


def evaluate(
    prediction: Any,
    truth: Any,
    *,
    kind: str = "semantic",
    unlabelled: int | None = None,
    labels_are: LabelsAre = "ask",
    spacing: Sequence[float] | None = None,
) -> Report:
    """Compare a prediction with the truth.

    Parameters
    ----------
    prediction, truth : array-like or napari Labels layer, or sequences of them
        Non-negative integers of one shape and any number of dimensions; NumPy arrays, or dask and
        zarr arrays, which are read block by block. Sequences are compared pair by pair and their
        pixels pooled: the counts are added first, and the figures made from the sum.
    kind : {"semantic"}
        Which figures: "semantic" compares the class of every pixel.
    unlabelled : int or None
        The one value of the truth whose pixels are not counted. None counts every pixel: a
        background left out would hide every false positive.
    labels_are : {"ask", "classes", "objects"}
        What the values mean, in both. "objects" takes all of them as one class, 1, with 0 as
        background; "ask" takes them as classes, but refuses what looks like objects.
    spacing : sequence of float, optional
        World units between pixels, along Z Y X or Y X, for kinds that measure distances; the
        semantic figures count pixels.

    Returns
    -------
    Report
        ``report.iou``, ``report.dice`` (class value -> figure, nan where absent),
        ``report.mean_iou``, ``report.accuracy``, ``report.table()`` and more.

    Raises
    ------
    ValueError
        If the shapes differ, values are not non-negative integers, no pixel is left to count, or
        an option is none of those above.
    TypeError
        If `unlabelled` is neither an integer nor None.
    """
    steps = evaluate_blocks(
        prediction, truth, kind=kind, unlabelled=unlabelled, labels_are=labels_are, spacing=spacing
    )
    return drain(steps)


def evaluate_blocks(
    prediction: Any,
    truth: Any,
    *,
    kind: str = "semantic",
    unlabelled: int | None = None,
    labels_are: LabelsAre = "ask",
    spacing: Sequence[float] | None = None,
) -> Generator[Step, None, Report]:
    """Compare block by block: the generator behind `evaluate`, for progress and Stop.

    Parameters
    ----------
    prediction, truth, kind, unlabelled, labels_are, spacing
        As in `evaluate`.

    Yields
    ------
    Step
        After each block.

    Returns
    -------
    Report
        As `evaluate` returns it.
    """
    if kind not in KINDS:
        available = ", ".join(map(repr, KINDS))
        raise ValueError(f"There are no figures of kind {kind!r}; available: {available}.")
    TrainConfig(unlabelled=unlabelled, labels_are=labels_are)  # refuses other words
    pairs = _pairs(prediction, truth)
    compare = KINDS[kind]
    return (
        yield from compare(pairs, unlabelled=unlabelled, labels_are=labels_are, spacing=spacing)
    )


def table_of(reports: Sequence[tuple[str, Report]]) -> "DataFrame":
    """Put the tables of several reports into one.

    Parameters
    ----------
    reports : sequence of tuple
        Names and reports, such as one for each image.

    Returns
    -------
    pandas.DataFrame
        The rows of ``report.table()``, with the reports' names in a first column "image".
    """
    from pandas import concat

    names, tables = [name for name, _ in reports], [report.table() for _, report in reports]
    return concat(tables, keys=names, names=["image", None]).reset_index("image")


def _pairs(prediction: Any, truth: Any) -> list[tuple[Any, Any]]:
    several = _is_sequence(prediction), _is_sequence(truth)
    if not any(several):
        return [(prediction, truth)]
    if not all(several) or len(prediction) != len(truth) or not prediction:
        given = [len(s) if _is_sequence(s) else "one array" for s in (prediction, truth)]
        raise ValueError(
            f"prediction holds {given[0]} and truth {given[1]}: give one of each, or two lists of "
            "the same length."
        )
    return list(zip(prediction, truth, strict=True))


def _is_sequence(source: Any) -> bool:
    """Whether it is a list of arrays or layers, and not an array written as nested lists."""
    if not isinstance(source, list | tuple):
        return False
    return all(is_layer(s) or hasattr(s, "shape") for s in source)
