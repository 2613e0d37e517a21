"""An evaluation that follows its layers: in the background, a moment after each change."""

from collections.abc import Callable, Sequence

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_segkit._qt.session.background import LatestSteps, Steps
from napari_segkit._qt.widgets.when_visible import WhenVisible
from napari_segkit.images.axes_image import full_resolution

from .layer_evaluation import EvaluationRequest, EvaluationResult, evaluate_layers

WAIT_MS = 300  # for further strokes
MOST_PIXELS = 2**24  # of layers that are followed
FOLLOW_TIP = (
    "<p>Compute the metrics anew after each stroke and each change of the layers, in the "
    f"background. Layers of more than {MOST_PIXELS // 2**20} million pixels, and those that are "
    "not in memory, wait for Evaluate.</p>"
)


class LiveEvaluation(QObject):
    """Evaluates a moment after the last change, while the dock is seen and the switch is on.

    `layers()` are those to follow, none if there is nothing to compare; `request()` asks for the
    evaluation.
    """

    returned = Signal(object)
    errored = Signal(object)
    changed = Signal()  # whether it follows, or computes

    def __init__(
        self,
        dock: QWidget,
        layers: Callable[[], Sequence[Layer]],
        request: Callable[[], EvaluationRequest],
    ) -> None:
        super().__init__(dock)
        self.switch = QCheckBox("Follow the layers", toolTip=FOLLOW_TIP, checked=True)
        self._layers, self._request = layers, request
        self._work = LatestSteps(self, wait_ms=WAIT_MS)
        self._work.returned.connect(self.returned)
        self._work.errored.connect(self.errored)
        self._when_seen = WhenVisible(dock, self._submit)
        self.switch.toggled.connect(self._on_switch)

    @property
    def is_busy(self) -> bool:
        """Whether newer metrics will come."""
        return self._work.is_busy

    def update(self) -> None:
        """Evaluate soon; what runs is ended."""
        if self.switch.isChecked():
            self._when_seen.request()

    def cancel(self) -> None:
        """Drop what runs or waits."""
        self._work.cancel()

    def _submit(self) -> None:
        layers = self._layers()
        if layers and all(map(_is_small, layers)):
            self._work.submit(self._steps)
        else:
            self._work.cancel()
        self.changed.emit()

    def _steps(self) -> Steps[EvaluationResult]:
        return evaluate_layers(self._request()).steps

    def _on_switch(self, is_on: bool) -> None:
        if is_on:
            self.update()
        else:
            self.cancel()
        self.changed.emit()


def _is_small(layer: Layer) -> bool:
    """Whether a layer can be copied and compared within a moment."""
    array = full_resolution(layer)
    return isinstance(array, np.ndarray) and array.size <= MOST_PIXELS
