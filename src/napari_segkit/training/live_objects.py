"""Objects that are painted while a model is trained on them: their ids and classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.label_ids import label_components

from .live_image import Box, LiveImage, within

UNKNOWN = "end the training and start it anew to learn a new class"


class LiveObjects:
    """Ids of painted objects, over all images.

    `class_of` is the position of the class of each id, `value_of` its label value; both grow.
    """

    def __init__(
        self,
        config: TrainConfig,
        classes: Sequence[LabelClass],
        class_of: NDArray[np.intp],
        value_of: NDArray[np.int64],
    ) -> None:
        self.are_classes = config.labels_are == "classes"
        self.unlabelled = None if config.unlabelled == 0 else config.unlabelled
        self.positions = {c.value: position for position, c in enumerate(classes)}
        self.class_of, self.value_of = class_of, value_of

    def indices(self, ids: AnyArray) -> NDArray[np.int16]:
        """Position of the class of each pixel, -1 where it is not annotated."""
        return np.where(ids < 0, IGNORE, self.class_of[np.maximum(ids, 0)]).astype(np.int16)

    def painted(self, own: LiveImage, box: Box, values: AnyArray) -> tuple[Box, AnyArray]:
        """The ids of what was painted in a box, or of the whole frames around it."""
        if not self.are_classes:
            return box, self._ids_of_values(own, own.values[box], values)
        frames = own.whole_frames(box)
        ids = own.values[frames]
        shown = self._values(ids)
        inside = within(box, frames)
        is_fixed = self._is_outside(ids[inside])
        shown[inside] = np.where(is_fixed, shown[inside], values)
        return frames, self._ids_of_components(own, ids, shown)

    def _values(self, ids: AnyArray) -> AnyArray:
        """Label values, as they are painted."""
        values = self.value_of[np.maximum(ids, 0)]
        return values if self.unlabelled is None else np.where(ids < 0, self.unlabelled, values)

    def _is_outside(self, ids: AnyArray) -> AnyArray:
        """Pixels out of the annotated regions: nothing that is painted there counts."""
        return (ids < 0) & (self.unlabelled is None)

    def _ids_of_values(self, own: LiveImage, ids: AnyArray, values: AnyArray) -> AnyArray:
        """Ids where each value is an object."""
        changed = (values != self._values(ids)) & ~self._is_outside(ids)
        new = ids.copy()
        for value in np.unique(values[changed]).tolist():
            new[changed & (values == value)] = self._id_of(own, value)
        return new

    def _id_of(self, own: LiveImage, value: int) -> int:
        """The id of a value in an image, a new one if there is no such object."""
        if value in (0, self.unlabelled):
            return 0 if value == 0 else IGNORE
        if own.id_of is None:
            present = np.unique(own.values)
            own.id_of = {int(self.value_of[n]): int(n) for n in present[present > 0]}
        if value in own.id_of:
            return own.id_of[value]
        if len(self.positions) > 2:
            raise ValueError(
                f"The labels hold a new object, {value}, and nothing says which of the classes it "
                "has: end the training, give the object a class and start anew."
            )
        own.id_of[value] = int(self._new_ids(np.array([value]), np.ones(1, np.intp))[0])
        return own.id_of[value]

    def _ids_of_components(self, own: LiveImage, ids: AnyArray, shown: AnyArray) -> AnyArray:
        """Ids where values are classes: each component is one; those that are as before keep it."""
        left_out = ids < 0 if self.unlabelled is None else shown == self.unlabelled
        shown = np.where(left_out, 0, shown)
        components = label_components(shown, own.axes, own.ndim)
        count = int(components.max(initial=0))
        numbers = np.arange(1, count + 1)
        _, first = np.unique(components, return_index=True)
        values = shown.ravel()[first[len(first) - count :]]
        low, high = (
            np.asarray(extreme(ids, components, numbers), np.int64)
            for extreme in (ndimage.minimum, ndimage.maximum)
        )
        size = np.bincount(components.ravel(), minlength=count + 1)[1:]
        before = np.bincount(np.maximum(ids, 0).ravel(), minlength=len(self.value_of))
        is_known = (low == high) & (low > 0) & (size == before[np.maximum(low, 0)])
        is_known &= self.value_of[np.maximum(low, 0)] == values
        table = np.append(0, low)
        table[1:][~is_known] = self._new_ids(values[~is_known], self._positions(values[~is_known]))
        return np.where(left_out, IGNORE, table[components]).astype(ids.dtype)

    def _positions(self, values: AnyArray) -> NDArray[np.intp]:
        unknown = [v for v in np.unique(values).tolist() if v not in self.positions]
        if unknown:
            raise ValueError(f"The model has no class {unknown[0]}: {UNKNOWN}.")
        return np.array([self.positions[v] for v in values.tolist()], np.intp)

    def _new_ids(self, values: AnyArray, positions: NDArray[np.intp]) -> AnyArray:
        first = len(self.class_of)
        self.class_of = np.append(self.class_of, positions)
        self.value_of = np.append(self.value_of, values)
        return np.arange(first, first + len(values))
