"""Loading and saving the session's model, and asking before it is lost."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.session.background import once
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.question import Question
from napari_segkit.config._schema import to_python
from napari_segkit.segmenter import Segmenter

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

FILES = "SegKit models (*.segkit)"
LOAD = "Read a trained model from a file."
SAVE = "Write the trained model into a file."
COPY = "The Python line that gives the session this model, onto the clipboard."


class ModelFiles(QWidget):
    """Load, Save and Copy Python, for the model that a session holds.

    Parameters
    ----------
    session : Session
        Whose model it is.

    Attributes
    ----------
    kept : Signal()
        Asked, the person kept the model there was.
    """

    kept = Signal()

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self.question = Question()
        self.load_button = QPushButton("Load …")
        self.save_button = QPushButton("Save …")
        self.copy_button = QPushButton("Copy Python")
        self.status = Note()
        self._session = session
        self._path = ""
        self._safe: Any = None  # the trained model that a file holds too
        self._then: Callable[[], object] | None = None  # what waits for the save under way
        self._saved = False
        self._lay_out()
        self.load_button.clicked.connect(self._on_load)
        self.save_button.clicked.connect(self._on_save)
        self.copy_button.clicked.connect(self._on_copy)
        session.busy_changed.connect(self._on_busy)
        session.segmenter_changed.connect(self._on_segmenter)
        self._update_state()

    def load(self, path: str) -> None:
        """Load a model file in the background; the session then holds it."""
        self._run(once(_load, path, self._session.segmenter.device), "Load model", self._on_loaded)

    def save(self, path: str, then: Callable[[], object] | None = None) -> None:
        """Save the session's model in the background; `then` is done only where that worked."""
        self._saved, self._then = False, then
        self._run(once(_save, self._session.segmenter, path), "Save model", self._on_saved)

    def replace(self, action: Callable[[], object]) -> None:
        """Do what takes the model away; where it was trained and not saved, ask first."""
        if self._session.segmenter.trained is self._safe or not self._session.segmenter.is_trained:
            action()
            return
        self.question.ask(
            "The model in use was trained and not saved. Another one takes its place:",
            {
                "Save …": partial(self._save_first, action),
                "Discard": action,
                "Keep": self.keep,
            },
        )

    def keep(self) -> None:
        """Keep the model there is."""
        self.question.close_question()
        self.kept.emit()

    def code(self) -> str:
        """The Python that gives the session this model."""
        held = self._session.segmenter
        from_file = held.is_trained and held.trained is self._safe
        made = f".load({self._path!r}" if from_file else f"({to_python(held.spec)}"
        line = f"session(viewer).segmenter = Segmenter{made}, device={held.device!r})"
        return python_snippets.with_import(line)

    def _run(self, steps: Any, title: str, slot: Callable[[Any], object]) -> None:
        self.status.setText("")
        task = self._session.run(steps, title=title)
        task.setObjectName(title)
        task.returned.connect(slot)
        task.errored.connect(self._on_errored)
        task.finished.connect(self._on_finished)

    def _save_first(self, action: Callable[[], object]) -> None:
        path = self._ask_where()
        if path:
            self.save(path, then=action)
        else:
            self.keep()

    def _ask_where(self) -> str:
        path = QFileDialog.getSaveFileName(self, "Save the model", "model.segkit", FILES)[0]
        return path if not path or path.endswith(".segkit") else f"{path}.segkit"

    def _on_load(self) -> None:
        path = QFileDialog.getOpenFileName(self, "Load a model", "", FILES)[0]
        if path:
            self.replace(partial(self.load, path))

    def _on_save(self) -> None:
        path = self._ask_where()
        if path:
            self.save(path)

    def _on_copy(self) -> None:
        python_snippets.copy(self.code())
        self.status.setText("The Python line is on the clipboard.")

    def _on_loaded(self, loaded: tuple[Segmenter, str]) -> None:
        segmenter, self._path = loaded
        self._safe = segmenter.trained
        self._session.segmenter = segmenter
        self.status.setText(f"Loaded from {self._path}")

    def _on_saved(self, saved: tuple[Any, str]) -> None:
        self._safe, self._path = saved
        self._saved = True
        self.status.setText(f"Saved to {self._path}")

    def _on_errored(self, error: Exception) -> None:
        self.status.setText(str(error))
        self.keep()

    def _on_finished(self) -> None:
        """Only now is the session free for what comes after a save."""
        then, self._then = self._then, None
        if then is not None:
            then() if self._saved else self.keep()

    def _on_busy(self, busy: bool) -> None:
        """A question that is open when work begins would be about another model at its end."""
        if busy and not self.question.isHidden():
            self.keep()
        self._update_state()

    def _on_segmenter(self) -> None:
        self.question.close_question()
        if self._session.segmenter.trained is not self._safe:
            self.status.setText("")  # the file that it names holds another model
        self._update_state()

    def _update_state(self) -> None:
        trained, busy = self._session.segmenter.is_trained, self._session.task is not None
        self.load_button.setEnabled(not busy)
        self.save_button.setEnabled(trained and not busy)
        self.save_button.setToolTip(SAVE if trained else "Nothing to save: train a model first.")

    def _lay_out(self) -> None:
        self.load_button.setToolTip(LOAD)
        self.copy_button.setToolTip(COPY)
        row = QHBoxLayout()
        for button in (self.load_button, self.save_button, self.copy_button):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.question)
        column.addLayout(row)
        column.addWidget(self.status)


def _load(path: str, device: str) -> tuple[Segmenter, str]:
    return Segmenter.load(path, device=device), path


def _save(segmenter: Segmenter, path: str) -> tuple[Any, str]:
    segmenter.save(path)
    return segmenter.trained, path
