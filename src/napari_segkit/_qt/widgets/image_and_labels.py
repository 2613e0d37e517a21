"""Choice of an image and its labels."""

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.layers.belonging import fits, rank_of
from napari_segkit._qt.layers.layer_classes import can_erase, free_value, write_classes
from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.result_layers import new_labels
from napari_segkit._qt.session.session import Session
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.images.geometry import apart

from . import python_snippets
from .axes_choice import AxesChoice
from .following import follow_image
from .layer_choice import LayerChoice, is_prediction, is_superpixels, is_truth
from .place_note import PlaceNote

FIRST_CLASSES = ("object", "background")
INSTANCE_DTYPE = "uint16"  # enough ids for painting by hand
RESERVED_ID = 255  # often means "not annotated"
NEW_LABELS = "<p>Add an empty Labels layer to paint on, aligned with the image.</p>"
NEXT_OBJECT = "<p>Paint another object: selects the next unused id and the brush.</p>"


def first_classes() -> list[LabelClass]:
    """The classes of new labels."""
    return [LabelClass(v, name, default_color(v)) for v, name in enumerate(FIRST_CLASSES, 1)]


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
        self.axes = AxesChoice(session.chosen_axes)
        self.labels = LayerChoice(session.viewer, "labels", rank=self._rank)
        self.follower = follow_image(session, self.image)
        self.other_roles: tuple[LayerChoice, ...] = ()  # of Labels layers, in the same dock
        self.new_button = QPushButton("New labels for this image")
        self.place = PlaceNote(self._apart)
        self.next_button = QPushButton("Next object", toolTip=NEXT_OBJECT)
        self._watch = LayerWatcher(session.viewer, self)
        self.follower.follow()
        self._choose_visible()
        self._on_layers()
        self.image.changed.connect(self._on_image)
        self.follower.followed.connect(self._on_selected)
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
            return (
                f"No Labels layer chosen for {image.name}: press New labels for this image, then "
                "paint, or choose its labels."
            )
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
            write_classes(layer, first_classes())
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
        visible = (x for x in self.labels.choices if x is not None and x.visible)
        ranks = {x: rank for x in visible if (rank := self._rank(x)) is not None}
        if ranks:
            self.labels.suggest(min(ranks, key=lambda x: ranks[x]))

    def _rank(self, layer: Layer) -> int | None:
        """Rank for `LayerChoice`: labels that belong to the image; no results and truths."""
        image = self.image.value
        if is_prediction(layer) or is_truth(layer) or is_superpixels(layer):
            return None
        return 0 if image is None else rank_of(self._session, layer, image, axes=self.axes.value)

    def _on_image(self) -> None:
        """Choose the labels of the image: those chosen for it before, or that belong to it."""
        image = self.image.value
        self.axes.set_image(image)
        before = self.labels.value
        last = None if image is None else self._session.last_labels_of(image)
        if last is not None and last in self.labels.choices:
            self.labels.suggest(last)
        else:
            self.labels.by_hand = False
            self.labels.choose_default()
        if self.labels.value is before:  # else they have changed, which is followed
            self._on_layers()

    def _on_selected(self, layer: Layer) -> None:
        """Choose selected labels if they belong to the image and have no other role."""
        is_other = any(layer is choice.value for choice in self.other_roles)
        is_new = self.follower.is_just_added(layer) and self.labels.value is not None
        if is_other or is_new or layer not in self.labels.choices:
            return
        if self._rank(layer) is not None:
            self.labels.suggest(layer)

    def _on_layers(self) -> None:
        image, labels, _ = self.layers
        if image is not None and labels is not None and fits(labels, image, self.axes.value):
            self._session.choose_labels(labels, image)
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
