"""What keeps a training set from being trained on."""

from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.training_rows import (
    closed_layer,
    image_name,
    row_layers,
    source_name,
)
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit._qt.widgets.label_semantics import LabelOptions
from napari_segkit.images.label_stats import LabelStats, label_stats_of, training_labels
from napari_segkit.images.labels import LabelsError
from napari_segkit.io.filenames import shorten
from napari_segkit.models import predicts_objects
from napari_segkit.training_set import TrainingRow

from .row_counts import RowCounts

NONE_TO_TRAIN = "No image of the training set has the role train: choose it in the table."
FIT = "Fit masks"
NO_LABELS = "it has no labels: open it and paint, or leave it out."


class SetCheck:
    """Looks through the session's training set, as far as its rows are counted."""

    def __init__(self, session: Session, counts: RowCounts) -> None:
        self._session, self._counts = session, counts
        self.stats: LabelStats | None = None  # of the class values; None: not known
        self.misfits: list[TrainingRow] = []  # whose masks have another size than their images
        self._problem: str | None = None
        self._layer_rows: list[tuple[int, TrainingRow]] = []

    def update(self, semantics: LabelOptions) -> None:
        """Look through the rows and their counts again."""
        rows = enumerate(self._session.training_set.rows, 1)
        used = [(number, row) for number, row in rows if row.role != "leave out"]
        self._layer_rows = [pair for pair in used if next(row_layers(pair[1]), None) is not None]
        self.misfits = [row for _, row in used if (n := self._counts.of(row)) and n.misfit]
        self.stats = self._stats(semantics)
        self._problem = self._find_problem(used)

    def missing(self) -> str | None:
        """Why the set cannot be trained on; None if nothing is known to be wrong."""
        opened = set(map(id, unwrapped(self._session.viewer).layers))
        for number, row in self._layer_rows:
            if (layer := closed_layer(row, opened)) is not None:
                closed = f"the layer {layer.name} is no longer open: double-click the row to show "
                return _in_row(number, row, f"{closed}it again, or remove the row.")
        return self._problem

    def _find_problem(self, used: list[tuple[int, TrainingRow]]) -> str | None:
        if not self._session.training_set.with_role("train"):
            return NONE_TO_TRAIN
        if self.misfits:
            return self._misfit_problem(len(used))
        for number, row in used:
            count = self._counts.of(row)
            found = NO_LABELS if row.labels is None else count.problem if count else ""
            if found:
                return _in_row(number, row, found)
        problem = self.stats.problem if self.stats else None
        return gui_message(problem) if problem else None

    def _misfit_problem(self, total: int) -> str:
        one = len(self.misfits) == 1
        verb = "has another size than its image" if one else "have other sizes than their images"
        names = shorten([source_name(row.labels) for row in self.misfits])
        return (
            f"{len(self.misfits)} of {total} masks {verb}: {names}. Press {FIT} to resample to the "
            "images' sizes, or leave them out."
        )

    def _stats(self, semantics: LabelOptions) -> LabelStats | None:
        """What the training finds when it begins; None for objects and while rows are counted."""
        counts = [self._counts.of(row) for row in self._session.training_set.with_role("train")]
        labels = [count.labels for count in counts if count and count.labels]
        objects = predicts_objects(self._session.segmenter.spec)
        if objects or self._counts.is_counting or not labels:
            return None
        try:
            return label_stats_of(training_labels(labels, **semantics))
        except LabelsError as error:
            return LabelStats({}, 0, (), str(error), error.remedies)


def _in_row(number: int, row: TrainingRow, problem: str) -> str:
    return f"Row {number} of the training set, {image_name(row)}: {problem}"
