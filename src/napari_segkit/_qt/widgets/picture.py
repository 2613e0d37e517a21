"""Pictures in docks: as wide as there is room, in full in a window of their own, saved as PNG."""

from functools import partial
from pathlib import Path

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QImage, QMouseEvent, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_segkit._qt.session.background import LatestCall
from napari_segkit.images.pictures import Picture
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.pictures import write_picture

from .dock import Note
from .gui_messages import error_text

PNG = "PNG pictures (*.png)"
MARGIN = 40  # around a picture in its window, for frame and scroll bars
SCREEN = 0.9  # of the screen that it takes at most


class PictureLabel(QLabel):
    """A picture scaled down to the width that there is."""

    clicked = Signal()

    def __init__(self, tooltip: str = "") -> None:
        super().__init__(toolTip=tooltip)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._full = QPixmap()

    def show_picture(self, picture: Picture) -> None:
        """Show another picture."""
        self._full = pixmap(picture)
        self._fit()

    def minimumSizeHint(self) -> QSize:
        return QSize(100, 20)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()
        event.accept()

    def _fit(self) -> None:
        if self._full.isNull():
            return
        width = min(self.width(), self._full.width())
        scaled = self._full.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
        self.setPixmap(scaled)
        self.setFixedHeight(scaled.height())


class PictureWindow(QDialog):
    """A picture in full, and a button that saves it."""

    def __init__(self, parent: QWidget, title: str, file: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self._file = file  # that is proposed
        self._picture: Picture | None = None
        self._label = QLabel()
        self.status = Note()
        scroll = QScrollArea()
        scroll.setWidget(self._label)
        scroll.setWidgetResizable(True)
        self.button = QPushButton("Save picture …", autoDefault=False)
        column = QVBoxLayout(self)
        for widget in (scroll, self.button, self.status):
            column.addWidget(widget)
        self._saving = LatestCall(self)
        self._saving.returned.connect(self._on_saved)
        self._saving.errored.connect(self._on_error)
        self.button.clicked.connect(self._on_save)

    def show_picture(self, picture: Picture) -> None:
        """Show a picture, the window in front of the others."""
        is_first, self._picture = self._picture is None, picture
        self._label.setPixmap(pixmap(picture))
        if is_first:
            height, width = picture.shape[:2]
            most = self.screen().availableSize() * SCREEN
            self.resize(QSize(width + MARGIN, height + 2 * MARGIN).boundedTo(most))
        self.show()
        self.raise_()

    def save(self, path: Path) -> None:
        """Save the picture in the background."""
        if self._picture is None:
            return
        self.status.setText("")
        self._saving.submit(partial(save_picture, path, self._picture))

    def _on_save(self) -> None:
        path = QFileDialog.getSaveFileName(self, "Save the picture", self._file, PNG)[0]
        if path:
            self.save(Path(path))

    def _on_saved(self, path: Path) -> None:
        self.status.setText(f"Saved as {path}.")

    def _on_error(self, error: BaseException) -> None:
        self.status.setText(error_text(error, "Saving the picture"))


def pixmap(picture: Picture) -> QPixmap:
    """A picture as Qt shows it."""
    pixels = np.ascontiguousarray(picture)
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)  # copies the pixels


def save_picture(path: Path, picture: Picture) -> Path:
    """Save a picture as PNG; gives the file, with its ending."""
    file = path if path.suffix.lower() == ".png" else path.with_name(f"{path.name}.png")
    # the dialog has asked about the file that was named, not about one with an ending added
    check_output_path(file, overwrite=file == path)
    write_picture(file, picture, overwrite=file == path)
    return file
