"""A temporary Labels layer that covers a part of an image."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from napari.layers import Labels

from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.types import AnyArray

from .layer_classes import set_class_colors
from .layer_registry import LayerRegistry
from .prediction_look import add_prediction, dress
from .snapshots import Placement, Snapshot, placement, without_channels

SWITCH_SECONDS = 0.0005


class BoxLabels:
    """Labels of a box of an image, so that they are drawn quickly whatever the image's size.

    They cannot be painted on. A person may remove the layer: then nothing is shown any more.
    """

    def __init__(
        self, registry: LayerRegistry, source: Snapshot, name: str, classes: Sequence[LabelClass]
    ) -> None:
        self._registry, self._source = registry, source
        self._name, self._classes = name, classes
        self._layer: Labels | None = None
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing is shown any more: it was removed, here or by a person."""
        viewer, layer = self._registry.viewer, self._layer
        is_gone = viewer is None or (layer is not None and layer not in viewer.layers)
        return self._is_closed or is_gone

    def show(self, pixels: AnyArray, start: Sequence[int], axes: str) -> None:
        """Show these labels, which begin at a pixel of the image with these axes."""
        if self.is_closed:
            return
        place = placement(self._source, without_channels(self._source, axes))
        transform = moved(place, start)
        if self._layer is None:
            self._layer = self._add(pixels.copy(), transform)
        else:
            _replace(self._layer, pixels, transform["translate"])

    def remove(self) -> None:
        """Remove the layer; nothing is shown any more."""
        viewer, layer = self._registry.viewer, self._layer
        self._is_closed, self._layer = True, None
        if viewer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def _add(self, pixels: AnyArray, transform: Placement) -> Labels:
        """Add the layer below the labels that are painted on, the selection being kept."""
        record = LayerMetadata("preview", self._source.unique_id)
        layer = Labels(pixels, name=self._name, metadata=record.as_metadata(), **transform)
        layer.editable = False
        set_class_colors(layer, self._classes)
        dress(layer)
        with switching_threads_often():
            add_prediction(self._registry, layer, select=False)
        return layer


@contextmanager
def switching_threads_often() -> Iterator[None]:
    """Let a network compute while napari adds a layer, in a quarter of a second of Python.

    Between two of its layers, the network waits for Python's lock: 5 ms each time, as is usual.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _replace(layer: Labels, pixels: AnyArray, translate: AnyArray) -> None:
    """Show other pixels, perhaps elsewhere; nothing is drawn if they are the same."""
    if layer.data.shape != pixels.shape or layer.data.dtype != pixels.dtype:
        layer.data = pixels.copy()
        layer.editable = False  # new data can be edited
    elif not np.array_equal(layer.data, pixels):
        layer.data[:] = pixels
        layer.refresh(thumbnail=False, highlight=False, extent=False)
    if not np.array_equal(layer.translate, translate):
        layer.translate = translate


def moved(transform: Placement, start: Sequence[int]) -> Placement:
    """The transform of a part of a layer that begins at a pixel of it."""
    linear = transform["rotate"] @ transform["shear"] * transform["scale"]
    return {**transform, "translate": transform["translate"] + linear @ np.asarray(start)}
