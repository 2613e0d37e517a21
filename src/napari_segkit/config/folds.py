"""Settings of a cross-validation."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked
from .training import HoldOut


@dataclass(frozen=True)
class FoldConfig(Checked):
    """How a training set is divided for a cross-validation.

    Parameters
    ----------
    folds : int
        Number of folds. So many models are trained, each without one fold, and evaluated on it;
        fewer where there are fewer groups, images or regions.
    over : str
        What is divided. "auto": groups where there are some, else images if there are three or
        more, else regions. "groups": subjects, slides or plates, never split. "images": whole
        images. "regions": parts of the images: slabs of stacks and volumes, blocks of dense labels,
        strokes of scribbles.
    """

    folds: Annotated[int, {"min": 2, "max": 50}] = 5
    over: HoldOut = "auto"
