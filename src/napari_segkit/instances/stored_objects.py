"""Objects whose labels lie in a file that is larger than memory."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import reorient_image

from .candidates import SelectedObjects
from .object_rows import ObjectRows
from .results import Objects

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class StoredCandidates:
    """Objects that were selected when they were written."""

    rows: ObjectRows
    labels: Any  # an array that is read when it is sliced

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions of all candidates."""
        return np.unique(self.rows.positions)

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """All of them."""
        rows = self.rows
        return SelectedObjects(self.labels, rows.positions, rows.scores, rows.stuff)


@dataclass(frozen=True, eq=False)
class StoredObjects(Objects):
    """Objects that were written by ``predict_objects(..., out=...)``.

    `labels` is the array of the file, of which only what is asked for is read. The other attributes
    and methods of `Objects` that need the labels read all of them.
    """

    candidates: StoredCandidates

    @property
    def labels(self) -> Any:
        """Instance ids: 0 background, 1, 2, ... objects; read when sliced."""
        return self.candidates.labels

    @property
    def table(self) -> "DataFrame":
        """One row per object; columns as `Objects` describes."""
        return self.candidates.rows.table(self.image, self.classes)

    @property
    def _boxes(self) -> NDArray[np.int64]:
        return self.candidates.rows.boxes

    def placed(self, labels: Any, orientation: str) -> "StoredObjects":
        """The same objects with their labels in another orientation."""
        rows = self.candidates.rows.reoriented(self.image, orientation)
        image = reorient_image(self.image, orientation)
        return replace(self, candidates=StoredCandidates(rows, labels), image=image)

    def filtered(self, config: ObjectConfig) -> Objects:
        """Refuse other thresholds: what was left out is not kept in a file."""
        raise ValueError(
            "Objects that were written into a file keep the thresholds that they were predicted "
            "with: predict them again with the ObjectConfig that is wanted."
        )
