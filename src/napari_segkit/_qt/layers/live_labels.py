"""Labels that appear on the canvas while they are predicted."""

from collections.abc import Sequence

from qtpy.QtCore import QObject, QTimer

from napari_segkit.images.classes import LabelClass
from napari_segkit.jobs.kept_prediction import KeptPrediction

from .box_labels import BoxLabels
from .layer_registry import LayerRegistry
from .snapshots import Snapshot

LOOK_MS = 25  # between two looks for the first labels


class LiveLabels(QObject):
    """A temporary layer of what is being predicted; `remove` it when the result is written.

    It has the box around the region only; a larger one is not shown before it is complete. It is
    added while the first tile is computed: napari takes longer for a layer than for its pixels.
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
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self.update)
        self._timer.start()

    def on_step(self) -> None:
        """Show what is predicted by now; there are steps from now on."""
        self._timer.stop()
        self.update()

    def update(self) -> None:
        """Show what is predicted by now."""
        labels, box = self._prediction.shown(), self._prediction.box()
        if labels is not None and box is not None:
            self._shown.show(labels, [side.start for side in box], self._prediction.axes)

    def remove(self) -> None:
        """Remove the layer."""
        self._timer.stop()
        self._shown.remove()
