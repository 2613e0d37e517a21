"""The objects of an image: labels, and a table of what is known of each."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import AxesImage, turned
from napari_segkit.images.classes import LabelClass, values_of
from napari_segkit.images.orientation import turn

from .candidates import Candidates, SelectedObjects, boxes_of, pixel_size
from .properties import FLAT_ONLY, PROPERTIES, measure

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Objects:
    """Objects that a model found in an image.

    Parameters
    ----------
    candidates : Candidates
        Everything it found, before anything was left out.
    config : ObjectConfig
        What is kept of it.
    classes : tuple of LabelClass
        Class of each position; position 0 is background.
    image : AxesImage
        Axes, spacing and orientation of the image, as the model saw it.
    orientation : str
        How the labels are to lie, as in `data.orientation.turn`; "" as the model saw the image.

    Attributes
    ----------
    labels : ndarray
        int32 of the image's shape without its channel axis: 0 background, 1, 2, ... objects.
    table : pandas.DataFrame
        A row for each object: "index" (its label), "class", "kind" (only where areas without
        single objects are among them: "thing" or "stuff"), "score", "area" or, in 3D, "volume" in
        world units, "pixels", and its box in pixels: "y0", "x0", "y1", "x1" (the end not
        included; also "z0" and "t0" where there are such axes).
    """

    candidates: Candidates
    config: ObjectConfig
    classes: tuple[LabelClass, ...]
    image: AxesImage
    orientation: str = ""

    def __len__(self) -> int:
        """Number of objects."""
        return len(self._chosen.scores)

    @cached_property
    def _chosen(self) -> SelectedObjects:
        return self.candidates.select(self.config)

    @cached_property
    def _lies(self) -> AxesImage:
        """The image turned as the labels are to lie."""
        return turned(self.image, self.orientation)

    @cached_property
    def labels(self) -> NDArray[np.int32]:
        """One number for each object, as the class says."""
        axes, lies = self.image.label_axes, self.image.orientation
        return np.ascontiguousarray(turn(self._chosen.labels, axes, lies, self.orientation))

    @cached_property
    def table(self) -> "DataFrame":
        """What is known of each object, as the class says."""
        from pandas import DataFrame

        chosen, count = self._chosen, len(self)
        pixels = np.bincount(self.labels.ravel(), minlength=count + 1)[1:]
        named = [self.classes[p].name for p in chosen.positions]
        columns: dict[str, Any] = {"index": np.arange(1, count + 1), "class": named}
        if chosen.stuff is not None:
            columns["kind"] = np.where(chosen.stuff, "stuff", "thing")
        columns["score"] = chosen.scores.round(4)
        columns["volume" if "Z" in self.image.axes else "area"] = pixels * pixel_size(self.image)
        return DataFrame(columns | {"pixels": pixels} | self._boxes())

    def _boxes(self) -> dict[str, list[int]]:
        axes = self.image.label_axes.lower()
        boxes = [b for b in boxes_of(self.labels) if b is not None]
        return {f"{a}0": [b[i].start for b in boxes] for i, a in enumerate(axes)} | {
            f"{a}1": [b[i].stop for b in boxes] for i, a in enumerate(axes)
        }

    @property
    def values(self) -> NDArray[np.int64]:
        """Class value of each label, that of background first."""
        known = np.array([c.value for c in self.classes], np.int64)
        return known[np.append(0, self._chosen.positions)]

    def filtered(self, config: ObjectConfig) -> "Objects":
        """The same objects with other thresholds; nothing is predicted again.

        Parameters
        ----------
        config : ObjectConfig
            What is to be kept; it may be more than now.
        """
        return replace(self, config=config)

    def lying(self, orientation: str) -> "Objects":
        """The same objects in an image that lies another way."""
        return replace(self, orientation=orientation)

    def combined(
        self, classes: Collection[str | int] | str | None = None, *, as_one: bool = False
    ) -> NDArray[np.unsignedinteger[Any]]:
        """The masks of chosen classes as classes of pixels.

        Parameters
        ----------
        classes : collection of str or int, or str, optional
            Names or values of classes, or one name. None: all.
        as_one : bool
            One mask for all of them, of value 1; else each pixel has the value of its class.

        Returns
        -------
        ndarray
            Unsigned integers of the labels' shape, 0 where there is none of them.

        Raises
        ------
        ValueError
            If there is no such class; the message lists those there are.
        """
        known = self.classes[1:]
        wanted = [c.value for c in known] if classes is None else values_of(classes, known)
        kept = np.where(np.isin(self.values, wanted), 1 if as_one else self.values, 0)
        kept[0] = 0
        return kept.astype(np.min_scalar_type(max(int(kept.max()), 256)))[self.labels]

    def measured(self, *properties: str) -> "DataFrame":
        """The table with further columns, as scikit-image's `regionprops` measures them.

        Parameters
        ----------
        *properties : str
            Of "centroid", "axis_major_length", "axis_minor_length", "equivalent_diameter_area",
            "extent", "solidity", and in 2D "eccentricity", "orientation", "perimeter"; in world
            units. None of them: all.

        Returns
        -------
        DataFrame
            A row for each object, as in `table`. Not a number stands where a property has no
            meaning: for what lies in several frames, for "perimeter" where pixels are not square,
            and for "solidity" of what is flat in a volume.

        Raises
        ------
        ValueError
            If there is no such property, or it is not known in 3D.
        """
        volume = "Z" in self.image.axes
        known = [p for p in PROPERTIES if not (volume and p in FLAT_ONLY)]
        unknown = [p for p in properties if p not in known]
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)} cannot be measured here; choose among {', '.join(known)}."
            )
        return measure(self.table, self.labels, self._lies, properties or known)

    def outlines(self) -> list[NDArray[np.float64]]:
        """The box of each object as a rectangle, for a Shapes layer.

        Returns
        -------
        list of ndarray
            ``(4, dimensions)`` corners in pixels of the labels; of an object in several slices,
            in the middle one.
        """
        axes = self.image.label_axes.lower()
        corners = []
        for row in self.table.itertuples():
            first = {a: getattr(row, f"{a}0") for a in axes}
            last = {a: getattr(row, f"{a}1") - 1 for a in axes}
            middle = [(first[a] + last[a]) // 2 for a in axes]
            corner = np.array([middle] * 4, np.float64)
            y, x = axes.index("y"), axes.index("x")
            corner[:, y] = [first["y"] - 0.5, first["y"] - 0.5, last["y"] + 0.5, last["y"] + 0.5]
            corner[:, x] = [first["x"] - 0.5, last["x"] + 0.5, last["x"] + 0.5, first["x"] - 0.5]
            corners.append(corner)
        return corners
