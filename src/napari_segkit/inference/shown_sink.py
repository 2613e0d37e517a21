"""Labels that a person sees while they are predicted."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.regions import Box, intersection, label_box, lengths, relative, union
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.tiling import Cell

from .plan import TilePlan
from .sink import MemorySink

MAX_SHOWN = 2**22  # pixels of the box around a region: drawn anew in milliseconds


class ShownSink(MemorySink):
    """Labels in memory, and those to look at meanwhile: of single tiles until more is known.

    `shown` are the labels of the box around the plan's region; None if it is too large. All else
    has the labels of complete cells only.
    """

    shown: AnyArray | None = None
    _box: Box  # of what is asked for, along the axes of the labels
    _open: NDArray[np.bool_]  # pixels of it that no complete cell has

    def start(self, plan: TilePlan) -> None:
        """As `MemorySink.start`; what is predicted already is shown."""
        super().start(plan)
        region, predicted = plan.region, self.predicted
        whole = tuple([slice(0, n) for n in self.labels.shape])
        box = self._box = whole if region is None else union([part.box for part in region.parts])
        self.shown = None
        if prod(lengths(box)) > MAX_SHOWN:
            return
        asked = np.ones(lengths(box), bool) if region is None else region.within(box)
        self._open = asked & ~predicted.within(box) if predicted is not None else asked & False
        self.shown = self.labels[box].copy()

    def write(
        self,
        frame: dict[str, int],
        cell: Cell,
        labels: Labels,
        probabilities: NDArray[np.float32] | None,
    ) -> None:
        """As `MemorySink.write`; the labels are shown in place of those of single tiles."""
        super().write(frame, cell, labels, probabilities)
        shared = intersection(label_box(self._axes, frame, cell.region), self._box)
        if self.shown is not None and shared is not None:
            inside = relative(shared, self._box)
            self.shown[inside] = self.labels[shared]
            self._open[inside] = False

    def write_tile(self, frame: dict[str, int], region: Sequence[slice], labels: Labels) -> None:
        """Show the labels of a tile where none of a complete cell are known."""
        box = label_box(self._axes, frame, region)
        shared = intersection(box, self._box)
        if self.shown is None or shared is None:
            return
        block = np.empty(lengths(box), labels.dtype)
        AxesImage(block, self._axes).write(block, dict.fromkeys(frame, 0), labels)
        inside = relative(shared, self._box)
        np.copyto(self.shown[inside], block[relative(shared, box)], where=self._open[inside])
