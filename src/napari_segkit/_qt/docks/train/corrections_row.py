"""Buttons of the Train dock that turn predictions into labels, and how predictions are shown."""

from collections.abc import Callable
from functools import partial

from napari.layers import Image, Labels, Shapes
from qtpy.compat import isalive
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.belonging import rank_of
from napari_segkit._qt.layers.layer_classes import can_erase, read_classes
from napari_segkit._qt.layers.layer_watcher import Listener
from napari_segkit._qt.layers.prediction_look import choose_look, predictions_in, remembered_look
from napari_segkit._qt.layers.shown_predictions import KEY
from napari_segkit._qt.layers.snapshots import placement
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.layers.view_region import shown_slice
from napari_segkit._qt.session.corrections import CLASS_KINDS, OBJECTS, Corrections
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.task import Task
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
from napari_segkit._qt.widgets.label_semantics import LabelOptions
from napari_segkit.images.layer_metadata import LayerMetadata

from .annotation_panel import AnnotationPanel

USE, ACCEPT = "Use corrections", "Accept inside shapes"
USE_TIP = (
    "<p>Paint on the prediction where it is wrong, then press: what was painted becomes labels, "
    "and the prediction shows again what was predicted. Undo takes it back.</p>"
)
ACCEPT_TIP = (
    "<p>Draw around what is predicted rightly, then press: inside the shapes the prediction "
    "becomes labels where nothing is labelled. Without shapes it gives you the lasso. Undo takes "
    "it back.</p>"
)
LOOK_TIP = (
    f"<p>How predictions are drawn, below the labels; the key {KEY} hides and shows them. Layers "
    "whose opacity or contour you changed stay as they are.</p>"
)
SLICES_TIP = "<p>Where the buttons take labels from: everywhere, or the slice on the canvas.</p>"
LOOKS = [("Prediction filled", "filled"), ("Prediction as contours", "contours")]
SLICES = [("All slices", False), ("This slice", True)]
NO_IMAGE = "Choose an image and its labels first."
NO_PREDICTION = "Predict the image first."
BY_COMPONENT = "These are class labels, the predictions of objects have ids: choose Instance ids."
NOT_EDITABLE = "These labels cannot be painted on: they are not in memory, or painting is off."
ALL_LABELLED = (
    "Unlabelled is none, so every pixel is labelled: choose the value of those that are not."
)
NOTHING_PAINTED = (
    "Nothing to take from {}: paint on it where it is wrong. What is erased there says no class."
)
NOTHING_INSIDE = "Nothing to take inside the shapes: all is labelled there, or not predicted."
DRAW = "Draw around what is right, then press again."
ACCEPTED = "accepted"  # kind of the layer that the lasso draws in


class CorrectionsRow(QWidget):
    """Takes labels from the prediction of the dock's image."""

    def __init__(
        self,
        session: Session,
        data: ImageAndLabels,
        panel: AnnotationPanel,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._data, self._panel = session, data, panel
        self.use = QPushButton(USE)
        self.accept = QPushButton(ACCEPT)
        self.look = Choice(LOOKS, tooltip=LOOK_TIP)
        self.look.suggest(remembered_look())
        self.slices = Choice(SLICES, tooltip=SLICES_TIP)
        self.text = Note()
        stack(self, (self.use, self.accept), (self.look.native, self.slices.native), self.text)
        self.use.clicked.connect(self.use_corrections)
        self.accept.clicked.connect(self.accept_inside)
        self.look.changed.connect(lambda name: choose_look(session.viewer, name))
        data.changed.connect(self.update_state)
        panel.changed.connect(self.update_state)
        self._layers = unwrapped(session.viewer).layers
        events = self._layers.events
        self._events = Listener(self, self.update_state)
        self._events.listen([events.inserted, events.removed, self._layers.selection.events.active])
        self.update_state()

    def use_corrections(self) -> None:
        """Turn what was painted on the prediction into labels."""
        prediction = self._prediction(self._session.no_corrections)
        labels = self._data.labels.value
        if prediction is None or labels is None:
            return
        self._start(
            partial(
                self._session.use_corrections,
                prediction,
                labels,
                unlabelled=self._unlabelled,
                region=self._slice(labels),
            ),
            partial(self._on_used, labels, NOTHING_PAINTED.format(prediction.name)),
        )

    def accept_inside(self) -> None:
        """Turn the prediction inside shapes into labels, or offer the lasso to draw some."""
        prediction = self._prediction(self._session.not_acceptable)
        labels, shapes = self._data.labels.value, self._shapes
        if prediction is None or labels is None:
            return
        if shapes is None or not len(shapes.data):
            self._draw(shapes, labels)
            return
        self._start(
            partial(
                self._session.accept_inside,
                shapes,
                prediction,
                labels,
                unlabelled=self._unlabelled,
                region=self._slice(labels),
            ),
            partial(self._on_accepted, labels, shapes),
        )

    def update_state(self, *_: object) -> None:
        """Say what can be taken, and why not."""
        if not isalive(self):
            return
        labels = self._data.labels.value
        no_use = self._problem(self._session.no_corrections)
        no_accept = self._problem(self._session.not_acceptable)
        if no_accept is None and self._unlabelled is None and not self._finds_objects:
            no_accept = ALL_LABELLED
        self.use.setEnabled(no_use is None)
        self.use.setToolTip(no_use or USE_TIP)
        self.accept.setEnabled(no_accept is None)
        self.accept.setToolTip(no_accept or ACCEPT_TIP)
        self.slices.native.setVisible(labels is not None and labels.ndim > 2)

    @property
    def _semantics(self) -> LabelOptions:
        return self._panel.label_stats.semantics.value

    @property
    def _unlabelled(self) -> int | None:
        return self._semantics["unlabelled"]

    @property
    def _finds_objects(self) -> bool:
        return self._panel.annotation.active

    def _prediction(self, problem: Callable[[Labels], str | None]) -> Labels | None:
        """The image's prediction that is selected, or its topmost that can be seen, or any.

        Those without a problem come first.
        """
        image, active = self._data.image.value, self._layers.selection.active
        found = [x for x in predictions_in(self._session.viewer) if self._is_own(x, image)]
        order = sorted(found, key=lambda x: (x is not active, not x.visible))
        suitable = (x for x in order if problem(x) is None)
        return next(suitable, order[0] if order else None)

    @property
    def _shapes(self) -> Shapes | None:
        """The selected Shapes layer, or the one that was made here."""
        labels, active = self._data.labels.value, self._layers.selection.active
        if isinstance(active, Shapes):
            return active
        shapes = (x for x in self._layers if isinstance(x, Shapes))
        return next((x for x in shapes if _is_lasso(x, labels)), None)

    def _is_own(self, prediction: Labels, image: Image | None) -> bool:
        kinds = (OBJECTS,) if self._finds_objects else CLASS_KINDS
        if image is None or LayerMetadata.of(prediction).kind not in kinds:
            return False
        if LayerMetadata.of(prediction).kind == "preview":
            return LayerMetadata.of(prediction).source == str(image.unique_id)
        return rank_of(self._session, prediction, image) is not None

    def _problem(self, problem: Callable[[Labels], str | None]) -> str | None:
        """Why nothing can be taken from a prediction, None if something may be."""
        image, labels, _ = self._data.layers
        if image is None or labels is None:
            return NO_IMAGE
        if self._finds_objects and self._semantics["labels_are"] == "classes":
            return BY_COMPONENT
        if not can_erase(labels):
            return NOT_EDITABLE
        prediction = self._prediction(problem)
        return NO_PREDICTION if prediction is None else problem(prediction)

    def _slice(self, labels: Labels) -> tuple[int | slice, ...] | None:
        """The slice on the canvas, if only that is asked for."""
        return shown_slice(self._session.viewer, labels) if self.slices.value else None

    def _start(self, call: Callable[[], Task], slot: Callable[[Corrections], object]) -> None:
        """Start to take labels, and say what keeps it from that."""
        try:
            task = call()
        except ValueError as error:
            self._on_error(error)
            return
        self.text.setText("")
        task.returned.connect(slot)
        task.errored.connect(self._on_error)

    def _on_used(self, labels: Labels, nothing: str, done: Corrections) -> None:
        self._say(_taken(done, labels, ids=self._finds_objects) if done.pixels else nothing)

    def _on_accepted(self, labels: Labels, shapes: Shapes, done: Corrections) -> None:
        if done.pixels and _is_lasso(shapes, labels):
            shapes.data = []  # else what is erased would be accepted again with the next shape
        self._say(_taken(done, labels, ids=self._finds_objects) if done.pixels else NOTHING_INSIDE)

    def _on_error(self, error: BaseException) -> None:
        self._say(error_text(error, "Taking labels from the prediction"))

    def _say(self, text: str) -> None:
        if isalive(self):
            self.text.setText(text)

    def _draw(self, shapes: Shapes | None, labels: Labels) -> None:
        """Give the lasso, in a layer over the labels."""
        if shapes is None:
            source = LayerMetadata(ACCEPTED, str(labels.unique_id))
            shapes = self._session.viewer.add_shapes(
                ndim=labels.ndim,
                name=f"{labels.name}: accept",
                face_color="transparent",
                edge_color="white",
                edge_width=1,
                metadata=source.as_metadata(),
                **placement(labels),
            )
        self._layers.selection.active = shapes
        shapes.mode = "add_polygon_lasso"
        self.text.setText(DRAW)


def _is_lasso(shapes: Shapes, labels: Labels | None) -> bool:
    """Whether a layer was made here to draw around parts of the prediction."""
    record = LayerMetadata.of(shapes)
    own = labels is not None and record.source == str(labels.unique_id)
    return own and record.kind == ACCEPTED


def _taken(done: Corrections, labels: Labels, *, ids: bool) -> str:
    """How many pixels became labels, of which classes or of how many objects."""
    if ids:
        count = len(set(done.values) - {0})
        names = "1 object" if count == 1 else f"{count} objects"
    else:
        classes = read_classes(labels, done.values)
        names = ", ".join(c.name for c in classes if c.value in done.values)
    pixels = "1 pixel is a label" if done.pixels == 1 else f"{done.pixels:,} pixels are labels"
    return f"{pixels} now: {names}. Undo in {labels.name} takes it back."
