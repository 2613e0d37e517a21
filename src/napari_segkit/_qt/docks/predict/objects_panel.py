"""Panel of the Predict dock that filters objects and writes boxes, measurements and masks."""

import weakref
from dataclasses import replace
from functools import partial

from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.layers.box_layers import find_boxes, write_boxes
from napari_segkit._qt.layers.result_layers import LayerWriter
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import stack
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.section import Section
from napari_segkit.config import ObjectConfig
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.instances.results import Objects
from napari_segkit.jobs.predict import ObjectSelection, select_objects
from napari_segkit.label_result import LabelResult
from napari_segkit.models import KINDS, Kind, kind_of, model_info
from napari_segkit.segmenter import Segmenter

from .class_masks import MASKS, MASKS_TIP, ClassMasks
from .object_actions import ObjectActions

MEASURED = "extent"  # a column only of `Objects.measured`
DEBOUNCE_MS = 250  # wait for further edits of a number
MAX_LIVE_BOXES = 500  # redraw boxes automatically up to this number


class ObjectsPanel(QWidget):
    """Object thresholds, and actions for the objects of the last prediction."""

    changed = Signal()  # thresholds
    message = Signal(str)
    written = Signal(object)  # the Labels layer

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.form = Form(ObjectConfig)
        self.buttons = ObjectActions(session, lambda: self.layer)
        self.masks = ClassMasks(session)
        self._layer_ref: weakref.ref[Labels] | None = None
        self._objects_ref: weakref.ref[Objects] | None = None
        self._requested = ObjectConfig()
        self._selector = LatestCall(self, wait_ms=DEBOUNCE_MS)
        self._lay_out()
        self._connect()
        self._restore()

    @property
    def layer(self) -> Labels | None:
        """Labels layer of the last objects, if it still exists."""
        viewer, layer = self.session.viewer, self._layer_ref and self._layer_ref()
        return layer if viewer is not None and layer in viewer.layers else None

    @property
    def objects(self) -> Objects | None:
        return None if self.layer is None else self.session.objects_of(self.layer)

    @property
    def problem(self) -> str | None:
        """Message if the thresholds are invalid."""
        return self.form.problem

    def config(self) -> ObjectConfig:
        """Thresholds for a prediction that starts now."""
        self._requested = self.form.value
        return self._requested

    def set_segmenter(self, segmenter: Segmenter) -> None:
        """Disable thresholds that the model does not use."""
        reasons = {}
        if not output_kind(segmenter).has_masks:
            reasons["mask_threshold"] = "Used by Mask R-CNN and SOLO only."
        if _is_3d(segmenter):
            reasons["link"] = "Not used: this model predicts whole volumes."
        self.form.grey_out(reasons, " ".join(reasons.values()))

    def _lay_out(self) -> None:
        stack(self, self.form, self.buttons, Section(MASKS, self.masks, MASKS_TIP))

    def _connect(self) -> None:
        self.form.changed.connect(self._on_form)
        self.buttons.message.connect(self.message)
        self.masks.written.connect(self._on_masks)
        self.masks.failed.connect(self.message)
        self.session.objects_changed.connect(self._on_objects)
        self.session.viewer.layers.events.removed.connect(self._update_state)
        self._selector.returned.connect(self._on_selected)
        self._selector.errored.connect(self._on_error)

    def _restore(self) -> None:
        """Show objects that exist already, for example from another dock."""
        layers, objects_of = self.session.viewer.layers, self.session.objects_of
        with_objects = [layer for layer in layers if objects_of(layer) is not None]
        if with_objects:
            self._follow(with_objects[-1])
        self._update_state()

    def _follow(self, layer: Labels) -> None:
        """Show this layer; thresholds edited since the prediction started are kept."""
        objects = self.session.objects_of(layer)
        if objects is None:
            return
        self._layer_ref, self._objects_ref = weakref.ref(layer), weakref.ref(objects)
        if objects.config != self._requested or self.problem:  # not predicted here
            with self.form.changed.blocked():
                self.form.value = objects.config
            self._requested = objects.config
            self.changed.emit()
        self._update_state()

    def _on_objects(self, layer: Labels) -> None:
        shown = self._objects_ref and self._objects_ref()
        if shown is not self.session.objects_of(layer):
            self._follow(layer)
            self._select()

    def _on_form(self) -> None:
        self.changed.emit()
        if self.problem or self.objects is None:
            self._selector.cancel()
            return
        if self.form.value != self.objects.config:
            self.message.emit("Filtering objects …")
        self._select()

    def _select(self) -> None:
        """Filter the candidates in the background."""
        layer, objects = self.layer, self.objects
        if layer is None or objects is None:
            return
        metadata, axes = LayerMetadata.of(layer), objects.image.label_axes
        prediction = LabelResult(layer.data, axes, objects.classes, metadata.provenance)
        name = metadata.provenance.get("image", {}).get("name", layer.name)
        source = replace(snapshot(layer, pixels=False), unique_id=metadata.source, name=name)
        measured = MEASURED in layer.features
        writer = LayerWriter(self.session, source, "objects", measured=measured)
        self._selector.submit(partial(_select, objects, self.form.value, prediction, writer))

    def _on_selected(self, outcome: tuple[ObjectSelection, LayerWriter]) -> None:
        selection, writer = outcome
        layer, objects = self.layer, selection.result.objects
        if layer is None or objects is None or self.objects is not selection.before:
            return
        boxes = find_boxes(self.session.viewer, layer)
        self._requested, self._objects_ref = objects.config, weakref.ref(objects)
        if selection.is_new and (new := writer.write(selection.result)) is not None:
            layer = new
            self._layer_ref = weakref.ref(layer)
            self._update_state()
            self.written.emit(layer)
        count = f"{selection.kept:,} of {selection.total:,}"
        text = f"{count} objects kept in the layer {layer.name!r}."
        if boxes is not None and len(objects.table) > MAX_LIVE_BOXES:
            text += " The boxes are out of date: press Boxes."
        elif boxes is not None:
            write_boxes(self.session.viewer, layer, objects)
        self.message.emit(text)

    def _on_error(self, error: BaseException) -> None:
        self.message.emit(error_text(error, "Filtering objects"))

    def _on_masks(self, layer: Labels) -> None:
        self.message.emit(self.session.written_note(layer))
        self.written.emit(layer)

    def _update_state(self) -> None:
        if not isalive(self):
            return
        layer = self.layer
        self.buttons.setEnabled(layer is not None)
        self.masks.set_objects(None if layer is None else self._layer_ref, self.objects)


def _select(
    objects: Objects, config: ObjectConfig, prediction: LabelResult, writer: LayerWriter
) -> tuple[ObjectSelection, LayerWriter]:
    """Select objects and prepare their layer; slow for large images."""
    selection = select_objects(objects, config, prediction)
    if selection.is_new:
        writer.prepare(selection.result)
    return selection, writer


def output_kind(segmenter: Segmenter) -> Kind:
    """What the model predicts, or would predict once trained."""
    trained = segmenter.trained
    return KINDS[trained.kind if trained else kind_of(segmenter.spec)]


def _is_3d(segmenter: Segmenter) -> bool:
    """Whether it predicts volumes; before training, as far as the model settings tell."""
    if segmenter.trained:
        return segmenter.trained.ndim == 3
    return model_info(segmenter.spec.name).dims == (3,) or segmenter.spec.dims == "3D"
