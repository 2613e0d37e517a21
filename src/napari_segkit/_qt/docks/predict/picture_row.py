"""Row that saves a picture of the image with the predicted labels."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_segkit._qt.layers.snapshots import Snapshot, snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.picture import PNG, save_picture
from napari_segkit.config.pictures import Style
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.drawn_labels import draw_labels

STYLES: tuple[tuple[str, Style], ...] = (
    ("Colours", "colours"),
    ("Contours", "contours"),
    ("Cut out", "cutout"),
)
STYLE_TIP = (
    "<p>Colours: areas in the colours of the layer over the image. Contours. Cut out: the image "
    "where it is labelled, transparent elsewhere and where a class is called background.</p>"
)
SAVE_TIP = (
    "<p>Save the slice at the sliders, the image with its last prediction, as PNG at full "
    "resolution.</p>"
)
Layers = tuple[Image, Labels]


class PictureRow(QWidget):
    """Save the chosen image with its last result as a picture."""

    message = Signal(str)

    def __init__(
        self, session: Session, layers: Callable[[], Layers | None], axes: Callable[[], str | None]
    ) -> None:
        super().__init__()
        self._session, self._layers, self._axes = session, layers, axes
        self._saving = LatestCall(self)
        self.style_choice = Choice(STYLES, tooltip=STYLE_TIP)
        self.button = QPushButton("Save picture …", toolTip=SAVE_TIP)
        stack(self, (self.style_choice.native, self.button))
        self.button.clicked.connect(self._on_save)
        self._saving.returned.connect(lambda path: self.message.emit(f"Saved as {path}."))
        self._saving.errored.connect(self._on_error)

    def update_state(self) -> None:
        """Enable the button where there is something to save."""
        self.button.setEnabled(self._layers() is not None)

    def save(self, path: Path) -> None:
        """Save the picture in the background."""
        layers = self._layers()
        if layers is not None:
            image, labels = layers
            plane, axes = self._plane(image), self._axes()
            draw = partial(_save, path, snapshot(image), snapshot(labels))
            self._saving.submit(partial(draw, self.style_choice.value, axes, plane))

    def _plane(self, image: Image) -> dict[str, int]:
        """Index along T and Z of the slice at the sliders."""
        read = as_image(image, self._axes())
        place = np.asarray(image.world_to_data(self._session.viewer.dims.point[-image.ndim :]))
        return {
            axis: int(np.clip(round(place[i]), 0, read.length(axis) - 1))
            for i, axis in enumerate(read.axes[: image.ndim])
            if axis in "TZ"
        }

    def _on_save(self) -> None:
        layers = self._layers()
        if layers is not None:
            name = f"{layers[0].name}.png"
            path = QFileDialog.getSaveFileName(self, "Save the picture", name, PNG)[0]
            if path:
                self.save(Path(path))

    def _on_error(self, error: BaseException) -> None:
        self.message.emit(error_text(error, "Saving the picture"))


def _save(
    path: Path,
    image: Snapshot,
    labels: Snapshot,
    style: Style,
    axes: str | None,
    plane: dict[str, int],
) -> Path:
    return save_picture(path, draw_labels(image, labels, style, axes=axes, plane=plane))
