"""Classes of label files that napari opens as images."""

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Labels
from napari.utils.events import Event

from napari_segkit.io.label_classes import read_classes

from .layer_classes import set_class_colors, set_class_names

if TYPE_CHECKING:
    from collections.abc import Callable


class ConvertedLabels:
    """Names the classes of labels as their file does, when an image of it becomes labels.

    napari opens TIFF and PNG files as images, and converting one to labels forgets its path.
    """

    def __init__(self, layers: LayerList) -> None:
        self._path = Path()
        self._pixels: Callable[[], object] = lambda: None  # of the image removed last
        layers.events.removed.connect(self._on_removed)
        layers.events.inserted.connect(self._on_inserted)

    def _on_removed(self, event: Event) -> None:
        layer = event.value
        if isinstance(layer, Image) and isinstance(layer.data, np.ndarray) and layer.source.path:
            self._path, self._pixels = Path(layer.source.path), weakref.ref(layer.data)

    def _on_inserted(self, event: Event) -> None:
        layer = event.value
        if not isinstance(layer, Labels) or layer.data is not self._pixels():
            return
        if classes := read_classes(self._path):
            set_class_names(layer, [c for c in classes if c.is_named])
            set_class_colors(layer, classes)
