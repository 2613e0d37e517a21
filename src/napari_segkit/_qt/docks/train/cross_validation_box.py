"""Cross-validation in the Train dock: a model for each fold, and their metrics."""

from collections.abc import Callable, Generator
from functools import reduce
from html import escape
from math import isnan
from operator import add
from typing import Any

import numpy as np
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.training_rows import label_snapshots
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.class_table import fit_height
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.gui_messages import SMALLER_TILES, error_text
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.config import FoldConfig, ModelSpec, TrainConfig
from napari_segkit.cross_validation.events import FoldEnded, FoldsChosen
from napari_segkit.cross_validation.results import CrossValidation, Fold
from napari_segkit.evaluation.confusion import nanmean
from napari_segkit.evaluation.statistics import standard_deviation
from napari_segkit.models import model_info
from napari_segkit.steps import Finish, Job, Step
from napari_segkit.training_set import TrainingSet

from .data_pictures import Data
from .training_record import used_labels
from .training_set_panel import require_files

VERB = "Cross-validate"
TIP = (
    "<p>Trains a model without each fold of the images, and evaluates it on that fold: metrics of "
    "all labels, on pixels that the models were not trained on. Takes as long as so many "
    "trainings. Press again to stop and keep the folds that are complete.</p>"
)
MEAN = "Use the mean of the {} models"
MEAN_TIP = (
    "<p>One model that predicts the mean of their probabilities, and is saved to one file. Undo in "
    "the Model dock brings the model before back.</p>"
)
COPY_TIP = "<p>Copy the metrics of every fold to the clipboard as CSV, for a spreadsheet.</p>"
CLASSES = "Dice", "IoU", "accuracy"
OBJECTS = "F1", "AP", "Dice"


class CrossValidationBox(QWidget):
    """Settings, Cross-validate and Stop, the metrics of each fold, and their mean as one model.

    `data()` copies what is trained on; ValueError if it is not complete. `code(folds)` gives the
    Python code.
    """

    def __init__(
        self, session: Session, data: Callable[[], Data], code: Callable[[str], str]
    ) -> None:
        super().__init__()
        self._session, self._data, self._code = session, data, code
        self.form = Form(FoldConfig)
        self.bar = RunBar(
            session,
            VERB,
            tooltip=TIP,
            unit="Step",
            code=self.code,
            lower=SMALLER_TILES,
            pausable=True,
        )
        self.notes = Note()
        self.table = ReadOnlyTable(["fold", *CLASSES])
        self.mean_button = QPushButton(toolTip=MEAN_TIP)
        self.table_button = QPushButton("Copy table", toolTip=COPY_TIP)
        self.result: CrossValidation | None = None
        self._used: frozenset[str] = frozenset()  # labels that were trained on
        self._folds: list[Fold] = []
        stack(
            self,
            self.form,
            self.bar,
            self.notes,
            self.table,
            (self.mean_button, self.table_button),
        )
        self._connect()
        self._show()

    def run(self) -> None:
        """Cross-validate copies of the layers."""
        try:
            training_set, config, spec, axes = self._data()
            folds = self.form.value
        except ValueError as error:
            self.bar.show_status(error_text(error, VERB))
            return
        self.result, self._folds = None, []
        self.notes.setText("")
        self._show()
        device = self._session.segmenter.device
        steps = self._steps(training_set, config, spec, folds, axes, device)
        self.bar.run(Job(VERB, steps, Finish()))

    def use_mean(self) -> None:
        """Use the mean of the folds' models in the session."""
        if self.result is None:
            return
        try:
            mean = self.result.mean_model().ready()
        except ValueError as error:
            self.bar.show_status(error_text(error, VERB))
            return
        self._session.keep_training_labels(mean.identity, self._used)
        self._session.models.add(mean)
        self._session.take_back(mean)
        self.bar.show_status("The docks use the mean of the models. Save it in the Model dock.")

    def code(self) -> str:
        """Python code for the same cross-validation."""
        folds = self.form.value
        return self._code(f"folds={folds.folds}, over={folds.over!r}")

    def _steps(
        self,
        training_set: TrainingSet,
        config: TrainConfig,
        spec: ModelSpec,
        folds: FoldConfig,
        axes: str | None,
        device: str,
    ) -> Generator[Any, Any, CrossValidation]:
        """Cross-validate; in the worker, as this imports torch."""
        from napari_segkit.cross_validation.run import cross_validations

        require_files(training_set)
        self._used = used_labels(label_snapshots(training_set))
        steps = cross_validations(
            spec, training_set, config, folds.folds, over=folds.over, axes=axes, device=device
        )
        return (yield from steps)

    def _connect(self) -> None:
        self.bar.pressed.connect(self.run)
        self.bar.yielded.connect(self._on_step)
        self.bar.returned.connect(self._on_result)
        self.mean_button.clicked.connect(self.use_mean)
        self.table_button.clicked.connect(self._copy_table)
        self._session.busy_changed.connect(self._show)

    def _on_step(self, step: Step) -> None:
        if isinstance(step, FoldsChosen):
            self.notes.setText(" ".join(step.notes))
        elif isinstance(step, FoldEnded):
            self._folds.append(step.fold)
            self._show()

    def _on_result(self, result: CrossValidation) -> None:
        self.result = result
        self.bar.show_status(result.summary())
        self._show()

    def _show(self) -> None:
        """Show the folds so far, and what can be done with the result."""
        result, folds = self.result, self._folds
        if folds:
            self._fill_table()
        self.table.setVisible(bool(folds))
        self.table_button.setVisible(result is not None and bool(folds))
        has_mean = result is not None and len(folds) > 1
        has_mean = has_mean and not model_info(folds[0].segmenter.spec.name).has_masks
        self.mean_button.setVisible(has_mean)
        self.mean_button.setText(MEAN.format(len(folds)))
        self.mean_button.setEnabled(self._session.task is None)

    def _fill_table(self) -> None:
        folds = self._folds
        is_instance = hasattr(folds[0].report, "f1")
        self.table.setHorizontalHeaderLabels(["fold", *(OBJECTS if is_instance else CLASSES)])
        figures = np.array([_figures(fold.report) for fold in folds])
        rows = [(str(fold.number), own) for fold, own in zip(folds, figures, strict=True)]
        if len(folds) > 1:
            pooled = reduce(add, (fold.report for fold in folds))
            rows.append(("mean", np.array([nanmean(own) for own in figures.T])))
            rows.append(("std", standard_deviation(figures)))
            rows.append(("pooled", np.array(_figures(pooled))))
        self.table.setRowCount(len(rows))
        for row, (title, values) in enumerate(rows):
            self.table.set_row(row, [title, *map(_text, values)], bold=row >= len(folds))
        for row, fold in enumerate(folds):
            self.table.item(row, 0).setToolTip(f"<p>{escape(fold.about)}</p>")
        fit_height(self.table)

    def _copy_table(self) -> None:
        if self.result is not None:
            python_snippets.copy(self.result.table().to_csv(index=False))
            self.bar.show_status("Table copied to the clipboard as CSV.")


def _figures(report: Any) -> list[float]:
    """The figures of a row of the table."""
    if hasattr(report, "f1"):
        return [report.f1[0.5], report.mean_ap, report.mean_dice]
    return [report.mean_dice, report.mean_iou, report.accuracy]


def _text(value: float) -> str:
    return "absent" if isnan(value) else f"{value:.3f}"
