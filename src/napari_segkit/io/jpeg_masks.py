"""Masks saved as JPEG, which changes their values."""

from pathlib import Path

import numpy as np

from napari_segkit.images.binary_masks import is_smeared_mask, threshold_mask
from napari_segkit.images.notes import say_note
from napari_segkit.images.types import LazyArray

from .pictures import JPEG


def without_smears(stored: LazyArray, file: Path) -> LazyArray:
    """Values of a mask of 0 and 255 as they were before JPEG changed them; others are refused."""
    if file.suffix.lower() not in JPEG:
        return stored
    values = np.asarray(stored)
    if np.isin(values, (0, 255)).all():
        return values
    if not is_smeared_mask(values):
        raise ValueError(
            f"{file.name} is saved as JPEG, which changes values, and it is no mask of 0 and 255, "
            "so its classes or ids cannot be told apart: save the mask as PNG or TIFF."
        )
    say_note(
        f"{file.name} is a 0/255 mask saved as JPEG, which changes values: those above 127 become "
        "255, others 0.",
        stacklevel=3,
    )
    return threshold_mask(values)
