"""What is known of the objects of an image without their pixels, and the table of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass

from .candidates import border_axes, kept_by_size, pixel_size

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class ObjectRows:
    """One row for each object, in the order of their ids from 1."""

    positions: NDArray[np.intp]  # class positions
    scores: NDArray[np.float32]
    pixels: NDArray[np.int64]
    boxes: NDArray[np.int64]  # (objects, axes of the labels, 2): first pixel and end
    stuff: NDArray[np.bool_] | None = None  # which are stuff; None: none

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, kept: NDArray[np.bool_]) -> "ObjectRows":
        """Some of the rows."""
        stuff = None if self.stuff is None else self.stuff[kept]
        return ObjectRows(
            self.positions[kept], self.scores[kept], self.pixels[kept], self.boxes[kept], stuff
        )

    def are_kept(self, image: AxesImage, ndim: int, config: ObjectConfig) -> NDArray[np.bool_]:
        """Which objects a config keeps by their size and at the border."""
        kept = kept_by_size(self.pixels, image, config)
        return kept & ~self._at_border(image, border_axes(ndim, config))

    def _at_border(self, image: AxesImage, along: str) -> NDArray[np.bool_]:
        """Which objects are at the ends of the image along some axes."""
        touching = np.zeros(len(self), bool)
        for axis, (name, length) in enumerate(
            zip(image.label_axes, image.label_shape, strict=True)
        ):
            if name in along and length > 1:
                start, stop = self.boxes[:, axis].T
                touching |= (start == 0) | (stop == length)
        return touching

    def table(self, image: AxesImage, classes: Sequence[LabelClass]) -> "DataFrame":
        """One row per object; columns as `results.Objects` describes."""
        from pandas import DataFrame

        columns: dict[str, object] = {
            "index": np.arange(1, len(self) + 1),
            "class": [classes[p].name for p in self.positions],
        }
        if self.stuff is not None:
            columns["kind"] = np.where(self.stuff, "stuff", "thing")
        columns["score"] = self.scores.round(4)
        columns["volume" if "Z" in image.axes else "area"] = self.pixels * pixel_size(image)
        columns["pixels"] = self.pixels
        dims = image.label_axes.lower()
        for end in (0, 1):
            columns |= {f"{a}{end}": self.boxes[:, i, end] for i, a in enumerate(dims)}
        return DataFrame(columns)


def numbers_of(kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The new number of each id from 0 on, consecutive for those that are kept, else 0."""
    return np.append(0, np.where(kept, np.cumsum(kept), 0)).astype(np.int32)
