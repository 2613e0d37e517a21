"""The image that a person is looking at."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.images.axes_image import AxesImage, as_image

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session


class SelectedImage(QObject):
    """The image layer that is selected, or else the last one that was, or else the first.

    Parameters
    ----------
    session : Session
        Whose viewer's layers are watched.
    parent : QObject, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        It is another layer now, or none, or its axes are others.
    """

    changed = Signal()

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layers = unwrapped(session.viewer).layers
        self._layer: Any = None
        self._layers.selection.events.active.connect(self._look)
        for emitter in (self._layers.events.inserted, self._layers.events.removed):
            emitter.connect(self._look)
        session.axes_changed.connect(self.changed)
        self._look()

    @property
    def image(self) -> AxesImage | None:
        """Its shape, axes and voxel size, without its pixels.

        None where there is no image, or its axes are not clear.
        """
        if self._layer is None:
            return None
        try:
            return _outline(as_image(self._layer, self._session.axes_of(self._layer)))
        except (TypeError, ValueError):
            return None

    def _look(self, event: Any = None) -> None:
        if not isalive(self):
            return
        images = [layer for layer in self._layers if isinstance(layer, ImageLayer)]
        wanted = [self._layers.selection.active, self._layer, *images]
        found = next((layer for layer in wanted if any(layer is i for i in images)), None)
        if found is not self._layer:
            self._watch(found)
            self.changed.emit()

    def _watch(self, layer: Any) -> None:
        if self._layer is not None:
            self._layer.events.axis_labels.disconnect(self._on_axis_labels)
        self._layer = layer
        if layer is not None:
            layer.events.axis_labels.connect(self._on_axis_labels)

    def _on_axis_labels(self, event: Any) -> None:
        if isalive(self):
            self.changed.emit()


def _outline(image: AxesImage) -> AxesImage:
    return replace(image, data=np.broadcast_to(np.uint8(0), image.data.shape), metadata={})
