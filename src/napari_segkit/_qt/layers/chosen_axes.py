"""Axes that a person chose for images, and offered again for images like them."""

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.axis_guess import layer_axes
from napari_segkit.images.layer_metadata import LayerMetadata

from .unwrap_proxy import unwrapped


class ChosenAxes(QObject):
    """The axes chosen for the images of a viewer; each layer keeps its own in its metadata."""

    changed = Signal(object)  # the layer

    def __init__(self) -> None:
        super().__init__()
        self._alike: dict[Hashable, tuple[str, str]] = {}  # axes, and the name of their image

    def choose(self, image: Image, axes: str | None) -> None:
        """Keep the axes of an image; None: they are guessed again."""
        image = unwrapped(image)
        for key in _keys(image):
            self._alike.pop(key, None)
            if axes is not None:
                self._alike[key] = (axes, image.name)
        record = LayerMetadata.of(image)
        if record.chosen_axes != (axes or ""):
            replace(record, chosen_axes=axes or "").store(image)
            self.changed.emit(image)

    def of(self, image: Image) -> str | None:
        """The axes chosen for an image."""
        return LayerMetadata.of(unwrapped(image)).chosen_axes or None

    def of_alike(self, image: Image) -> tuple[str, str] | None:
        """Axes chosen for an image of its shape or folder, and its name; None if these are known.

        They are known where the layer's axis labels tell.
        """
        image = unwrapped(image)
        if layer_axes(image, full_resolution(image).ndim) is not None:
            return None
        return next((self._alike[key] for key in _keys(image) if key in self._alike), None)

    def proposed(self, image: Image) -> str | None:
        """The axes chosen for an image, or else for one like it."""
        alike = self.of_alike(image)
        return self.of(image) or (alike[0] if alike else None)


def _keys(image: Image) -> list[Hashable]:
    """What images share that probably have the same axes: a shape, or a folder and a format."""
    shape, source = tuple(full_resolution(image).shape), image.source
    rgb = getattr(image, "rgb", None)  # Labels have none
    keys: list[Hashable] = [(shape, rgb)]
    if source.path:
        path = Path(source.path)
        keys.append((str(path.parent), path.suffix.lower(), len(shape), rgb))
    return keys
