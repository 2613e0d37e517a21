"""Adds files and folders to a training set, chosen in a dialog or dropped."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.question import Question
from napari_segkit.io.filenames import stem
from napari_segkit.io.image_files import find_images, holds_several, is_folder
from napari_segkit.io.name_words import LABEL_WORDS, is_named
from napari_segkit.io.training_files import ImageFile
from napari_segkit.training_set import TrainingRow, TrainingSet

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
        self._submit(partial(paired, paths))

    def _submit(self, find: Callable[[], TrainingSet]) -> None:
        self.status.setText("Looking for images and labels …")
        self._work.submit(find)

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
        """Say what is wrong; labels of a folder may lie in another one, or be still to paint."""
        text = error_text(error, "Reading the files")
        self.status.setText(text)
        if len(self._paths) == 1 and is_folder(self._paths[0]):
            self.status.setText("")
            answers: dict[str, Callable[[], object]] = {
                "Folder of the labels …": self._choose_labels,
                "Paint the labels here": partial(self._submit, partial(unlabelled, self._paths[0])),
                "Cancel": lambda: None,
            }
            self.question.ask(text, answers)


def paired(paths: Sequence[Path]) -> TrainingSet:
    """A training set of files or folders, paired by their names."""
    if len(paths) == 1:
        return TrainingSet.from_files(paths[0])
    if len(paths) == 2 and holds_several(paths[0]) == holds_several(paths[1]):
        images, labels = sorted(paths, key=lambda path: is_named(stem(path), LABEL_WORDS))
        return TrainingSet.from_files(images, labels)
    return TrainingSet.from_files(paths)


def unlabelled(folder: Path) -> TrainingSet:
    """The images of a folder, left out until labels are painted on them."""
    images = [ImageFile(files) for files in find_images(folder)]
    return TrainingSet([TrainingRow(image, None, "leave out") for image in images])
