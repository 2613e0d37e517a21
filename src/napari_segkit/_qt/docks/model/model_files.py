"""Load and save the session's model; ask before an unsaved one is replaced."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_segkit._qt.session.background import Steps, call_once
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.task import Task
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import T, TaskButtons, stack
from napari_segkit._qt.widgets.question import Question
from napari_segkit.config._schema import to_python
from napari_segkit.io.output_paths import model_path
from napari_segkit.segmenter import Segmenter

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

FILES = "SegKit models (*.segkit)"
LOAD = "Load a trained model from a file."
SAVE = "Save the trained model to a file."
COPY = "Copy the Python line that sets this model in the session."


class ModelFiles(TaskButtons):
    """Load, Save and Copy Python buttons for the session's model."""

    kept = Signal()  # the current model was not replaced

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.question = Question()
        self.load_button = QPushButton("Load …", toolTip=LOAD)
        self.save_button = QPushButton("Save …")
        self.copy_button = QPushButton("Copy Python", toolTip=COPY)
        self._path = ""
        self._named: TrainedModel | None = None  # the model in the file `_path`
        self._after_save: Callable[[], object] | None = None
        self._save_succeeded = False
        buttons = self.load_button, self.save_button, self.copy_button
        stack(self, self.question, buttons, self.status)
        self.load_button.clicked.connect(self._on_load)
        self.save_button.clicked.connect(self._on_save)
        self.copy_button.clicked.connect(self._on_copy)
        session.busy_changed.connect(self._on_busy)
        session.segmenter_changed.connect(self._on_segmenter)
        self._update_state()

    def load(self, path: str) -> None:
        """Load a model file in the background and use it in the session."""
        self._run(
            call_once(_load, path, self._session.segmenter.device), "Load model", self._on_loaded
        )

    def save(self, path: str, then: Callable[[], object] | None = None) -> None:
        """Save the model in the background; call `then` afterwards, unless saving failed."""
        self._save_succeeded, self._after_save = False, then
        self._run(call_once(_save, self._session.segmenter, path), "Save model", self._on_saved)

    def replace(self, action: Callable[[], object]) -> None:
        """Call `action`, which replaces the model; ask first if it is trained and not saved."""
        segmenter = self._session.segmenter
        if segmenter.is_saved or not segmenter.is_trained:
            action()
            return
        self.question.ask(
            "The current model is trained but not saved. Replace it?",
            {"Save …": partial(self._save_first, action), "Discard": action, "Keep": self.keep},
        )

    def keep(self) -> None:
        """Close the question without replacing the model."""
        self.question.close_question()
        self.kept.emit()

    def code(self) -> str:
        """Python code that sets this model in the session."""
        segmenter = self._session.segmenter
        from_file = segmenter.is_trained and segmenter.trained is self._named
        start = f".load({self._path!r}" if from_file else f"({to_python(segmenter.spec)}"
        line = f"session(viewer).segmenter = Segmenter{start}, device={segmenter.device!r})"
        return python_snippets.with_import(line)

    def _run(self, steps: Steps[T], title: str, slot: Callable[[T], object]) -> Task:
        task = super()._run(steps, title, slot)
        task.finished.connect(self._on_finished)
        return task

    def _save_first(self, action: Callable[[], object]) -> None:
        path = self._ask_path()
        if path:
            self.save(path, then=action)
        else:
            self.keep()

    def _ask_path(self, proposed: str = "model.segkit") -> str:
        path = QFileDialog.getSaveFileName(self, "Save the model", proposed, FILES)[0]
        full = str(model_path(path)) if path else ""
        if full == path or not Path(full).exists():
            return full
        return self._ask_path(full)  # the dialog asks about the file that would be replaced

    def _on_load(self) -> None:
        path = QFileDialog.getOpenFileName(self, "Load a model", "", FILES)[0]
        if path:
            self.replace(partial(self.load, path))

    def _on_save(self) -> None:
        path = self._ask_path()
        if path:
            self.save(path)

    def _on_copy(self) -> None:
        python_snippets.copy(self.code())
        self.status.setText("The Python line is on the clipboard.")

    def _on_loaded(self, loaded: tuple[Segmenter, str]) -> None:
        segmenter, self._path = loaded
        self._named = segmenter.trained
        self._name_model()
        self._session.segmenter = segmenter
        self.status.setText(f"Loaded from {self._path}")

    def _on_saved(self, saved: "tuple[TrainedModel | None, str]") -> None:
        self._named, self._path = saved
        self._name_model()
        self._save_succeeded = True
        self.status.setText(f"Saved to {self._path}")

    def _name_model(self) -> None:
        """Name the model after its file."""
        if self._named is not None:
            self._session.name_model(self._named.identity, Path(self._path).stem)

    def _on_errored(self, error: BaseException) -> None:
        super()._on_errored(error)
        self.keep()

    def _on_finished(self) -> None:
        """Run what waits for the save: only now can the session start another task."""
        then, self._after_save = self._after_save, None
        if then is not None:
            then() if self._save_succeeded else self.keep()

    def _on_busy(self, busy: bool) -> None:
        """Close the question: the task may change the model that it is about."""
        if busy and not self.question.isHidden():
            self.keep()

    def _on_segmenter(self) -> None:
        self.question.close_question()
        if self._session.segmenter.trained is not self._named:
            self.status.setText("")  # it names the file of another model
        self._update_state()

    def _update_state(self) -> None:
        trained, busy = self._session.segmenter.is_trained, self._session.task is not None
        self.load_button.setEnabled(not busy)
        self.save_button.setEnabled(trained and not busy)
        self.save_button.setToolTip(SAVE if trained else "Nothing to save: train a model first.")


def _load(path: str, device: str) -> tuple[Segmenter, str]:
    return Segmenter.load(path, device=device), path


def _save(segmenter: Segmenter, path: str) -> "tuple[TrainedModel | None, str]":
    segmenter.save(path)
    return segmenter.trained, path
