"""Pictures of a few held-out images: image, labels, prediction."""

from collections.abc import Mapping, Sequence
from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.picture import PictureLabel, PictureWindow
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.pictures import Overlay, Picture, grid, pictures_of
from napari_segkit.training.events import Example

TIP = "<p>What is held out: image, labels, prediction. Click to see it larger, and to save it.</p>"


class PredictionPictures(QWidget):
    """Shows the examples of the latest validation; they are drawn in the background."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.picture: Picture | None = None
        self.label = PictureLabel(TIP)
        self.window_of_picture = PictureWindow(self, "Held-out images", "predictions.png")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.label)
        column.addStretch(1)
        self._drawing = LatestCall(self)
        self._drawing.returned.connect(self._on_drawn)
        self.label.clicked.connect(self.enlarge)

    def clear(self) -> None:
        """Show nothing."""
        self._drawing.cancel()
        self.picture = None

    def show_examples(self, examples: Sequence[Example], classes: Sequence[LabelClass]) -> None:
        """Draw examples instead of earlier ones."""
        self._drawing.submit(partial(draw, examples, {c.value: c.color for c in classes}))

    def enlarge(self) -> None:
        """Show the picture in a window."""
        if self.picture is not None:
            self.window_of_picture.show_picture(self.picture)

    def _on_drawn(self, picture: Picture) -> None:
        self.picture = picture
        self.changed.emit()
        self.label.show_picture(picture)
        if self.window_of_picture.isVisible():
            self.enlarge()


def draw(examples: Sequence[Example], colors: Mapping[int, str]) -> Picture:
    """A row for each example: image, labels, prediction."""
    return grid([_row(example, colors) for example in examples])


def _row(example: Example, colors: Mapping[int, str]) -> list[tuple[str, Picture]]:
    of_objects = {} if example.objects else colors
    overlays = [
        Overlay(values, of_objects, example.objects)
        for values in (example.labels, example.prediction)
    ]
    pictures = pictures_of(example.image, overlays, within=example.mask)
    return list(zip((example.image.name, "labels", "prediction"), pictures, strict=True))
