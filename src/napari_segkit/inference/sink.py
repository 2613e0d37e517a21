"""Where the pixels of a prediction go."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage, without_pixels
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.tiling import Cell

from .plan import TilePlan


class Sink(Protocol):
    """Takes predicted labels cell by cell and knows which are finished.

    A prediction can be stopped and continued with the same sink: finished cells are not predicted
    again. A sink that calls all cells outside a view finished has the view predicted only. Arrays
    have the axes of the plan's original image without C.
    """

    labels: AnyArray  # values of classes; those of unfinished cells may be anything
    probabilities: NDArray[np.float32] | None  # (classes, *labels.shape); None: not kept

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


class MemorySink:
    """Labels in memory, probabilities if they are to be kept, and uncertainty if there is any.

    Parameters
    ----------
    keep_probabilities : bool
        Keep the probabilities of all classes at every pixel: 4 bytes for each.
    """

    labels: AnyArray
    probabilities: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None

    def __init__(self, *, keep_probabilities: bool = False) -> None:
        self._keep_probabilities = keep_probabilities
        self._image: AxesImage | None = None
        self._provenance: dict[str, object] = {}
        self._finished: set[tuple[int, ...]] = set()

    def start(self, plan: TilePlan) -> None:
        """Allocate the arrays, or continue; ValueError if begun with another plan.

        Images are compared by name, axes, shape and the intensities that scale them.
        """
        provenance = plan.provenance()
        if self._image is not None:
            if provenance != self._provenance:
                raise ValueError(
                    "This sink holds the prediction of another image, by another model or with "
                    "other settings: give a new one."
                )
            return
        shape, model = plan.original.label_shape, plan.model
        self._image, self._provenance = without_pixels(plan.original), provenance
        self.labels = np.zeros(shape, np.min_scalar_type(max(model.values)))
        if self._keep_probabilities:
            self.probabilities = np.zeros((len(model.classes), *shape), np.float32)
        if plan.settings.uncertainty:
            self.uncertainty = np.zeros(shape, np.float32)

    def is_finished(self, frame: dict[str, int], cell: Cell) -> bool:
        """Whether a cell of a frame is written."""
        return (*frame.values(), *cell.start) in self._finished

    def write(
        self,
        frame: dict[str, int],
        cell: Cell,
        labels: Labels,
        probabilities: NDArray[np.float32] | None,
    ) -> None:
        """Store the labels of a cell, and its probabilities if they are kept."""
        if self._image is None:
            raise RuntimeError("start this sink with a plan first.")
        self._image.write(self.labels, frame, labels, cell.region)
        if self.probabilities is not None and probabilities is not None:
            self._image.write(self.probabilities, frame, probabilities, cell.region)
        self._finished.add((*frame.values(), *cell.start))

    def write_uncertainty(
        self, frame: dict[str, int], cell: Cell, uncertainty: NDArray[np.float32]
    ) -> None:
        """Store the uncertainty of a cell."""
        if self._image is not None and self.uncertainty is not None:
            self._image.write(self.uncertainty, frame, uncertainty, cell.region)
