"""Buttons that move the view to where labels would help most, and show how sure the model is."""

from collections.abc import Callable, Generator, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.layer_watcher import Listener
from napari_segkit._qt.layers.move_view import show_box
from napari_segkit._qt.layers.snapshots import Snapshot, at_level, snapshot
from napari_segkit._qt.layers.uncertainty_layers import (
    has_uncertain_view,
    remove_uncertain_view,
    show_uncertain_view,
)
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.layers.view_region import view_region
from napari_segkit._qt.session.background import call_once
from napari_segkit._qt.session.runner import leave_a_core
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.task import Task
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
from napari_segkit._qt.widgets.single_click_button import SingleClickButton
from napari_segkit.images.axes_image import as_image, full_resolution, without_pixels
from napari_segkit.images.levels import level_like
from napari_segkit.images.regions import Box
from napari_segkit.jobs.next_place import Found, Place, place_steps, uncertainty_steps
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Step

from .annotation_panel import AnnotationPanel
from .next_image import NextImage

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

T = TypeVar("T")
Values: TypeAlias = NDArray[np.float32]
NEXT, NEXT_TIP = (
    "Next place",
    "<p>Move the view to the part of the image that has no labels and where the model is least "
    "sure; where it is sure of all, to the next image of the training set. Press again to stop."
    "</p>",
)
UNSURE, UNSURE_TIP = (
    "Uncertainty in view",
    "<p>Show how unsure the model is of what is in view: bright is unsure. Press again to remove "
    "it.</p>",
)
NO_IMAGE = "Choose an image and its labels first."
NO_MODEL = "Train or load a model first."
ALL_LABELLED = "Unlabelled is none, so every pixel has a label already."
STOP = "Stop"
SURE = 0.02  # mean uncertainty of a window below which there is nothing to paint
SURE_TEXT = "The model is sure of all that has no labels in this image."
PARTS = 8  # the window is so many times shorter than the image
SMALLEST = 16  # pixels
MAX_PIXELS = 2**24  # of an image that is predicted for it; of larger ones, what is in view


class NextPlace(QWidget):
    """Says where to paint next in the dock's image, and shows how unsure a model is of the view.

    `model` gives the model that is asked: that of the session, unless a dock sets another.
    """

    def __init__(
        self, session: Session, data: ImageAndLabels, panel: AnnotationPanel, images: NextImage
    ) -> None:
        super().__init__()
        self._session, self._data, self._panel, self._images = session, data, panel, images
        self.model: Callable[[], TrainedModel | None] = lambda: session.segmenter.trained
        self._task: Task | None = None
        self._key: tuple[object, ...] = ()  # what the two below belong to
        self._values: Values | None = None
        self._seen: list[Box] = []
        self._goes_on = False  # to the next image
        self.button = SingleClickButton(NEXT)
        self.unsure = QPushButton(UNSURE, checkable=True)
        self.text = Note()
        stack(self, (self.button, self.unsure), self.text)
        self.button.clicked.connect(self._on_pressed)
        self.unsure.clicked.connect(self.show_uncertainty)
        images.opened.connect(self._on_opened)
        for changed in (data.changed, panel.changed, session.segmenter_changed):
            changed.connect(self.update_state)
        session.busy_changed.connect(self.update_state)
        self._events = Listener(self, self.update_state)
        self._events.listen([unwrapped(session.viewer).layers.events.removed])
        self.update_state()

    def find(self) -> None:
        """Move the view to the next place, in the background."""
        image, labels, axes = self._data.layers
        model, unlabelled = self.model(), self._unlabelled
        if image is None or labels is None or model is None or unlabelled is None:
            return
        level = level_like(image, full_resolution(labels).shape)
        key = image.unique_id, model.identity, axes, level
        if key != self._key:
            self._key, self._values, self._seen = key, None, []
        values = self._values
        if values is not None:
            uncertainty: Generator[Step, Any, Values] = call_once(lambda: values)
        elif (found := self._predict(image, axes, level, model)) is not None:
            uncertainty = found
        else:
            return
        size = window_size(labels.data.shape, self._displayed(labels))
        steps = place_steps(uncertainty, labels.data, unlabelled, size, tuple(self._seen))
        self._start(steps, partial(self._on_found, labels))

    def show_uncertainty(self, shown: bool = True) -> None:
        """Show how unsure the model is of what is in view, or remove that."""
        image, _, axes = self._data.layers
        model, viewer = self.model(), self._session.viewer
        remove_uncertain_view(viewer)
        if not shown or image is None or model is None:
            return
        found = self._predict(image, axes, 0, model, in_view=True)
        if found is not None:
            box = self._view(image, axes, 0)
            steps = _cropped(found, box)
            self._start(steps, partial(self._on_view, snapshot(image), axes, box))

    def update_state(self, *_: object) -> None:
        """Say what can be asked for, and why not."""
        if not isalive(self):
            return
        image, labels = self._data.layers[:2]
        reason = NO_IMAGE if image is None or labels is None else None
        if reason is None and self.model() is None:
            reason = NO_MODEL
        no_place = ALL_LABELLED if reason is None and self._unlabelled is None else reason
        is_busy = self._task is not None
        self.button.setText(STOP if is_busy else NEXT)
        self.button.setEnabled(is_busy or no_place is None)
        self.button.setToolTip(no_place or NEXT_TIP)
        self.unsure.setEnabled(not is_busy and reason is None)
        self.unsure.setToolTip(reason or UNSURE_TIP)
        self.unsure.setChecked(has_uncertain_view(self._session.viewer))

    @property
    def _unlabelled(self) -> int | None:
        return self._panel.label_stats.semantics.value["unlabelled"]

    def _displayed(self, labels: Labels) -> list[int]:
        dims = self._session.viewer.dims
        return [d - dims.ndim + labels.ndim for d in dims.displayed]

    def _view(self, image: Image, axes: str | None, level: int) -> Box:
        """What is in view, along the axes of the labels; ValueError if it is nothing."""
        known = without_pixels(as_image(image, axes, level=level))
        index = view_region(self._session.viewer, image, known)
        sides = [index.get(axis, slice(0, known.length(axis))) for axis in known.label_axes]
        return tuple([s if isinstance(s, slice) else slice(s, s + 1) for s in sides])

    def _predict(
        self,
        image: Image,
        axes: str | None,
        level: int,
        model: "TrainedModel",
        *,
        in_view: bool = False,
    ) -> Generator[Step, object, Values] | None:
        """Predict the uncertainty of an image, or of what is in view; None: that is told."""
        segmenter = Segmenter(model.spec, device=self._session.segmenter.device)
        segmenter.trained = model
        source = at_level(snapshot(image), level)
        try:
            known = without_pixels(as_image(image, axes, level=level))
            whole = not in_view and prod(known.label_shape) <= MAX_PIXELS
            region = None if whole else self._view(image, axes, level)
        except ValueError as error:
            self._on_error(error)
            return None
        return uncertainty_steps(segmenter, source, axes, region, level)

    def _start(self, steps: Generator[Step, object, T], slot: Callable[[T], object]) -> None:
        """Run work beside that of the session."""
        self.text.setText("")
        self._task = task = Task(steps, self, at_start=leave_a_core)
        task.setObjectName("Uncertainty")
        task.yielded.connect(self._on_step)
        task.returned.connect(slot)
        task.errored.connect(self._on_error)
        task.finished.connect(self._on_finished)
        task.start()
        self.update_state()

    def _on_pressed(self) -> None:
        self._goes_on = False
        self.find() if self._task is None else self._task.stop()

    def _on_step(self, step: Step) -> None:
        if step.total > 1:
            self.text.setText(f"Tile {step.done} of {step.total}")

    def _on_found(self, labels: Labels, found: Found) -> None:
        viewer, self._values = self._session.viewer, found.uncertainty
        if labels not in viewer.layers:
            return
        if found.place is not None and found.place.uncertainty >= SURE:
            self._seen.append(found.place.window)
            show_box(viewer, labels, found.place.window)
            viewer.layers.selection.active = labels
            self.text.setText(_described(found.place))
        elif self._images.next.isEnabled():
            self._goes_on = True
            self._images.open_next()
        else:
            self.text.setText(SURE_TEXT)

    def _on_opened(self) -> None:
        """Go on in the image of the training set that was opened for it."""
        if self._goes_on:
            self._goes_on = False
            QTimer.singleShot(0, self.find)  # when the dock has its layers

    def _on_view(self, source: Snapshot, axes: str | None, box: Box, values: Values) -> None:
        labels = self._data.labels.value
        show_uncertain_view(self._session.viewer, source, axes, box, values, labels)

    def _on_error(self, error: BaseException) -> None:
        self.text.setText(error_text(error, "The uncertainty"))

    def _on_finished(self) -> None:
        self._task = None
        if self.text.text().startswith("Tile"):
            self.text.setText("")
        self.update_state()


def window_size(shape: Sequence[int], displayed: Sequence[int]) -> list[int]:
    """Length of the window along each axis: a part of those displayed, one slice of others."""
    shorter = min(shape[d] for d in displayed)
    length = max(SMALLEST, shorter // PARTS)
    return [length if d in displayed else 1 for d in range(len(shape))]


def _cropped(
    uncertainty: Generator[Step, Any, Values], box: Box
) -> Generator[Step, object, Values]:
    """The uncertainty in a box."""
    values = yield from uncertainty
    return values[box].copy()


def _described(place: Place) -> str:
    """Where it is, and how uncertain."""
    at = ", ".join(str((side.start + side.stop) // 2) for side in place.window)
    return f"Mean uncertainty {place.uncertainty:.2f} around pixel ({at}): paint here."
