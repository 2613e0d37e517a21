"""The probabilities of a box of a frame, of the cells that workers give."""

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.regions import Box, intersection, lengths, relative
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.inference.plan import TilePlan
from napari_segkit.tiling import Cell


class BoxSink:
    """Holds the probabilities of a box, ``(classes, *box)``, of one frame."""

    labels: AnyArray
    probabilities: NDArray[np.float32] | None

    def __init__(self, classes: int, box: Box) -> None:
        self._box, self.labels = box, np.zeros(0, np.uint8)
        self.probabilities = np.zeros((classes, *lengths(box)), np.float32)

    def start(self, plan: TilePlan) -> None:
        """Nothing is to be made ready."""

    def is_finished(self, frame: dict[str, int], cell: Cell) -> bool:
        return False

    def write(
        self,
        frame: dict[str, int],
        cell: Cell,
        labels: Labels,
        probabilities: NDArray[np.float32] | None,
    ) -> None:
        shared = intersection(cell.region, self._box)
        if shared is None or probabilities is None or self.probabilities is None:
            return
        own = relative(shared, cell.region)
        self.probabilities[:, *relative(shared, self._box)] = probabilities[:, *own]
