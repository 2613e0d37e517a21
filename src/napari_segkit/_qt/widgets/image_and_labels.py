"""The choice of an image and of the labels painted on it."""

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.layers.layer_classes import can_erase, free_value, write_classes
from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.result_layers import new_labels
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import LabelClass, default_color

from . import python_snippets
from .axes_choice import AxesChoice
from .layer_choice import LayerChoice, is_prediction, is_superpixels, is_truth

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

FIRST_CLASSES = ("object", "background")
OBJECTS = "uint16"  # as many numbers as a person paints
UNANNOTATED = 255  # no object gets the number that often means "not annotated"
NEXT = "<p>Take the brush for an object that is not painted yet.</p>"


class ImageAndLabels(QObject):
    """Image, its axes, its labels, and a button that makes new labels; a dock lays them out.

    Parameters
    ----------
    session : Session
        Whose viewer's layers are offered.
    parent : QObject, optional
        Owner of this object; the widgets belong to whoever lays them out.

    Attributes
    ----------
    changed : Signal()
        Another layer or other axes are chosen.
    painted : Signal()
        The labels hold, or may hold, other pixels.
    labels_made : Signal()
        New labels were added and chosen.
    next_button : QPushButton
        Takes the brush for another object.
    """

    changed = Signal()
    painted = Signal()
    labels_made = Signal()

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._of_objects = False
        self.image = LayerChoice(session.viewer, "image")
        self.labels = LayerChoice(session.viewer, "labels", rank=_as_labels)
        self.axes = AxesChoice()
        self.new_button = QPushButton("New labels for this image")
        self.next_button = QPushButton("Next object")
        self.next_button.setToolTip(NEXT)
        self._watch = LayerWatcher(session.viewer, self)
        self._choose_visible()
        self._on_layers()
        self.image.layer_changed.connect(self._on_layers)
        self.labels.layer_changed.connect(self._on_layers)
        self.axes.currentIndexChanged.connect(self._on_axes)
        self.new_button.clicked.connect(self.make_labels)
        self.next_button.clicked.connect(self.take_brush)
        self._watch.painted.connect(self.painted)
        self._watch.redrawn.connect(self.painted)

    @property
    def layers(self) -> tuple[Any, Any, str | None]:
        """Image layer and Labels layer, None where there is none, and the axes on screen."""
        return self.image.current_layer(), self.labels.current_layer(), self.axes.resolved()

    def missing(self) -> str | None:
        """Which layer is missing and where it comes from, in words."""
        image, labels, _ = self.layers
        if image is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        if self.axes.problem is not None:
            return self.axes.problem
        if labels is None:
            return "No Labels layer chosen: press New labels for this image, then paint."
        return None

    def code(self) -> str:
        """Both layers as Python finds them."""
        return ", ".join(map(python_snippets.layer, self.layers[:2]))

    def make_labels(self) -> None:
        """Add an empty Labels layer that fits the image, with two classes to paint or none."""
        layer = new_labels(self._session.viewer, self.image.current_layer(), self.axes.resolved())
        if self._of_objects:
            layer.data = layer.data.astype(OBJECTS)
        else:
            named = enumerate(FIRST_CLASSES, 1)
            write_classes(layer, [LabelClass(v, name, default_color(v)) for v, name in named])
        self.labels.set_layer(layer)
        self.labels_made.emit()

    def expect(self, *, objects: bool) -> None:
        """Say whether labels are numbers of objects, or classes."""
        self._of_objects = objects
        self.next_button.setVisible(objects)

    def take_brush(self) -> None:
        """Take the brush for an object that is not painted yet."""
        layer = self.labels.current_layer()
        layer.selected_label = free_value(layer, (), UNANNOTATED)
        layer.mode = "paint"
        self._session.viewer.layers.selection.active = layer

    def _choose_visible(self) -> None:
        """Labels that are shown come before hidden ones, such as a truth."""
        layers = self._session.viewer.layers
        shown = [x for x in layers if isinstance(x, Labels) and x.visible]
        training_labels = [x for x in shown if _as_labels(x) is not None]
        if training_labels:
            self.labels.suggest(training_labels[-1])

    def _on_layers(self) -> None:
        image, labels, _ = self.layers
        shape = None if labels is None else full_resolution(labels).shape
        self.axes.set_image(image, labels_shape=shape)
        self._watch.watch(labels)
        self.next_button.setEnabled(labels is not None and can_erase(labels))
        self._on_axes()

    def _on_axes(self) -> None:
        image, _, axes = self.layers
        if image is not None:
            self._session.set_axes(image, axes)
        known = axes is not None
        self.new_button.setEnabled(known)
        self.new_button.setToolTip("" if known else self.axes.problem or "No Image layer.")
        self.changed.emit()


def _as_labels(layer: Any) -> int | None:
    """What was made, or a truth to measure it with, is learned only where it is chosen."""
    others = (is_prediction, is_truth, is_superpixels)
    return None if any(other(layer) for other in others) else 0
