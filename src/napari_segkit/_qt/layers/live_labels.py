"""Labels that appear on the canvas while they are predicted."""

from collections.abc import Sequence
from math import prod

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.types import AnyArray
from napari_segkit.jobs.kept_prediction import KeptPrediction

from .layer_classes import set_class_colors
from .layer_registry import LayerRegistry
from .snapshots import Placement, Snapshot, placement, without_channels

MAX_PIXELS = 2**22  # of the box around what is predicted: drawn anew in milliseconds


class LiveLabels(QObject):
    """A temporary layer of what is being predicted; `remove` it when the result is written.

    It has the box around the region only, so that it is drawn quickly whatever the size of the
    image; a larger one is not shown before it is complete.
    """

    def __init__(
        self,
        registry: LayerRegistry,
        source: Snapshot,
        prediction: KeptPrediction,
        classes: Sequence[LabelClass],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._registry, self._source = registry, source
        self._prediction, self._classes = prediction, classes
        self._layer: Labels | None = None
        self._is_closed = False

    def update(self) -> None:
        """Show what is predicted by now."""
        viewer, pixels = self._registry.viewer, self._pixels()
        if viewer is None or pixels is None or self._is_closed:
            return
        if self._layer is None:
            self._layer = self._add(viewer, pixels.copy())
        elif self._layer not in viewer.layers:  # removed by the user
            self._is_closed = True
        else:
            self._layer.data[:] = pixels
            self._layer.refresh(thumbnail=False, highlight=False, extent=False)

    def remove(self) -> None:
        """Remove the layer."""
        viewer, layer = self._registry.viewer, self._layer
        self._is_closed, self._layer = True, None
        if viewer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def _pixels(self) -> AnyArray | None:
        labels, box = self._prediction.labels(), self._prediction.box()
        if labels is None or box is None or prod(s.stop - s.start for s in box) > MAX_PIXELS:
            return None
        return labels[box]

    def _add(self, viewer: ViewerModel, pixels: AnyArray) -> Labels:
        """Add the layer, the layer selection being kept."""
        source, box = self._source, self._prediction.box()
        transform = placement(source, without_channels(source, self._prediction.axes))
        selected = viewer.layers.selection.active
        layer = viewer.add_labels(
            pixels,
            name=f"{source.name} (predicting …)",
            metadata=LayerMetadata("preview").as_metadata(),
            **moved(transform, [s.start for s in box or ()]),
        )
        layer.editable = False
        set_class_colors(layer, self._classes)
        viewer.layers.selection.active = selected
        return layer


def moved(transform: Placement, start: Sequence[int]) -> Placement:
    """The transform of a part of a layer that begins at a pixel of it."""
    linear = transform["rotate"] @ transform["shear"] * transform["scale"]
    return {**transform, "translate": transform["translate"] + linear @ np.asarray(start)}
