"""Labels that some work has made, with everything that belongs to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .images.classes import LabelClass
from .images.orientation import reorient
from .images.regions import Region
from .images.types import AnyArray
from .instances.results import Objects


@dataclass(frozen=True)
class LabelResult:
    """Labels made by a prediction, a refinement or superpixels, and what belongs to them.

    Parameters
    ----------
    labels : ndarray
        Integers in the image's shape without its channel axis: class values, object ids or
        superpixel ids.
    axes : str
        Axes of the labels, such as "ZYX".
    classes : tuple of LabelClass
        The classes; empty for superpixels.
    provenance : dict
        How the labels were made, as values that JSON can hold.
    probabilities : ndarray or None
        float32 ``(classes, *labels.shape)``, if requested.
    objects : Objects or None
        The objects behind the ids, including candidates that were not selected.
    uncertainty : ndarray or None
        float32 in the labels' shape, from 0 (certain) to 1, if requested.
    predicted : Region or None
        Where there are results; labels and probabilities are 0 elsewhere. None: everywhere.
    is_partial : bool
        Whether some of what was asked for is missing, because the work was ended early.
    """

    labels: AnyArray
    axes: str
    classes: tuple[LabelClass, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    probabilities: NDArray[np.float32] | None = None
    objects: Objects | None = None
    uncertainty: NDArray[np.float32] | None = None
    predicted: Region | None = None
    is_partial: bool = False

    def reoriented(self, orientation: str, target: str) -> "LabelResult":
        """Reorient all arrays, for example from "SAR" to "LPI"."""
        if orientation == target or not (orientation and target):
            return self
        labels = np.ascontiguousarray(reorient(self.labels, self.axes, orientation, target))
        probabilities, uncertainty = [
            maps
            if maps is None
            else np.ascontiguousarray(reorient(maps, self.axes, orientation, target))
            for maps in (self.probabilities, self.uncertainty)
        ]
        objects = None if self.objects is None else self.objects.reoriented(target)
        predicted = self.predicted and self.predicted.reoriented(orientation, target)
        return replace(
            self,
            labels=labels,
            probabilities=probabilities,
            objects=objects,
            uncertainty=uncertainty,
            predicted=predicted,
        )
