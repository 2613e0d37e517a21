"""Labels that appear on the canvas while they are predicted."""

from collections.abc import Sequence
from math import prod

from qtpy.QtCore import QObject

from napari_segkit.images.classes import LabelClass
from napari_segkit.jobs.kept_prediction import KeptPrediction

from .box_labels import BoxLabels
from .layer_registry import LayerRegistry
from .snapshots import Snapshot

MAX_PIXELS = 2**22  # of the box around what is predicted: drawn anew in milliseconds


class LiveLabels(QObject):
    """A temporary layer of what is being predicted; `remove` it when the result is written.

    It has the box around the region only; a larger one is not shown before it is complete.
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
        self._prediction = prediction
        self._shown = BoxLabels(registry, source, f"{source.name} (predicting …)", classes)

    def update(self) -> None:
        """Show what is predicted by now."""
        labels, box = self._prediction.labels(), self._prediction.box()
        if labels is None or box is None or prod(s.stop - s.start for s in box) > MAX_PIXELS:
            return
        self._shown.show(labels[box], [side.start for side in box], self._prediction.axes)

    def remove(self) -> None:
        """Remove the layer."""
        self._shown.remove()
