"""Which of the predicted objects are kept."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked


@dataclass(frozen=True)
class ObjectConfig(Checked):
    """Which of the objects found are kept; it can be changed without predicting again.

    Parameters
    ----------
    score : float
        Objects that the model is less sure of are left out.
    mask_threshold : float
        From which probability on a pixel belongs to an object of Mask R-CNN or SOLO. Less makes
        objects larger, within their boxes.
    min_size : float
        Smaller objects are left out: their area, or the volume in 3D, in world units (pixels
        where the pixel size is not known).
    max_size : float or None
        Larger objects are left out. None: no limit.
    border : bool
        Keep objects that touch the image's border, which may be cut off there.
    link : float or None
        In a stack that is predicted slice by slice, objects of neighbouring slices that overlap
        by this IoU become one. None: each slice keeps objects of its own.
    """

    score: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.4
    mask_threshold: Annotated[float, {"min": 0.05, "max": 0.95, "step": 0.05}] = 0.5
    min_size: Annotated[float, {"min": 0.0, "max": 1e12, "step": 1.0}] = 0.0
    max_size: Annotated[float | None, {"min": 0.0, "max": 1e12, "step": 1.0}] = None
    border: bool = True
    link: Annotated[float | None, {"min": 0.05, "max": 0.95, "step": 0.05}] = 0.25
