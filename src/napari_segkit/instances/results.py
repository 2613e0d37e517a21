"""The objects of an image: labels, and a table with a row for each object."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.arguments import require_type
from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import AxesImage, reorient_image
from napari_segkit.images.classes import LabelClass, values_of
from napari_segkit.images.orientation import reorient

from .candidates import Candidates, SelectedObjects
from .object_rows import ObjectRows
from .properties import ONLY_2D, PROPERTIES, measure_properties

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Objects:
    """Objects that a model found in an image, as `Segmenter.predict_objects` returns them.

    Parameters
    ----------
    candidates : Candidates
        All predicted objects, before any threshold.
    config : ObjectConfig
        Thresholds: which of them are kept.
    classes : tuple of LabelClass
        Class of each position; position 0 is background.
    image : AxesImage
        Axes, spacing and orientation of the image as it was predicted.
    orientation : str
        Axis directions of `labels`, such as "SPR"; "" as the image was predicted.

    Attributes
    ----------
    labels : ndarray
        int32 of the image's shape without its channel axis: 0 background, 1, 2, ... objects.
    table : pandas.DataFrame
        A row for each object: "index" (its label), "class", "kind" ("thing" or "stuff", only in
        panoptic results), "score", "area" or, in 3D, "volume" in world units, "pixels", and its
        bounding box in pixels: "y0", "x0", "y1", "x1" (end exclusive; also "z0" and "t0" where
        there are such axes).
    """

    candidates: Candidates
    config: ObjectConfig
    classes: tuple[LabelClass, ...]
    image: AxesImage
    orientation: str = ""

    def __len__(self) -> int:
        """Number of objects."""
        return len(self._selected.scores)

    @cached_property
    def _selected(self) -> SelectedObjects:
        return self.candidates.select(self.config)

    @cached_property
    def _oriented_image(self) -> AxesImage:
        """The image in the orientation of the labels."""
        return reorient_image(self.image, self.orientation)

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """Instance ids, int32: 0 background, 1, 2, ... objects."""
        labels, axes = self._selected.labels, self.image.label_axes
        return np.ascontiguousarray(
            reorient(labels, axes, self.image.orientation, self.orientation)
        )

    @cached_property
    def table(self) -> "DataFrame":
        """One row per object; columns as the class describes."""
        selected = self._selected
        pixels = np.bincount(self.labels.ravel(), minlength=len(self) + 1)[1:]
        rows = ObjectRows(selected.positions, selected.scores, pixels, self._boxes, selected.stuff)
        return rows.table(self.image, self.classes)

    @property
    def _dims(self) -> str:
        return self.image.label_axes.lower()

    @cached_property
    def _boxes(self) -> NDArray[np.int64]:
        """First pixel and end of each object along each axis, ``(objects, axes, 2)``."""
        from scipy.ndimage import find_objects

        boxes = [[(s.start, s.stop) for s in box] for box in find_objects(self.labels) if box]
        return np.array(boxes, np.int64).reshape(-1, self.labels.ndim, 2)

    @property
    def values(self) -> NDArray[np.int64]:
        """Class value of each label, that of background first."""
        values = np.array([c.value for c in self.classes], np.int64)
        return values[np.append(0, self._selected.positions)]

    @property
    def class_labels(self) -> NDArray[np.int32]:
        """Class value of every pixel, in the shape of `labels`."""
        return self.values.astype(np.int32)[self.labels]

    def filtered(self, config: ObjectConfig) -> "Objects":
        """The same objects with other thresholds; nothing is predicted again.

        Parameters
        ----------
        config : ObjectConfig
            Thresholds; they may keep more objects than now.

        Returns
        -------
        Objects
            With other labels and another table.
        """
        require_type("config", config, ObjectConfig)
        return replace(self, config=config)

    def reoriented(self, orientation: str) -> "Objects":
        """The same objects with labels in another orientation."""
        return replace(self, orientation=orientation)

    def combined(
        self, classes: Collection[str | int] | str | None = None, *, as_one: bool = False
    ) -> NDArray[np.unsignedinteger]:
        """Semantic labels of selected classes.

        Parameters
        ----------
        classes : collection of str or int, or str, optional
            Names or values of classes, or one name. None: all.
        as_one : bool
            One mask of value 1 for all of them; else each pixel has the value of its class.

        Returns
        -------
        ndarray
            Unsigned integers of the shape of `labels`, 0 elsewhere.

        Raises
        ------
        ValueError
            If there is no such class; the message lists the available ones.
        """
        available = self.classes[1:]
        chosen = [c.value for c in available] if classes is None else values_of(classes, available)
        values = np.where(np.isin(self.values, chosen), 1 if as_one else self.values, 0)
        values[0] = 0
        return values.astype(np.min_scalar_type(max(int(values.max()), 256)))[self.labels]

    def measured(self, *properties: str) -> "DataFrame":
        """The table with further columns, as scikit-image's `regionprops` measures them.

        Parameters
        ----------
        *properties : str
            Of "centroid", "axis_major_length", "axis_minor_length", "equivalent_diameter_area",
            "extent", "solidity", and in 2D "eccentricity", "orientation", "perimeter"; in world
            units. None: all.

        Returns
        -------
        DataFrame
            A row for each object, as in `table`. nan where a property is undefined: for objects in
            several frames, for "perimeter" where pixels are not square, and for "solidity" of
            objects that are flat in 3D.

        Raises
        ------
        ValueError
            If a property is unknown, or not available in 3D.
        """
        is_volume = "Z" in self.image.axes
        available = [p for p in PROPERTIES if not (is_volume and p in ONLY_2D)]
        unknown = [p for p in properties if p not in available]
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)} cannot be measured here; choose among "
                f"{', '.join(available)}."
            )
        return measure_properties(
            self.table, self.labels, self._oriented_image, properties or available
        )

    def outlines(self) -> list[NDArray[np.float64]]:
        """The bounding boxes as rectangles, for a Shapes layer.

        Returns
        -------
        list of ndarray
            ``(4, dimensions)`` corners in pixels of the labels; of an object in several slices, in
            the middle one.
        """
        middle = (self._boxes.sum(axis=2) - 1) // 2
        corners = np.repeat(middle[:, None].astype(np.float64), 4, axis=1)
        for axis, ends in (("y", [0, 0, 1, 1]), ("x", [0, 1, 1, 0])):
            dim = self._dims.index(axis)
            corners[..., dim] = self._boxes[:, dim, ends] - 0.5
        return list(corners)
