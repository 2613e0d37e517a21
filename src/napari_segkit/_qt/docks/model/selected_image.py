"""The image layer that the Model dock refers to."""

from typing import TYPE_CHECKING

from napari.layers import Image as ImageLayer
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.images.axes_image import AxesImage, as_image, without_pixels

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session


class SelectedImage(QObject):
    """Follows the selected image layer: else the last one selected, else the first."""

    changed = Signal()  # of the layer or its axes

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layers = unwrapped(session.viewer).layers
        self._layer: ImageLayer | None = None
        self._layers.selection.events.active.connect(self._update)
        for emitter in (self._layers.events.inserted, self._layers.events.removed):
            emitter.connect(self._update)
        session.axes_changed.connect(self.changed)
        self._update()

    @property
    def image(self) -> AxesImage | None:
        """The image without its pixels; None if there is none or its axes are ambiguous."""
        if self._layer is None:
            return None
        try:
            return without_pixels(as_image(self._layer, self._session.axes_of(self._layer)))
        except (TypeError, ValueError):
            return None

    def _update(self) -> None:
        if not isalive(self):
            return
        candidates = (self._layers.selection.active, self._layer, *self._layers)
        images = (x for x in candidates if isinstance(x, ImageLayer) and x in self._layers)
        layer = next(images, None)
        if layer is not self._layer:
            self._watch(layer)
            self.changed.emit()

    def _watch(self, layer: ImageLayer | None) -> None:
        if self._layer is not None:
            self._layer.events.axis_labels.disconnect(self._on_axis_labels)
        self._layer = layer
        if layer is not None:
            layer.events.axis_labels.connect(self._on_axis_labels)

    def _on_axis_labels(self) -> None:
        if isalive(self):
            self.changed.emit()
