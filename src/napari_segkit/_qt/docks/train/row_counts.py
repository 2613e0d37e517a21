"""Labelled pixels of the rows of a training set, counted in the background."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.images.array_cache import ArrayCache
from napari_segkit.images.label_stats import LabelCounts, count_labels
from napari_segkit.images.notes import without_notes
from napari_segkit.io.training_files import MaskSizeError
from napari_segkit.training.open_row import open_row
from napari_segkit.training_set import TrainingRow

from .row_files import read_row

WAIT_MS = 150  # after the last stroke, and between two calls
CALL_SECONDS = 0.3  # then what is known is shown
KEPT_VALUES = 100  # of each row; instance ids may be thousands
NAMED_CLASSES = 4


@dataclass(frozen=True)
class RowCount:
    """What is known of a row once its labels are read."""

    shape: tuple[int, ...] = ()  # of the image without channels
    labels: LabelCounts | None = None
    values: int = 0  # distinct ones
    problem: str = ""  # why the row cannot be trained on
    misfit: bool = False  # only because the mask has another size than the image

    @property
    def size(self) -> str:
        return " x ".join(map(str, self.shape))

    def text(self, unlabelled: int | None, *, objects: bool) -> str:
        """Labelled pixels of each class value, or the number of objects."""
        if self.labels is None:
            return ""
        pixels = self.labels.counts
        if objects:
            count = self.values - len({0, unlabelled} & pixels.keys())
            return f"{count:,} object{'' if count == 1 else 's'}"
        if self.values > NAMED_CLASSES + 1:
            return f"{self.values - (unlabelled in pixels):,} values"
        labelled = [f"{v}: {n:,}" for v, n in pixels.items() if v != unlabelled]
        return " · ".join(labelled) or "nothing labelled"


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
        self._count()
        self.changed.emit()


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
        with without_notes():  # they are said when it is trained on
            return _count(row)
    except MaskSizeError as error:
        return RowCount(problem=f"its mask has another size: {error}.", misfit=True)
    except Exception as error:  # noqa: BLE001  shown in the row, whatever it is
        return RowCount(problem=error_text(error, "Reading the row"))


def _count(row: TrainingRow) -> RowCount:
    if row.labels is None:
        return RowCount(read_row(row).images[0].label_shape)
    opened = open_row(row, None, None, ArrayCache())
    counted = count_labels(np.asarray(opened.values), 0, "ask")
    shape, values = opened.image.label_shape, len(counted.counts)
    if values > KEPT_VALUES:
        counted = counted._replace(counts=_shortened(counted.counts))
    return RowCount(shape, counted, values)


def _shortened(counts: dict[int, int]) -> dict[int, int]:
    """Counts of few values, in which the highest stands for all that are left out."""
    kept = {value: counts[value] for value in sorted(counts)[:KEPT_VALUES]}
    highest = max(counts)
    return {**kept, highest: sum(counts.values()) - sum(kept.values())}


def _key(row: TrainingRow) -> tuple[int, int]:
    """What stays of a row that is given another role or group."""
    return id(row.image), id(row.labels)
