"""Pictures of a few held-out images: image, labels, prediction."""

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.picture import PictureLabel, PictureWindow
from napari_segkit.images.pictures import Picture
from napari_segkit.steps import Step
from napari_segkit.training.commands import Snapshot
from napari_segkit.training.events import SnapshotStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segkit.trained_model import TrainedModel
    from napari_segkit.training.held_out import HeldOutImage

TITLE = "Held-out images"
TIP = "<p>What is held out: image, labels, prediction. Click to see it larger, and to save it.</p>"
MIN_WAIT = 10  # seconds between pictures
SHARE = 0.05  # of the time of a training that its pictures may take


class PredictionPictures(QWidget):
    """Predicts what is held out with the model of the session, or of the running training."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.picture: Picture | None = None
        self.label = PictureLabel(TIP)
        self.window_of_picture = PictureWindow(self, TITLE, "predictions.png")
        self._session = session
        self._asked, self._wait = 0.0, 0.0
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
        self.picture, self._wait = None, 0.0
        self.changed.emit()

    def request(self) -> None:
        """Ask the running training for its model, if it is time for another picture."""
        task = self._session.task
        is_due = monotonic() - self._asked >= self._wait and not self._drawing.is_busy
        if task is not None and is_due and self._images():
            self._asked, self._wait = monotonic(), float("inf")
            task.answered.connect(self._on_answered)
            task.send(Snapshot())

    def draw(self, model: "TrainedModel") -> None:
        """Predict with a model in the background."""
        if images := self._images():
            device = self._session.segmenter.device
            self._drawing.submit(partial(_draw, model, images, device))

    def enlarge(self) -> None:
        """Show the picture in a window."""
        if self.picture is not None:
            self.window_of_picture.show_picture(self.picture)

    def _images(self) -> "Sequence[HeldOutImage]":
        held_out = self._session.segmenter.held_out
        return () if held_out is None else held_out.images

    def _on_answered(self, step: Step) -> None:
        if isinstance(step, SnapshotStep):
            self.sender().answered.disconnect(self._on_answered)
            self.draw(step.model)

    def _on_drawn(self, picture: Picture) -> None:
        self._wait = max(MIN_WAIT, (monotonic() - self._asked) / SHARE)
        self.picture = picture
        self.changed.emit()
        self.label.show_picture(picture)
        if self.window_of_picture.isVisible():
            self.enlarge()


def _draw(model: "TrainedModel", images: "Sequence[HeldOutImage]", device: str) -> Picture:
    from napari_segkit.jobs.held_out_pictures import picture_of_predictions  # imports torch

    return picture_of_predictions(model, images, device)
