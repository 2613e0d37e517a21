"""Buttons that show what a training would read: random pairs, and changed patches."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.picture import PictureWindow
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.pictures import Picture
from napari_segkit.jobs.pair_pictures import picture_of_set
from napari_segkit.models import predicts_objects
from napari_segkit.training_set import TrainingSet

PAIRS = "Show random pairs"
PAIRS_TIP = "<p>Random images with their labels over them, to see whether they belong together.</p>"
PREVIEW = "Preview augmentation"
PREVIEW_TIP = "<p>A patch with its labels as it is, and as training would change it.</p>"

Data = tuple[TrainingSet, TrainConfig, ModelSpec, str | None]  # the last: axes


class PictureButton(QWidget):
    """A button that draws a picture in the background and shows it in a window.

    `data()` copies what is needed of the dock; ValueError if it is not complete.
    """

    def __init__(
        self,
        text: str,
        tooltip: str,
        file: str,
        data: Callable[[], Data],
        draw: Callable[..., Picture],
    ) -> None:
        super().__init__()
        self._text, self._data, self._draw = text, data, draw
        self._seed = 0
        self.button = QPushButton(text, toolTip=tooltip)
        self.note = Note()
        self.window_of_picture = PictureWindow(self, text, file)
        self._drawing = LatestCall(self)
        stack(self, self.button, self.note)
        self.button.clicked.connect(self.draw)
        self._drawing.returned.connect(self._on_drawn)
        self._drawing.errored.connect(self._on_error)

    def draw(self) -> None:
        """Draw the picture, each time with other random numbers."""
        try:
            training_set, config, spec, axes = self._data()
        except ValueError as error:
            self.note.setText(str(error))
            return
        config = replace(config, seed=self._seed)
        self._seed += 1
        self.note.setText("Drawing …")
        self._drawing.submit(partial(self._draw, training_set, config, spec, axes))

    def _on_drawn(self, picture: Picture) -> None:
        self.note.setText("")
        self.window_of_picture.show_picture(picture)

    def _on_error(self, error: BaseException) -> None:
        self.note.setText(error_text(error, self._text))


def pairs_button(data: Callable[[], Data]) -> PictureButton:
    """Shows random pairs of image and labels."""
    return PictureButton(PAIRS, PAIRS_TIP, "pairs.png", data, _draw_pairs)


def augmentation_button(data: Callable[[], Data]) -> PictureButton:
    """Shows a patch as augmentation changes it."""
    return PictureButton(PREVIEW, PREVIEW_TIP, "augmentation.png", data, _draw_augmentation)


def _draw_pairs(
    training_set: TrainingSet, config: TrainConfig, spec: ModelSpec, axes: str | None
) -> Picture:
    return picture_of_set(training_set, config, axes, objects=predicts_objects(spec))


def _draw_augmentation(
    training_set: TrainingSet, config: TrainConfig, spec: ModelSpec, axes: str | None
) -> Picture:
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.jobs.augment_picture import picture_of_augmentation

    return picture_of_augmentation(training_set, config, spec, axes)
