"""What is held out of a training: images, or parts of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import LazyArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class HeldOutImage:
    """An image to score a model on; `mask` are the pixels that count, None all of them."""

    image: AxesImage
    values: LazyArray  # class values; or object ids, -1 not annotated
    mask: Mask | None = None


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What is held out of a training.

    Parameters
    ----------
    how : str or None
        "given": images that were given for validation. "groups", "images", "regions": chosen;
        "folds": each part in turn, and the model learns from all of them in the end. None:
        nothing is held out.
    about : str
        A sentence that says what is held out, or why nothing is.
    images : sequence of HeldOutImage
        What the model is scored on.
    masks : sequence of ndarray of bool or None
        For each image of the training, in the shape and orientation of its labels there, the
        pixels that are held out of it; None: none.
    """

    how: str | None
    about: str
    images: Sequence[HeldOutImage] = ()
    masks: Sequence[Mask | None] = ()


NOTHING = HeldOut(None, "No validation: it is switched off.")
