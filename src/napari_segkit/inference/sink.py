"""Where the pixels of a prediction go."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.regions import Part, Region, disjoint, label_box
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.tiling import Cell

from .plan import TilePlan


class Sink(Protocol):
    """Takes predicted labels cell by cell and knows which are finished.

    A prediction can be stopped and continued with the same sink: finished cells are not predicted
    again. Outside the plan's region what is written is 0. Arrays have the axes of the plan's
    original image without C.
    """

    labels: AnyArray  # values of classes; those of unfinished cells may be anything
    probabilities: NDArray[np.float32] | None  # (classes, *labels.shape); None: not kept
    # A sink may say where it has labels, of earlier predictions too: `predicted`, a Region or None

    def start(self, plan: TilePlan) -> None:
        """Make ready for a plan, or continue it; ValueError if begun with another one."""

    def is_finished(self, frame: dict[str, int], cell: Cell) -> bool:
        """Whether a cell of a frame is written."""

    def write(
        self,
        frame: dict[str, int],
        cell: Cell,
        labels: Labels,
        probabilities: NDArray[np.float32] | None,
    ) -> None:
        """Take the labels of a cell, and its probabilities ``(classes, *labels.shape)``."""


@runtime_checkable
class UncertaintySink(Protocol):
    """A sink that takes the uncertainty, too; `uncertainty` has the shape of its labels."""

    uncertainty: NDArray[np.float32] | None  # None: not asked for

    def write_uncertainty(
        self, frame: dict[str, int], cell: Cell, uncertainty: NDArray[np.float32]
    ) -> None:
        """Take the uncertainty of a cell, before its labels."""


@runtime_checkable
class ObjectSink(Sink, Protocol):
    """A sink for objects that are predicted block by block.

    Their blocks are written with numbers of their own, which are replaced when all are known.
    """

    @property
    def folder(self) -> Path:
        """Where files of what is not complete are kept."""

    @property
    def block_lengths(self) -> Sequence[int]:
        """Along the spatial axes of the plan, what is best written at once."""

    def read_labels(self, frame: dict[str, int], cell: Cell) -> Labels:
        """The labels of a cell as they were written."""

    def replace_labels(self, frame: dict[str, int], cell: Cell, labels: Labels) -> None:
        """Take other labels of a finished cell."""


@runtime_checkable
class ShowingSink(Protocol):
    """A sink that a person looks at: it takes the labels of single tiles, too."""

    shown: AnyArray | None  # None: nobody looks

    def write_tile(self, frame: dict[str, int], region: Sequence[slice], labels: Labels) -> None:
        """Take the labels of a tile, to be shown until the cells that it overlaps are written."""


class MemorySink:
    """Labels in memory, probabilities if they are to be kept, and uncertainty if there is any.

    Given to predictions of several regions, one after the other, it holds all of them.

    Parameters
    ----------
    keep_probabilities : bool
        Keep the probabilities of all classes at every pixel: 4 bytes for each.
    """

    labels: AnyArray
    probabilities: NDArray[np.float32] | None = None
    statistics: Statistics | None = None  # of the image, to be measured once
    uncertainty: NDArray[np.float32] | None = None

    def __init__(self, *, keep_probabilities: bool = False) -> None:
        self._keep_probabilities = keep_probabilities
        self._axes, self._may_overlap = "", False  # of the labels; whether cells may
        self._region: Region | None = None
        self._provenance: dict[str, object] = {}
        self._finished: dict[tuple[int, ...], Part] = {}

    def start(self, plan: TilePlan) -> None:
        """Allocate the arrays, or continue; ValueError if begun with another plan.

        Images are compared by name, axes, shape and the intensities that scale them.
        """
        provenance, self._region = plan.provenance(), plan.region
        if self._provenance:
            if provenance != self._provenance:
                raise ValueError(
                    "This sink holds the prediction of another image, by another model or with "
                    "other settings: give a new one."
                )
            return
        shape, model = plan.original.label_shape, plan.model
        self._axes, self._provenance = plan.original.label_axes, provenance
        self._may_overlap = plan.needs_whole_frames
        self.statistics = plan.statistics
        self.labels = np.zeros(shape, np.min_scalar_type(max(model.values)))
        if self._keep_probabilities:
            self.probabilities = np.zeros((len(model.classes), *shape), np.float32)
        if plan.settings.uncertainty:
            self.uncertainty = np.zeros(shape, np.float32)

    @property
    def predicted(self) -> Region | None:
        """Where there are labels; None: everywhere."""
        parts = list(self._finished.values())
        if self._may_overlap:
            parts = disjoint(parts)
        found = Region(self._axes, self.labels.shape, tuple(parts))
        return None if found.pixels == self.labels.size else found

    def is_finished(self, frame: dict[str, int], cell: Cell) -> bool:
        """Whether the pixels of a cell that are asked for are written."""
        part = self._finished.get(_key(frame, cell))
        if part is None or part.mask is None or self._region is None:
            return part is not None and part.mask is None
        return not (self._region.within(part.box) & ~part.mask).any()

    def write(
        self,
        frame: dict[str, int],
        cell: Cell,
        labels: Labels,
        probabilities: NDArray[np.float32] | None,
    ) -> None:
        """Store what is asked for of a cell, and its probabilities if they are kept."""
        if not self._provenance:
            raise RuntimeError("start this sink with a plan first.")
        self._store(self.labels, self._axes, frame, cell, labels)
        if self.probabilities is not None and probabilities is not None:
            self._store(self.probabilities, f"C{self._axes}", frame, cell, probabilities)
        self._note(frame, cell)

    def write_uncertainty(
        self, frame: dict[str, int], cell: Cell, uncertainty: NDArray[np.float32]
    ) -> None:
        """Store the uncertainty of a cell, where it is asked for."""
        if self.uncertainty is not None:
            self._store(self.uncertainty, self._axes, frame, cell, uncertainty)

    def _store(
        self, target: AnyArray, axes: str, frame: dict[str, int], cell: Cell, values: AnyArray
    ) -> None:
        """Write the values of a cell that are asked for into an array."""
        image = AxesImage(target, axes)
        if self._region is not None:
            before = image.read(frame, cell.region).reshape(values.shape)
            values = np.where(self._region.inside(frame, cell.region), values, before)
        image.write(target, frame, values, cell.region)

    def _note(self, frame: dict[str, int], cell: Cell) -> None:
        """Note that what is asked for of a cell is written."""
        key, box = _key(frame, cell), label_box(self._axes, frame, cell.region)
        mask, before = None, self._finished.get(key)
        if self._region is not None:
            mask = self._region.within(box)
            mask |= before is not None and (before.mask is None or before.mask)
        self._finished[key] = Part(box, None if mask is None or mask.all() else mask)


class NewestSink(MemorySink):
    """The newest label of each pixel: one of an earlier plan stays until a later one has its own.

    `predicted` says what the last plan has predicted.
    """

    def start(self, plan: TilePlan) -> None:
        """Begin a plan, or continue it; all plans are of one image."""
        before = getattr(self, "labels", None)
        if self._provenance != plan.provenance():
            self._provenance, self._finished = {}, {}
        super().start(plan)
        if before is not None and before.dtype == self.labels.dtype:
            self.labels = before


def _key(frame: dict[str, int], cell: Cell) -> tuple[int, ...]:
    """Names a cell among those of all frames."""
    stops = [side.stop for side in cell.region]
    return (*frame.values(), *cell.start, *stops)
