"""Choice of an image and its labels."""

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.layers.layer_classes import can_erase, free_value, write_classes
from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.result_layers import new_labels
from napari_segkit._qt.session.session import Session
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.images.geometry import apart

from . import python_snippets
from .axes_choice import AxesChoice
from .layer_choice import LayerChoice, is_prediction, is_superpixels, is_truth
from .place_note import PlaceNote

FIRST_CLASSES = ("object", "background")
INSTANCE_DTYPE = "uint16"  # enough ids for painting by hand
RESERVED_ID = 255  # often means "not annotated"
NEW_LABELS = "<p>Add an empty Labels layer to paint on, aligned with the image.</p>"
NEXT_OBJECT = "<p>Paint another object: selects the next unused id and the brush.</p>"


class ImageAndLabels(QObject):
    """Controls for image, axes and labels, to be laid out by a dock."""

    changed = Signal()  # other layers or axes
    painted = Signal()  # pixels of the labels have, or may have, changed
    labels_created = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._are_objects = False
        self.image = LayerChoice(session.viewer, "image")
        self.labels = LayerChoice(session.viewer, "labels", rank=_training_rank)
        self.axes = AxesChoice()
        self.new_button = QPushButton("New labels for this image")
        self.place = PlaceNote(self._apart)
        self.next_button = QPushButton("Next object", toolTip=NEXT_OBJECT)
        self._watch = LayerWatcher(session.viewer, self)
        self._choose_visible()
        self._on_layers()
        self.image.changed.connect(self._on_layers)
        self.labels.changed.connect(self._on_layers)
        self.axes.changed.connect(self._on_axes)
        self.new_button.clicked.connect(self.make_labels)
        self.next_button.clicked.connect(self.paint_next_object)
        self._watch.painted.connect(self.painted)
        self._watch.redrawn.connect(self.painted)

    @property
    def layers(self) -> tuple[Image | None, Labels | None, str | None]:
        """Image layer, Labels layer (None if missing) and resolved axes."""
        return self.image.value, self.labels.value, self.axes.resolved()

    def missing(self) -> str | None:
        """What is missing and how to get it; None if nothing is."""
        image, labels, _ = self.layers
        if image is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        if self.axes.problem is not None:
            return self.axes.problem
        if labels is None:
            return "No Labels layer chosen: press New labels for this image, then paint."
        return None

    def code(self) -> str:
        """Python expressions for both layers."""
        return ", ".join(map(python_snippets.layer, self.layers[:2]))

    def make_labels(self) -> None:
        """Add and choose an empty Labels layer: with two classes, or uint16 for instance ids."""
        layer = new_labels(self._session.viewer, self.image.value, self.axes.resolved())
        if self._are_objects:
            layer.data = layer.data.astype(INSTANCE_DTYPE)
        else:
            names = enumerate(FIRST_CLASSES, 1)
            write_classes(layer, [LabelClass(v, name, default_color(v)) for v, name in names])
        self.labels.value = layer
        self.labels_created.emit()

    def set_label_kind(self, *, objects: bool) -> None:
        """Set whether labels are instance ids (objects) or classes."""
        self._are_objects = objects
        self.next_button.setVisible(objects)

    def paint_next_object(self) -> None:
        """Take the brush with an unused instance id."""
        layer = self.labels.value
        if layer is not None:
            layer.selected_label = free_value(layer, (), RESERVED_ID)
            layer.mode = "paint"
            self._session.viewer.layers.selection.active = layer

    def _choose_visible(self) -> None:
        """Prefer visible labels to hidden ones, such as a truth."""
        layers = self._session.viewer.layers
        visible = [x for x in layers if isinstance(x, Labels) and x.visible]
        training_labels = [x for x in visible if _training_rank(x) is not None]
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
        image, labels, axes = self.layers
        self.place.follow(image, labels)
        if image is not None:
            self._session.set_axes(image, axes)
        has_axes = axes is not None
        self.new_button.setEnabled(has_axes)
        problem = self.axes.problem or "No Image layer."
        self.new_button.setToolTip(NEW_LABELS if has_axes else problem)
        self.changed.emit()

    def _apart(self) -> str | None:
        image, labels, axes = self.layers
        return apart(image, labels, axes)


def _training_rank(layer: Layer) -> int | None:
    """Rank for `LayerChoice`: results, truths and superpixels are no default training labels."""
    excluded = is_prediction(layer) or is_truth(layer) or is_superpixels(layer)
    return None if excluded else 0
