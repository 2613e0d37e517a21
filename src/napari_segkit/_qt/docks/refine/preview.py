"""What a recipe would make of the part of an image that is in view."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit._qt.layers.result_layers import set_colors
from napari_segkit._qt.layers.snapshots import placement
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.fields import BoolField
from napari_segkit.images.axes_image import full_resolution

from .preview_region import PreviewResult, look, view_of

if TYPE_CHECKING:
    from napari_segkit._qt.session.refine_job import RefineRequest
    from napari_segkit._qt.session.session import Session

WAIT_MS = 200  # a number is still being changed, or the view still moves
TIP = (
    "<p>A layer that shows what is in view refined, and follows the numbers, the slices and the "
    "view. The labels below are hidden meanwhile. It goes when this is unticked.</p>"
)


class Preview(QObject):
    """Keeps a layer that shows what is in view refined, while numbers change.

    Parameters
    ----------
    session : Session
        Whose viewer it is; nothing is previewed while work runs in it.
    order : callable
        Gives what is to be refined and how; None where that is not known yet.
    parent : QObject, optional
        Owner.

    Attributes
    ----------
    said : Signal(str)
        A sentence about what is shown, or why nothing is.
    ended : Signal()
        Its layer was removed by somebody else.
    """

    said = Signal(str)
    ended = Signal()

    def __init__(
        self,
        session: "Session",
        order: Callable[[], "RefineRequest | None"],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.is_on = False
        self.layer: Any = None
        self._session, self._order = session, order
        self._source: Any = None
        self._hidden: Any = None
        self._place: tuple[Any, ...] | None = None
        self._measured: Any = None
        self._heard: Any = None
        self._asked: Any = None
        self._latest = LatestCall(self)
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._connect()

    @property
    def is_busy(self) -> bool:
        """Whether something newer is still to be shown."""
        return self._timer.isActive() or self._latest.is_busy

    def begin(self) -> None:
        """Show a preview until it is ended."""
        self.is_on = True
        self.update()

    def end(self) -> None:
        """Remove the layer; the labels that it covered are shown again."""
        self.is_on = False
        self._timer.stop()
        self._forget()
        self._hear(None)
        self._remove()

    def update(self) -> None:
        """Something has changed: compute anew, soon."""
        if isalive(self) and self.is_on:
            self._timer.start()

    def _connect(self) -> None:
        viewer = unwrapped(self._session.viewer)
        self._timer.timeout.connect(self._ask)
        self._latest.returned.connect(self._show)
        self._latest.errored.connect(self._on_error)
        self._session.busy_changed.connect(self.update)
        viewer.layers.events.removed.connect(self._on_removed)
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        for emitter in (camera.center, camera.zoom, dims.current_step, dims.order, dims.ndisplay):
            emitter.connect(self._on_view)

    def _on_view(self, event: Any = None) -> None:
        self.update()

    def _hear(self, image: Any) -> None:
        """Follow the pixels of this image."""
        if image is self._heard:
            return
        if self._heard is not None:
            self._heard.events.data.disconnect(self._on_pixels)
        self._heard = image
        if image is not None:
            image.events.data.connect(self._on_pixels)

    def _on_pixels(self, event: Any = None) -> None:
        if isalive(self):
            self._forget()
            self.update()

    def _forget(self) -> None:
        """What was asked, or measured, may be of pixels that are others by now."""
        self._latest.forget()
        self._measured = None

    def _ask(self) -> None:
        viewer = self._session.viewer
        if viewer is None or self._session.task is not None:
            return
        order = self._order()
        self._hear(order and order.image)
        if order is None:
            self._latest.forget()
            self._remove()
            return
        try:
            image = order.named()
            view = view_of(viewer, order, image)
        except ValueError as problem:
            self._on_error(problem)
            return
        self._asked = order.source
        self._latest.ask(look, order.frozen(copied=False), image, view, self._measured)

    def _show(self, shown: PreviewResult) -> None:
        if not self.is_on or self._session.viewer is None:
            return
        self._measured = shown.measured
        layer = self._fitting(shown.labels.dtype)
        if self._place is not None:
            layer.data[self._place] = 0
        layer.data[shown.where] = shown.labels
        self._place = shown.where
        layer.refresh()
        self.said.emit(shown.text)

    def _fitting(self, dtype: Any) -> Any:
        """The layer, a new one where that of before was of something else."""
        source = self._asked
        same = self._source is not None and (
            self._source.layer is source.layer
            and self._source.classes == source.classes
            and self.layer is not None
            and self.layer.data.dtype == dtype
        )
        if not same:
            self._remove()
            self._source = source
            self.layer = _add(self._session.viewer, source, dtype)
            self._cover(source.layer)
        return self.layer

    def _cover(self, layer: Any) -> None:
        """Hide the labels below: they would show where the preview has background."""
        if hasattr(layer, "selected_label") and layer.visible:
            layer.visible = False
            self._hidden = layer

    def _remove(self) -> None:
        layer, self.layer = self.layer, None
        hidden, self._hidden = self._hidden, None
        self._source = self._place = None
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

    def _on_error(self, error: Exception) -> None:
        self.said.emit(str(error) or type(error).__name__)


class PreviewBox(QWidget):
    """Shows a preview while it is ticked and on screen.

    Parameters
    ----------
    session : Session
        Whose viewer it is.
    order : callable
        Gives what is to be refined and how; None where that is not known yet.
    """

    def __init__(self, session: "Session", order: Callable[[], "RefineRequest | None"]) -> None:
        super().__init__()
        self.preview = Preview(session, order, self)
        self.box = BoolField()
        self.note = Note()
        self.box.setText("Preview what is in view")
        self.box.setToolTip(TIP)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.box)
        column.addWidget(self.note)
        self.box.changed.connect(self._on_ticked)
        self.preview.said.connect(self.note.setText)
        self.preview.ended.connect(self.untick)

    def update_preview(self) -> None:
        """Something has changed."""
        self.preview.update()

    def untick(self) -> None:
        """Take the preview away."""
        self.box.set_value(False)

    def hideEvent(self, event: Any) -> None:
        """Take the preview away with the dock."""
        super().hideEvent(event)
        if not event.spontaneous():  # a window that is minimised hides nothing
            self.preview.end()

    def showEvent(self, event: Any) -> None:
        """Show the preview again where it was wanted."""
        super().showEvent(event)
        if self.box.value() and not self.preview.is_on:
            self.preview.begin()

    def _on_ticked(self) -> None:
        if self.box.value() and self.isVisible():
            self.preview.begin()
        elif not self.box.value():
            self.preview.end()
            self.note.setText("")


def _add(viewer: Any, source: Any, dtype: Any) -> Any:
    """An empty layer in the place of what is refined; what is selected stays so."""
    viewer, layer = unwrapped(viewer), source.layer
    spare = layer.ndim - len(source.shape)
    active = viewer.layers.selection.active
    added = viewer.add_labels(
        np.zeros(full_resolution(layer).shape[spare:], dtype),
        name=f"{layer.name} refined (preview)",
        metadata={"segkit": {"kind": "preview"}},
        **placement(layer, range(spare, layer.ndim)),
    )
    if source.start in ("labels", "objects"):
        added.colormap = layer.colormap
    else:
        set_colors(added, source.classes)
    viewer.layers.selection.active = active
    return added
