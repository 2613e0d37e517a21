"""Live preview of a refinement in the visible region."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from magicgui.widgets import CheckBox
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.layers.layer_classes import set_class_colors
from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.layers.snapshots import header_metadata, placement
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.jobs.refine import RefineRequest

from .preview_region import MeasuredIntensities, PreviewResult, refine_view, visible_region

DEBOUNCE_MS = 200  # wait for further edits or camera moves
PREVIEW_TIP = (
    "<p>Show the visible region refined in a temporary layer that follows the settings, the slice "
    "and the view. The original labels are hidden meanwhile.</p>"
)


@dataclass(frozen=True)
class PreviewInput:
    """What is previewed."""

    layer: Layer  # that is refined
    image: Image | None
    request: RefineRequest


class Preview(QObject):
    """Temporary layer with the visible region refined, updated as settings and view change.

    `input_()` returns what to refine, or None.
    """

    message = Signal(str)
    ended = Signal()  # the preview layer was removed by the user

    def __init__(
        self,
        session: Session,
        input_: Callable[[], PreviewInput | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.is_on = False
        self.layer: Labels | None = None
        self._session, self._input = session, input_
        self._shown: PreviewInput | None = None
        self._requested: PreviewInput | None = None
        self._hidden_labels: Labels | None = None
        self._filled: tuple[int | slice, ...] | None = None
        self._intensities: MeasuredIntensities | None = None
        self._pixel_events = Listener(self, self._on_pixels)
        self._latest = LatestCall(self)
        self._timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._connect()

    @property
    def is_busy(self) -> bool:
        """Whether a newer preview is pending."""
        return self._timer.isActive() or self._latest.is_busy

    def begin(self) -> None:
        """Show the preview until `end` is called."""
        self.is_on = True
        self.update()

    def end(self) -> None:
        """Remove the preview layer and show the hidden labels again."""
        self.is_on = False
        self._timer.stop()
        self._discard()
        self._pixel_events.listen(())
        self._remove()

    def update(self) -> None:
        """Compute the preview again soon."""
        if isalive(self) and self.is_on:
            self._timer.start()

    def _connect(self) -> None:
        viewer = unwrapped(self._session.viewer)
        self._timer.timeout.connect(self._compute)
        self._latest.returned.connect(self._show)
        self._latest.errored.connect(self._on_error)
        self._session.busy_changed.connect(self.update)
        viewer.layers.events.removed.connect(self._on_removed)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        for emitter in (camera.center, camera.zoom, dims.current_step, dims.order, dims.ndisplay):
            emitter.connect(self.update)

    def _on_pixels(self) -> None:
        self._discard()
        self.update()

    def _discard(self) -> None:
        """Discard pending calls and cached intensity statistics."""
        self._latest.cancel()
        self._intensities = None

    def _compute(self) -> None:
        viewer = self._session.viewer
        if viewer is None or self._session.task is not None:
            return
        requested = self._requested = self._input()
        self._pixel_events.listen(emitters_of(requested and requested.image, "data"))
        if requested is None:
            self._latest.cancel()
            self._remove()
            return
        request = requested.request
        try:
            image = request.axes_image()
            view = visible_region(viewer, requested.layer, request, image)
        except ValueError as problem:
            self._on_error(problem)
            return
        self._latest.submit(partial(refine_view, request, image, view, self._intensities))

    def _show(self, result: PreviewResult) -> None:
        if not self.is_on or self._session.viewer is None or self._requested is None:
            return
        self._intensities = result.intensities
        layer = self._layer_for(self._requested, result.labels.dtype)
        if self._filled is not None:
            layer.data[self._filled] = 0
        layer.data[result.index] = result.labels
        self._filled = result.index
        layer.refresh()
        self.message.emit(result.text)

    def _layer_for(self, requested: PreviewInput, dtype: np.dtype[Any]) -> Labels:
        """Return the preview layer; a new one if the source or dtype has changed."""
        shown, layer = self._shown, self.layer
        if (
            layer is None
            or shown is None
            or shown.layer is not requested.layer
            or shown.request.source.classes != requested.request.source.classes
            or layer.data.dtype != dtype
        ):
            self._remove()
            self._shown = requested
            self.layer = layer = _add_preview_layer(self._session.viewer, requested, dtype)
            self._hide_labels(requested.layer)
        return layer

    def _hide_labels(self, layer: Layer) -> None:
        """Hide the original labels, which would show through the preview background."""
        if isinstance(layer, Labels) and layer.visible:
            layer.visible = False
            self._hidden_labels = layer

    def _remove(self) -> None:
        layer, self.layer = self.layer, None
        hidden, self._hidden_labels = self._hidden_labels, None
        self._shown = self._filled = None
        viewer = self._session.viewer
        if viewer is not None and layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)
        if hidden is not None:
            hidden.visible = True

    def _on_removed(self, event: Any) -> None:
        if isalive(self) and self.layer is not None and event.value is self.layer:
            self.layer = None
            self.end()
            self.ended.emit()

    def _on_error(self, error: BaseException) -> None:
        self.message.emit(error_text(error, "Preview"))


class PreviewPanel(QWidget):
    """Check box that shows the preview while ticked and visible."""

    def __init__(self, session: Session, input_: Callable[[], PreviewInput | None]) -> None:
        super().__init__()
        self.preview = Preview(session, input_, self)
        self.checkbox = CheckBox(text="Preview the visible region", tooltip=PREVIEW_TIP)
        self.note = Note()
        stack(self, self.checkbox, self.note)
        self.checkbox.changed.connect(self._on_ticked)
        self.preview.message.connect(self.note.setText)
        self.preview.ended.connect(self.untick)

    def untick(self) -> None:
        """Switch the preview off."""
        self.checkbox.value = False

    def hideEvent(self, event: QHideEvent) -> None:
        """Hide the preview with the dock."""
        super().hideEvent(event)
        if not event.spontaneous():  # keep it if the window is minimised
            self.preview.end()

    def showEvent(self, event: QShowEvent) -> None:
        """Show the preview again if it is switched on."""
        super().showEvent(event)
        if self.checkbox.value and not self.preview.is_on:
            self.preview.begin()

    def _on_ticked(self) -> None:
        if self.checkbox.value and self.isVisible():
            self.preview.begin()
        elif not self.checkbox.value:
            self.preview.end()
            self.note.setText("")


def _add_preview_layer(
    viewer: ViewerModel, requested: PreviewInput, dtype: np.dtype[Any]
) -> Labels:
    """Add an empty Labels layer aligned with the source; the layer selection is kept."""
    viewer, layer, source = unwrapped(viewer), requested.layer, requested.request.source
    leading = layer.ndim - len(source.shape)
    selected = viewer.layers.selection.active
    added = viewer.add_labels(
        np.zeros(full_resolution(layer).shape[leading:], dtype),
        name=f"{layer.name} refined (preview)",
        metadata=LayerMetadata("preview").as_metadata() | header_metadata(layer),
        **placement(layer, range(leading, layer.ndim)),
    )
    if source.start in ("labels", "objects"):
        added.colormap = layer.colormap
    else:
        set_class_colors(added, source.classes)
    viewer.layers.selection.active = selected
    return added
