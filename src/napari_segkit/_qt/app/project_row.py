"""Buttons that save and open the project of a window, and what they ask."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_segkit._qt.session import unsaved_labels
from napari_segkit._qt.session.spare_models import KEEP_DAYS, SpareFile
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.question import Question

from .project_work import Opened
from .window_project import WindowProject

SAVE_TIP = (
    "<p>Save images, labels, classes, model and settings in one folder. Labels that you paint are "
    "kept beside it from then on, and are offered again after a crash.</p>"
)
SAVE_AS_TIP = "<p>Save into another folder, and go on there.</p>"
RUNNING = "Stop what is running, or wait for it, before another project is opened."
OPEN_TIP = "<p>Open a folder that was saved as a project.</p>"


class ProjectRow(QWidget):
    """Name of the project, whether it is saved, and buttons; `question` is laid out elsewhere."""

    asked = Signal()  # the question, which may be out of sight

    def __init__(self, project: WindowProject) -> None:
        super().__init__()
        self.project = project
        self.question = Question()
        self.name, self.status = Note(), Note()
        self.save_button = QPushButton("Save project …", toolTip=SAVE_TIP)
        self.save_as_button = QPushButton("Save as …", toolTip=SAVE_AS_TIP)
        self.open_button = QPushButton("Open project …", toolTip=OPEN_TIP)
        stack(
            self, self.name, (self.save_button, self.open_button), self.save_as_button, self.status
        )
        self.save_button.clicked.connect(self.save)
        self.save_as_button.clicked.connect(self.save_as)
        self.open_button.clicked.connect(self.open)
        project.changed.connect(self.update_state)
        project.session.busy_changed.connect(self.update_state)
        project.message.connect(self.status.setText)
        project.opened.connect(self._on_opened)
        project.conflict.connect(self._on_conflict)
        project.found.connect(self._on_found)
        self.update_state()

    def save(self) -> None:
        """Save where the project is, or ask where to."""
        self.project.save() if self.project.name else self.save_as()

    def save_as(self) -> None:
        """Ask for a folder, and save there."""
        name = self.project.name or "project"
        folder = QFileDialog.getSaveFileName(self, "Save project: name of its folder", name)[0]
        if folder:
            self.project.save(Path(folder))

    def open(self) -> None:
        """Ask for a project; before, whether what is not saved may be replaced."""
        if self.project.session.task is not None:
            self.status.setText(RUNNING)
            return
        if not self.project.has_changed:
            self._choose()
            return
        self._ask(
            "What was painted or trained since the last save is not in a project. Open another "
            "project in its place?",
            {"Save first": self.save, "Open": self._choose, "Stay": self.question.close_question},
        )

    def update_state(self) -> None:
        """Say which project it is, and whether all of it is saved."""
        project = self.project
        is_saved = bool(project.name) and not project.has_changed
        state = "saved" if is_saved else "changed since it was saved"
        self.name.setText(f"{project.name}: {state}." if project.name else "No project yet.")
        self.save_button.setText("Save project" if project.name else "Save project …")
        self.save_as_button.setVisible(bool(project.name))
        for button in (self.save_button, self.save_as_button):
            button.setEnabled(not project.is_busy)
        self.open_button.setEnabled(not (project.is_busy or project.session.task))

    def _ask(self, text: str, answers: Mapping[str, Callable[..., object]]) -> None:
        self.question.ask(text, answers)
        self.asked.emit()

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open project")
        if folder:
            self.project.open(Path(folder))

    def _on_opened(self, opened: Opened) -> None:
        recovered = opened.project.recovered
        if recovered is None:
            self.project.show(opened, opened.project)
            return
        self._ask(
            f"{opened.project.folder} has labels that were painted after its last save. Open it "
            "with them?",
            {
                "With these labels": partial(self.project.show, opened, recovered),
                "As it was saved": partial(self.project.show, opened, opened.project),
            },
        )

    def _on_conflict(self, text: str) -> None:
        """Ask whether what another window has saved is replaced."""
        overwrite, cancel = partial(self.project.save, overwrite=True), self.question.close_question
        self._ask(text, {"Overwrite": overwrite, "Save as …": self.save_as, "Cancel": cancel})

    def _on_found(self, found: SpareFile | Path) -> None:
        """Offer labels that an earlier window has left."""
        if isinstance(found, Path):
            text = f"Labels of the project {found} were painted and not saved. Open it?"
            answers = {"Open": partial(self.project.open, found)}
        else:
            text = (
                f"Labels of {unsaved_labels.describe(found.path)} were painted and not saved. They "
                f"are removed after {KEEP_DAYS} days."
            )
            answers = {
                "Open": partial(self.project.open_unsaved, found),
                "Discard": partial(unsaved_labels.remove, found),
            }
        later = self.question.close_question if isinstance(found, Path) else found.release
        self._ask(text, answers | {"Later": later})
