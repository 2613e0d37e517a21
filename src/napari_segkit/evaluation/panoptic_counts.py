"""Which class each segment of a panoptic labelling has, and how often it is hit."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import matching
from .confusion import Counts, Figures

KINDS = ("thing", "stuff")


@dataclass(frozen=True)
class Segments:
    """What a table says of the segments of a labelling.

    Parameters
    ----------
    role : str
        What messages call the labelling: "truth" or "prediction".
    names : dict of int to str, or None
        Name of the class of each segment; None: all are of one class, "object".
    kinds : dict of str to str
        "thing" or "stuff" for classes of which it is known.
    crowds : frozenset of int
        Segments that are a crowd of things which nobody told apart.
    """

    role: str
    names: dict[int, str] | None = None
    kinds: dict[str, str] = field(default_factory=dict)
    crowds: frozenset[int] = frozenset()

    def named(self, ids: NDArray[np.int64]) -> list[str]:
        """Name the class of each id; "" for background and what is not annotated.

        Parameters
        ----------
        ids : ndarray of int
            Ids in any order.

        Returns
        -------
        list of str
            As many.

        Raises
        ------
        ValueError
            If the table leaves out one of them.
        """
        if self.names is None:
            return ["object" if i > 0 else "" for i in ids]
        missing = [int(i) for i in np.unique(ids) if i > 0 and int(i) not in self.names]
        if missing:
            some = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
            raise ValueError(
                f"In the {self.role}, {len(missing)} segments have no class ({some}): give each "
                "a row with its number in the column 'index' and a name in the column 'class'."
            )
        return [self.names[i] if i > 0 else "" for i in ids.tolist()]


def segments_of(source: Any, role: str) -> Segments:
    """Read what a labelling says of its segments.

    Parameters
    ----------
    source : array-like, layer, or anything with `.table` or `.features`
        The table's columns: "index" (else the table's own index counts), "class", and where
        they are known "kind" and "iscrowd".
    role : str
        "truth" or "prediction".

    Returns
    -------
    Segments
        Of an array, or without a column "class": one class for all.

    Raises
    ------
    ValueError
        If a kind is neither "thing" nor "stuff".
    """
    table = getattr(source, "table", getattr(source, "features", None))
    if table is None or "class" not in table:
        return Segments(role)
    index = table.get("index", table.index)
    rows = [(int(i), c) for i, c in zip(index, table["class"], strict=True) if i == i]
    names = {i: c for i, c in rows if isinstance(c, str) and c}
    said = table.get("kind", [None] * len(table))
    kinds = {c: k for c, k in zip(table["class"], said, strict=True) if c in names.values()}
    kinds = {c: k for c, k in kinds.items() if isinstance(k, str) and k}
    wrong = sorted(set(kinds.values()) - set(KINDS))
    if wrong:
        raise ValueError(
            f"In the {role}, the column 'kind' holds {', '.join(map(repr, wrong))}; it must be "
            "'thing' or 'stuff'."
        )
    crowd = table.get("iscrowd", [0] * len(table))
    crowds = frozenset(int(i) for i, c in zip(index, crowd, strict=True) if c == 1)
    return Segments(role, names, kinds, crowds)


def count(
    shared: matching.Overlaps, prediction: Segments, truth: Segments, unlabelled: int | None
) -> dict[str, Any]:
    """Count hits and misses of each class in one image.

    Parameters
    ----------
    shared : Overlaps
        The pixels that segments share.
    prediction, truth : Segments
        What they are.
    unlabelled : int or None
        The value of the truth that is not annotated; it may be 0.

    Returns
    -------
    dict
        The counts by their names in `panoptic.Report`.
    """
    void = np.where(shared.truth == unlabelled, matching.VOID, shared.truth)
    names = [*truth.named(void), *prediction.named(shared.prediction)]
    classes, place = np.unique(["", *names], return_inverse=True)
    true_class, guessed_class = np.split(place[1:] - 1, 2)  # -1: background or void
    kinds = prediction.kinds | truth.kinds
    known = tuple(map(str, classes[1:]))
    stuff = np.array([kinds.get(c) == "stuff" for c in known], bool)
    true = _merged(void, true_class, stuff)
    guessed = _merged(shared.prediction, guessed_class, stuff)
    sides = matching.compare(matching.grouped(true, guessed, shared.pixels))
    rows, columns = _first(true, true_class), _first(guessed, guessed_class)
    crowd = np.isin(sides.truth, [*truth.crowds]) & ~stuff[rows]
    sides = _comparable(sides, rows, columns, crowd)
    counts, overlap = _tally(sides, rows, columns, crowd, len(known))
    pixels, counted = _pixels(true_class, guessed_class, void, shared.pixels, len(known))
    return {
        "classes": known,
        "kinds": tuple("stuff" if s else "thing" for s in stuff),
        "counts": counts,
        "overlap": overlap,
        "pixels": pixels,
        "counted": counted,
        "left_out": int(sides.left_out.sum()),
    }


def _merged(ids: matching.Ids, classes: NDArray[np.intp], stuff: NDArray[np.bool_]) -> matching.Ids:
    """All segments of a class of stuff as one, with its lowest number."""
    result = ids.copy()
    for place in np.flatnonzero(stuff):
        own = classes == place
        result[own] = ids[own].min(initial=np.iinfo(np.int64).max)
    return result


def _first(ids: matching.Ids, classes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Class of each id above 0, the ids rising."""
    present, first = np.unique(ids, return_index=True)
    return classes[first[present > 0]]


def _comparable(
    sides: matching.MatchedObjects,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    crowd: NDArray[np.bool_],
) -> matching.MatchedObjects:
    """Pairs of one class; what lies in a crowd of its class counts as not annotated."""
    row, column = sides.pairs.T
    same = rows[row] == columns[column]
    unannotated = sides.unannotated.copy()
    crowded = same & crowd[row]
    np.add.at(unannotated, column[crowded], sides.shared[crowded])
    kept = same & ~crowd[row]
    return replace(
        sides,
        pairs=sides.pairs[kept],
        iou=sides.iou[kept],
        shared=sides.shared[kept],
        unannotated=unannotated,
    )


def _tally(
    sides: matching.MatchedObjects,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    crowd: NDArray[np.bool_],
    number: int,
) -> tuple[Counts, Figures]:
    """TP, FP and FN of each class, and the sum of the IoUs of its hits."""
    matched = matching.match(sides, matching.ABOVE_HALF)
    row, column = sides.pairs[matched].T
    missed, wrong = ~crowd, ~sides.left_out
    missed[row] = wrong[column] = False
    counts = [np.bincount(c, minlength=number) for c in (rows[row], columns[wrong], rows[missed])]
    overlap = np.zeros(number)
    np.add.at(overlap, rows[row], sides.iou[matched])
    return np.column_stack(counts), overlap


def _pixels(
    true: NDArray[np.intp],
    guessed: NDArray[np.intp],
    ids: matching.Ids,
    pixels: Counts,
    number: int,
) -> tuple[Counts, Counts]:
    """Shared, true and predicted pixels of each class; agreeing and all pixels."""
    known = ids != matching.VOID
    true, guessed, pixels = true[known] + 1, guessed[known] + 1, pixels[known]
    agree = true == guessed
    sums = [
        np.bincount(c, p, number + 1).astype(np.int64)[1:]
        for c, p in ((true[agree], pixels[agree]), (true, pixels), (guessed, pixels))
    ]
    return np.column_stack(sums), np.array([pixels[agree].sum(), pixels.sum()])
