"""Settings that select predicted objects."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked


@dataclass(frozen=True)
class ObjectConfig(Checked):
    """Which predicted objects are kept; can be changed without predicting again.

    Parameters
    ----------
    score : float
        Minimum confidence score of an object.
    mask_threshold : float
        Mask R-CNN and SOLO: pixels with at least this probability belong to the object. Lower
        values make objects larger, within their boxes.
    min_size : float
        Minimum area of an object (volume in 3D), in world units; in pixels if the pixel size is
        not known.
    max_size : float or None
        Maximum area of an object (volume in 3D). None: no limit.
    border : bool
        Keep objects that touch the image border, which may be cut off there.
    link : float or None
        Stacks predicted slice by slice: objects in neighbouring slices are linked to one object if
        their overlap (IoU) is at least this. None: objects of different slices stay separate.
    """

    score: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.4
    mask_threshold: Annotated[float, {"min": 0.05, "max": 0.95, "step": 0.05}] = 0.5
    min_size: Annotated[float, {"min": 0.0, "max": 1e12, "step": 1.0}] = 0.0
    max_size: Annotated[float | None, {"min": 0.0, "max": 1e12, "step": 1.0}] = None
    border: bool = True
    link: Annotated[float | None, {"min": 0.05, "max": 0.95, "step": 0.05}] = 0.25

    def __post_init__(self) -> None:
        """Check that the limits of the area leave room for objects."""
        super().__post_init__()
        if self.max_size is not None and self.min_size > self.max_size:
            raise ValueError(
                f"ObjectConfig.min_size is {self.min_size} and max_size {self.max_size}, so no "
                "object would be kept; give a max_size above min_size, or None."
            )
