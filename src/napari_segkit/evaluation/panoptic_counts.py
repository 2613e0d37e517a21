"""Classes of panoptic segments, and their matches in one image."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.classes import feature_column

from . import matching
from .confusion import Counts, Floats
from .contingency import VOID, ContingencyTable, Ids, sum_duplicates
from .metric import LabelSource
from .regions import NO_PARTITION, PartitionCounts, count_partition

if TYPE_CHECKING:
    from pandas import DataFrame

KINDS = ("thing", "stuff")
Positions = NDArray[np.intp]
Mask = NDArray[np.bool_]
ABSENT = np.zeros(7)  # the row of a class that does not occur


@dataclass(frozen=True)
class SegmentTable:
    """Classes of the segments in a label image."""

    role: str  # "truth" or "prediction", for messages
    names: dict[int, str] | None = None  # class of each segment; None: all are "object"
    kinds: dict[str, str] = field(default_factory=dict)  # class -> "thing" or "stuff"
    crowds: frozenset[int] = frozenset()  # segments that are several things, not separated

    def class_names(self, ids: NDArray[np.int64]) -> list[str]:
        """Class name of each id; "" for background and what is not annotated."""
        if self.names is None:
            return ["object" if i > 0 else "" for i in ids]
        missing = [int(i) for i in np.unique(ids) if i > 0 and int(i) not in self.names]
        if missing:
            some = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
            raise ValueError(
                f"In the {self.role}, {len(missing)} segments have no class ({some}): give each "
                "a row with its id in the column 'index' and a name in the column 'class'."
            )
        return [self.names[i] if i > 0 else "" for i in ids.tolist()]


def read_segments(source: LabelSource, role: str) -> SegmentTable:
    """Read the classes of segments from the columns "index", "class", "kind" and "iscrowd".

    Without a column "class", all segments are of one class.
    """
    table = getattr(source, "table", getattr(source, "features", None))
    if table is None or "class" not in table:
        return SegmentTable(role)
    _require_one_class(table, role)
    names = {i: c for i, c in feature_column(table, "class").items() if isinstance(c, str) and c}
    kind_of = feature_column(table, "kind").items()
    kinds = {names[i]: k for i, k in kind_of if i in names and isinstance(k, str) and k}
    unknown = sorted(set(kinds.values()) - set(KINDS))
    if unknown:
        raise ValueError(
            f"In the {role}, the column 'kind' holds {', '.join(map(repr, unknown))}; it must be "
            "'thing' or 'stuff'."
        )
    crowds = (i for i, is_crowd in feature_column(table, "iscrowd").items() if is_crowd == 1)
    return SegmentTable(role, names, kinds, frozenset(crowds))


def _require_one_class(table: "DataFrame", role: str) -> None:
    """Refuse ids that two rows give different classes: it is not known which counts."""
    rows = zip(table.get("index", table.index), table["class"], strict=True)
    known: dict[object, object] = {}
    for number, name in rows:
        if isinstance(name, str) and known.setdefault(number, name) != name:
            raise ValueError(
                f"In the {role}, the segment {number} has the classes {known[number]!r} and "
                f"{name!r} in the features: give each segment one row."
            )


@dataclass(frozen=True, eq=False)
class SegmentCounts:
    """Counts of the segments of each class, which add up over images."""

    kinds: dict[str, str]  # class, in alphabetical order -> "thing" or "stuff"
    rows: dict[str, Floats]  # class -> TP, FP, FN; agreeing, true, predicted pixels; sum of IoUs
    agreement: Counts  # (2,): pixels whose class or background agrees, and all
    left_out: int  # predicted segments, mostly not annotated or in a crowd
    partition: PartitionCounts  # of the things

    def __add__(self, other: "SegmentCounts") -> "SegmentCounts":
        kinds = dict(sorted((other.kinds | self.kinds).items()))
        rows = {c: self.rows.get(c, ABSENT) + other.rows.get(c, ABSENT) for c in kinds}
        agreement = self.agreement + other.agreement
        left_out, partition = self.left_out + other.left_out, self.partition + other.partition
        return SegmentCounts(kinds, rows, agreement, left_out, partition)

    def only(self, kind: str) -> "SegmentCounts":
        """Counts of things or of stuff."""
        kinds = {c: k for c, k in self.kinds.items() if k == kind}
        partition = self.partition if kind == "thing" else NO_PARTITION
        rows = {c: self.rows[c] for c in kinds}
        return replace(self, kinds=kinds, rows=rows, partition=partition)

    @property
    def matches(self) -> Counts:
        """TP, FP and FN of each class."""
        return self._table()[:, :3].astype(np.int64)

    @property
    def pixels(self) -> Counts:
        """Agreeing, true and predicted pixels of each class."""
        return self._table()[:, 3:6].astype(np.int64)

    @property
    def overlap(self) -> Floats:
        """Sum of the IoUs of the matches of each class."""
        return self._table()[:, 6]

    def _table(self) -> Floats:
        return np.array([*self.rows.values()]).reshape(-1, len(ABSENT))


def count_segments(
    shared: ContingencyTable, prediction: SegmentTable, truth: SegmentTable
) -> SegmentCounts:
    """Count the matches and pixels of each class in one image."""
    void = shared.truth
    of_pairs = [*truth.class_names(void), *prediction.class_names(shared.prediction)]
    names, index = np.unique(["", *of_pairs], return_inverse=True)
    true_class, predicted_class = np.split(index[1:] - 1, 2)  # -1: background or void
    kinds = prediction.kinds | truth.kinds
    classes = tuple(map(str, names[1:]))
    stuff = np.array([kinds.get(c) == "stuff" for c in classes], bool)
    true = _merge_stuff(void, true_class, stuff)
    predicted = _merge_stuff(shared.prediction, predicted_class, stuff)
    merged = sum_duplicates(true, predicted, shared.pixels)
    segments = matching.overlapping_objects(merged)
    true_classes = _class_of_ids(true, true_class)
    predicted_classes = _class_of_ids(predicted, predicted_class)
    crowd = np.isin(segments.truth, [*truth.crowds]) & ~stuff[true_classes]
    things = _things_only(
        merged,
        segments.truth[~stuff[true_classes]],
        segments.prediction[~stuff[predicted_classes]],
        segments.truth[crowd],
    )
    segments = _same_class_pairs(segments, true_classes, predicted_classes, crowd)
    counts, overlap = _count_matches(segments, true_classes, predicted_classes, crowd, len(classes))
    pixels, agreement = _count_pixels(
        true_class, predicted_class, void, shared.pixels, len(classes)
    )
    rows = np.column_stack([counts, pixels, overlap])
    return SegmentCounts(
        {c: "stuff" if s else "thing" for c, s in zip(classes, stuff, strict=True)},
        dict(zip(classes, rows, strict=True)),
        agreement,
        int(segments.left_out.sum()),
        count_partition(things),
    )


def _things_only(
    shared: ContingencyTable, true: Ids, predicted: Ids, crowds: Ids
) -> ContingencyTable:
    """The table with all but things as background; crowds are not annotated."""
    truth = np.where(np.isin(shared.truth, [VOID, *true]), shared.truth, 0)
    truth[np.isin(shared.truth, crowds)] = VOID
    prediction = np.where(np.isin(shared.prediction, predicted), shared.prediction, 0)
    return sum_duplicates(truth, prediction, shared.pixels)


def _merge_stuff(ids: Ids, classes: Positions, stuff: Mask) -> Ids:
    """Merge the segments of each stuff class, with their lowest id."""
    result = ids.copy()
    for position in np.flatnonzero(stuff):
        of_class = classes == position
        result[of_class] = ids[of_class].min(initial=np.iinfo(np.int64).max)
    return result


def _class_of_ids(ids: Ids, classes: Positions) -> Positions:
    """Class of each id above 0, by rising id."""
    present, first = np.unique(ids, return_index=True)
    return classes[first[present > 0]]


def _same_class_pairs(
    segments: matching.OverlappingObjects,
    true_classes: Positions,
    predicted_classes: Positions,
    crowd: Mask,
) -> matching.OverlappingObjects:
    """Keep pairs of the same class; pixels in a crowd of the same class count as not annotated."""
    row, column = segments.pairs.T
    same = true_classes[row] == predicted_classes[column]
    unannotated = segments.unannotated.copy()
    crowded = same & crowd[row]
    np.add.at(unannotated, column[crowded], segments.shared[crowded])
    kept = same & ~crowd[row]
    return replace(
        segments,
        pairs=segments.pairs[kept],
        iou=segments.iou[kept],
        shared=segments.shared[kept],
        unannotated=unannotated,
    )


def _count_matches(
    segments: matching.OverlappingObjects,
    true_classes: Positions,
    predicted_classes: Positions,
    crowd: Mask,
    class_count: int,
) -> tuple[Counts, Floats]:
    """TP, FP and FN of each class, and the sum of the IoUs of its matches."""
    matched = matching.match_objects(segments, matching.ABOVE_HALF)
    row, column = segments.pairs[matched].T
    misses, unmatched = ~crowd, ~segments.left_out
    misses[row] = unmatched[column] = False
    counts = [
        np.bincount(c, minlength=class_count)
        for c in (true_classes[row], predicted_classes[unmatched], true_classes[misses])
    ]
    overlap = np.zeros(class_count)
    np.add.at(overlap, true_classes[row], segments.iou[matched])
    return np.column_stack(counts), overlap


def _count_pixels(
    true: Positions,
    predicted: Positions,
    ids: Ids,
    pixels: Counts,
    class_count: int,
) -> tuple[Counts, Counts]:
    """Shared, true and predicted pixels of each class; agreeing and all pixels."""
    annotated = ids != VOID
    true, predicted = true[annotated] + 1, predicted[annotated] + 1
    pixels = pixels[annotated]
    agree = true == predicted
    sums = [
        np.bincount(c, p, class_count + 1).astype(np.int64)[1:]
        for c, p in ((true[agree], pixels[agree]), (true, pixels), (predicted, pixels))
    ]
    return np.column_stack(sums), np.array([pixels[agree].sum(), pixels.sum()])
