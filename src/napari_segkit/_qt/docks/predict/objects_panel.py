"""The part of the Predict dock that is about objects: which are kept, and what is made of them."""

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit._qt.layers.box_layers import boxes_of, write_boxes
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.predict_job import MEASURED, FilteredObjects, keep, rewrite
from napari_segkit._qt.widgets.dock import problem_of
from napari_segkit._qt.widgets.forms import Form, Section
from napari_segkit.config import ObjectConfig
from napari_segkit.models import kind_of, model_info

from .class_masks import ClassMasks
from .object_actions import ObjectActions

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segkit._qt.session.session import Session
    from napari_segkit.instances.results import Objects
    from napari_segkit.segmenter import Segmenter

WAIT_MS = 250  # a number is still being changed
FOLLOW = 500  # so many boxes are redrawn at once


class ObjectsPanel(QWidget):
    """Thresholds for objects, and buttons for boxes, figures and masks of the last ones.

    Parameters
    ----------
    session : Session
        Whose last prediction of objects it is about.

    Attributes
    ----------
    changed : Signal()
        Other thresholds are set.
    said : Signal(str)
        A sentence about what has happened.
    written : Signal(object)
        A Labels layer shows something new.
    """

    changed = Signal()
    said = Signal(str)
    written = Signal(object)

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self.session = session
        self.form = Form(ObjectConfig)
        self.buttons = ObjectActions(session, self.current_layer)
        self.masks = ClassMasks(session)
        self._layer: Callable[[], Any] = _nothing
        self._shown: Callable[[], Any] = _nothing
        self._asked = ObjectConfig()
        self._chooser = LatestCall(self, wait_ms=WAIT_MS)
        self._lay_out()
        self._connect()
        self._find()

    @property
    def layer(self) -> Any:
        """The Labels layer of the last objects; None where it is gone."""
        return self.current_layer()

    def current_layer(self) -> Any:
        """Give `layer`, for those who ask later."""
        viewer, layer = self.session.viewer, self._layer()
        return layer if viewer is not None and layer in viewer.layers else None

    @property
    def objects(self) -> "Objects | None":
        """The last objects."""
        return None if self.layer is None else self.session.objects_of(self.layer)

    @property
    def problem(self) -> str | None:
        """Why the thresholds do not go together, in words; None where they do."""
        return problem_of(self.form.value)

    def config(self) -> ObjectConfig:
        """What is to be kept, for a prediction that begins now."""
        self._asked = self.form.value()
        return self._asked

    def set_segmenter(self, segmenter: "Segmenter") -> None:
        """Disable the thresholds that mean nothing to a model."""
        reasons = {}
        if kind_given(segmenter) == "objects":
            reasons["mask_threshold"] = "Only objects of Mask R-CNN and SOLO have soft masks."
        if _volumes(segmenter):
            reasons["link"] = "This model sees whole volumes: there are no slices to link."
        self.form.grey_out(reasons, " ".join(reasons.values()))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form)
        column.addWidget(self.buttons)
        column.addWidget(Section("Masks of classes", self.masks))

    def _connect(self) -> None:
        self.form.changed.connect(self._on_form)
        self.buttons.said.connect(self.said)
        self.masks.written.connect(self._on_masks)
        self.masks.errored.connect(self._on_error)
        self.session.objects_changed.connect(self._on_objects)
        self.session.viewer.layers.events.removed.connect(self._update_state)
        self._chooser.returned.connect(self._on_kept)
        self._chooser.errored.connect(self._on_error)

    def _find(self) -> None:
        """Take up where another dock has left off."""
        layers, objects_of = self.session.viewer.layers, self.session.objects_of
        with_objects = [layer for layer in layers if objects_of(layer) is not None]
        if with_objects:
            self._take(with_objects[-1])
        self._update_state()

    def _take(self, layer: Any) -> None:
        """Be about this layer; thresholds set since they were asked for count on."""
        objects = self.session.objects_of(layer)
        if objects is None:
            return
        self._layer, self._shown = weakref.ref(layer), weakref.ref(objects)
        if objects.config != self._asked or self.problem:  # another dock, or the console
            blocked = self.form.blockSignals(True)
            self.form.set_value(objects.config)
            self.form.blockSignals(blocked)
            self._asked = objects.config
            self.changed.emit()
        self._update_state()

    def _on_objects(self, layer: Any) -> None:
        if self._shown() is not self.session.objects_of(layer):
            self._take(layer)
            self._choose()

    def _on_form(self) -> None:
        self.changed.emit()
        if self.problem or self.objects is None:
            self._chooser.forget()
            return
        if self.form.value() != self.objects.config:
            self.said.emit("Choosing the objects …")
        self._choose()

    def _choose(self) -> None:
        """Choose anew among what was found, and count, in the background."""
        if self.objects is None:
            return
        measured = MEASURED in self.layer.features
        self._chooser.ask(keep, self.objects, self.form.value(), measured=measured)

    def _on_kept(self, kept: FilteredObjects) -> None:
        layer = self.layer
        if layer is None or self.objects is not kept.before:
            return
        boxes = boxes_of(self.session.viewer, layer)
        self._asked, self._shown = kept.objects.config, weakref.ref(kept.objects)
        if kept.objects is not kept.before:
            layer = rewrite(self.session, layer, kept)
            self._layer = weakref.ref(layer)
            self._update_state()
            self.written.emit(layer)
        text = f"{kept} in the layer {layer.name!r}."
        if boxes is not None and len(kept.table) > FOLLOW:
            text += " The boxes are those of before: press Boxes."
        elif boxes is not None:
            write_boxes(self.session.viewer, layer, kept.objects)
        self.said.emit(text)

    def _on_error(self, error: Exception) -> None:
        self.said.emit(str(error) or type(error).__name__)

    def _on_masks(self, layer: Any) -> None:
        self.said.emit(f"Written to the layer {layer.name!r}.")
        self.written.emit(layer)

    def _update_state(self) -> None:
        if not isalive(self):
            return
        layer = self.layer
        self.buttons.setEnabled(layer is not None)
        self.masks.set_objects(None if layer is None else self._layer, self.objects)


def kind_given(segmenter: "Segmenter") -> str:
    """What a segmenter gives: "semantic", "objects", "instance" or "panoptic"."""
    trained = segmenter.trained
    return trained.kind if trained else kind_of(segmenter.spec)


def _volumes(segmenter: "Segmenter") -> bool:
    """Whether it sees whole volumes, as far as is known before training."""
    if segmenter.trained:
        return segmenter.trained.ndim == 3
    return model_info(segmenter.spec.name).dims == (3,) or segmenter.spec.dims == "3D"


def _nothing() -> None:
    """A reference to nothing."""
