"""Settings of measurements."""

from dataclasses import dataclass
from typing import Annotated, Literal

from ._schema import Checked

MeasureBy = Literal["class", "object", "component"]


@dataclass(frozen=True)
class MeasureConfig(Checked):
    """What is measured of labels, and of the image below them.

    Parameters
    ----------
    by : str
        What has a row in the table. "class": each label value. "object": each label value, which
        is the id of an object; 0 is background. "component": each connected component of a class;
        components that touch at a corner are one.
    unlabelled : int or None
        The label value that is not measured: the background, or what was not painted. None: every
        value is measured; of objects and components, 0 is background all the same.
    slices : bool
        A row for each Z slice of a volume, with areas; otherwise one for the volume.
    shape : bool
        Also lengths of the axes, equivalent diameter, extent and solidity, in 2D eccentricity,
        orientation and perimeter, as scikit-image defines them. Takes longer.
    neighbours : bool
        Also the values that share an edge of a pixel (a face of a voxel): how many, and which.
    """

    by: MeasureBy = "class"
    unlabelled: Annotated[int | None, {"min": 0, "max": 2**31 - 1}] = 0
    slices: bool = False
    shape: bool = False
    neighbours: bool = False
