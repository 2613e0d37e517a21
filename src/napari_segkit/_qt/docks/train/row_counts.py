"""Labelled pixels of the rows of a training set, counted in the background."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.evaluation.slab_reader import slabs
from napari_segkit.images.axes_image import as_image, full_resolution
from napari_segkit.images.labels import count_values
from napari_segkit.images.types import LazyArray
from napari_segkit.training_set import TrainingRow

WAIT_MS = 150  # after the last stroke, and between two calls
CALL_SECONDS = 0.3  # then what is known is shown
KEPT_VALUES = 20  # of each row; instance ids are thousands
RESERVED = (0, 255)  # may mean unlabelled, so they are always kept
NAMED_CLASSES = 4


@dataclass(frozen=True)
class RowCount:
    """What is known of a row once its labels are read."""

    shape: tuple[int, ...] = ()  # of the image without channels
    pixels: Mapping[int, int] = field(default_factory=dict)  # of the commonest label values
    values: int = 0  # distinct ones
    problem: str = ""  # why the row cannot be trained on

    @property
    def size(self) -> str:
        return " x ".join(map(str, self.shape))

    def text(self, unlabelled: int | None, *, objects: bool) -> str:
        """Labelled pixels per class value, or the number of objects."""
        labelled = {v: n for v, n in self.pixels.items() if v != unlabelled}
        values = self.values - (len(self.pixels) - len(labelled))
        if objects:
            count = values - (0 in labelled)
            return f"{count:,} object{'' if count == 1 else 's'}"
        if values > NAMED_CLASSES:
            return f"{values:,} values"
        return " · ".join(f"{v}: {n:,}" for v, n in labelled.items()) or "nothing labelled"


class RowCounts(QObject):
    """Counts rows one after the other, and those that were painted on again."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: Sequence[TrainingRow] = ()
        self._known: dict[tuple[int, int], tuple[TrainingRow, RowCount]] = {}
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        self._latest.returned.connect(self._on_counted)

    @property
    def is_counting(self) -> bool:
        return self._latest.is_busy

    def of(self, row: TrainingRow) -> RowCount | None:
        """The count of a row; None while it is not counted."""
        known = self._known.get(_key(row))
        return known and known[1]

    def set_rows(self, rows: Sequence[TrainingRow]) -> None:
        """Count these rows, as far as they are not counted."""
        keys = set(map(_key, rows))
        self._rows = rows
        self._known = {key: known for key, known in self._known.items() if key in keys}
        self._count()

    def forget(self, labels: object) -> None:
        """Count the rows with these labels again, which have changed."""
        changed = [row for row in self._rows if row.labels is labels]
        for row in changed:
            self._known.pop(_key(row), None)
        if changed:
            self._count()

    def _count(self) -> None:
        left = [row for row in self._rows if _key(row) not in self._known]
        if left:
            self._latest.submit(partial(count_rows, left))
        else:
            self._latest.cancel()

    def _on_counted(self, counted: Iterable[tuple[TrainingRow, RowCount]]) -> None:
        wanted = set(map(_key, self._rows))
        self._known |= {_key(row): (row, n) for row, n in counted if _key(row) in wanted}
        self.changed.emit()
        self._count()


def count_rows(rows: Iterable[TrainingRow]) -> list[tuple[TrainingRow, RowCount]]:
    """Count rows for a moment, at least one."""
    end, counted = monotonic() + CALL_SECONDS, []
    for row in rows:
        counted.append((row, count_row(row)))
        if monotonic() > end:
            break
    return counted


def count_row(row: TrainingRow) -> RowCount:
    """Size and labelled pixels of a row; what keeps it from being read is its problem."""
    try:
        if row.labels is None:
            return RowCount(as_image(row.image).label_shape)
        labels = full_resolution(row.labels, "labels")
        image = as_image(row.image, labels_shape=labels.shape)
        return RowCount(image.label_shape, *_count_values(labels))
    except Exception as error:  # noqa: BLE001  shown in the row, whatever it is
        return RowCount(problem=error_text(error, "Reading the row"))


def _count_values(labels: LazyArray) -> tuple[dict[int, int], int]:
    """Pixels of the commonest values, rising, and the number of all values."""
    counts: dict[int, int] = {}
    for slab in slabs(labels):
        for value, n in zip(*count_values(np.asarray(labels[slab])), strict=True):
            counts[int(value)] = counts.get(int(value), 0) + int(n)
    common = sorted(counts, key=lambda v: -counts[v])[:KEPT_VALUES]
    kept = {*common, *(v for v in RESERVED if v in counts)}
    return {v: counts[v] for v in sorted(kept)}, len(counts)


def _key(row: TrainingRow) -> tuple[int, int]:
    """What stays of a row that is given another role or group."""
    return id(row.image), id(row.labels)
