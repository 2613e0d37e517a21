"""The image layer that the Model dock refers to."""

from napari.layers import Image as ImageLayer
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session
from napari_segkit.images.axes_image import AxesImage, as_image, without_pixels


class SelectedImage(QObject):
    """Follows the selected image layer: else the last one selected, else the first."""

    changed = Signal()  # of the layer or its axes

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layers = unwrapped(session.viewer).layers
        self._layer: ImageLayer | None = None
        self._axes_events = Listener(self, self.changed.emit)
        self._layer_events = Listener(self, self._update)
        events = self._layers.events
        active = self._layers.selection.events.active
        self._layer_events.listen((active, events.inserted, events.removed))
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
        candidates = (self._layers.selection.active, self._layer, *self._layers)
        images = (x for x in candidates if isinstance(x, ImageLayer) and x in self._layers)
        layer = next(images, None)
        if layer is not self._layer:
            self._layer = layer
            self._axes_events.listen(emitters_of(layer, "axis_labels"))
            self.changed.emit()
