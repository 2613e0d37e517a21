"""Adds files and folders to a training set, chosen in a dialog or dropped."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.question import Question
from napari_segkit.io.filenames import stem
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.name_words import LABEL_WORDS, is_label, is_named
from napari_segkit.training_set import TrainingSet

TIP = (
    "<p>Add image files with their label files, a folder of both, or a CSV list with the columns "
    "images and masks; they can be dropped here, too. Files belong together by their names.</p>"
)


class AddFiles(QWidget):
    """A button with a menu, and what is said and asked of the files."""

    found = Signal(object)  # a TrainingSet

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Add files", toolTip=TIP)
        menu = QMenu(self.button)
        menu.addAction("Files or a CSV list …", self._choose_files)
        menu.addAction("Folder …", self._choose_folder)
        self.button.setMenu(menu)
        self.question, self.status = Question(), Note()
        self._paths: Sequence[Path] = ()
        self._work = LatestCall(self)
        self._work.returned.connect(self._on_found)
        self._work.errored.connect(self._on_error)
        stack(self, self.question, self.status)

    def add(self, paths: Sequence[Path]) -> None:
        """Pair files and folders in the background, then send the set."""
        self._paths = paths
        self.question.close_question()
        self.status.setText("Looking for images and labels …")
        self._work.submit(partial(paired, paths))

    def _choose_files(self) -> None:
        names = QFileDialog.getOpenFileNames(self, "Images with their labels, or a CSV list")[0]
        if names:
            self.add([Path(name) for name in names])

    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of images and labels")
        if name:
            self.add([Path(name)])

    def _choose_labels(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of the labels")
        if name:
            self.add([self._paths[0], Path(name)])

    def _on_found(self, found: TrainingSet) -> None:
        self.status.setText("")
        self.found.emit(found)

    def _on_error(self, error: BaseException) -> None:
        """Say what is wrong; a folder may have its labels in another one."""
        text = error_text(error, "Reading the list of files")
        if len(self._paths) == 1 and self._paths[0].is_dir():
            self.status.setText("")
            self.question.ask(
                text,
                {"Folder of the labels …": self._choose_labels, "Cancel": lambda: None},
            )
        else:
            self.status.setText(text)


def paired(paths: Sequence[Path]) -> TrainingSet:
    """A training set of files or folders, paired by their names."""
    if len(paths) == 1:
        return TrainingSet.from_files(paths[0])
    if len(paths) == 2 and paths[0].is_dir() == paths[1].is_dir():
        return TrainingSet.from_files(*sorted(paths, key=lambda p: is_named(stem(p), LABEL_WORDS)))
    files = [ImageFiles((path,)) for path in paths]
    labels = [f.path for f in files if is_label(f)]
    return TrainingSet.from_files([f.path for f in files if f.path not in labels], labels)
