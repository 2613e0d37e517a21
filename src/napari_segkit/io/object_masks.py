"""Objects of which each has a mask of its own, as in the Data Science Bowl 2018."""

import numpy as np

from napari_segkit.images.notes import say_note
from napari_segkit.images.types import Labels

from .files import NO_COLOURS, read_labels
from .image_files import ImageFiles


def read_object_masks(files: ImageFiles, *, orientation: str = "") -> Labels:
    """Instance ids 1, 2, 3 ... in the order of the files: each is not 0 where its object is.

    Where masks overlap, the first keeps the pixels, and a warning says so.
    """
    masks = (
        np.asarray(read_labels(path, orientation=orientation, colours=NO_COLOURS)) != 0
        for path in files.paths
    )
    first = next(masks)
    ids = first.astype(np.uint16 if len(files.paths) < 2**16 else np.uint32)
    shared = 0
    for index, (path, mask) in enumerate(zip(files.paths[1:], masks, strict=True), start=2):
        if mask.shape != ids.shape:
            raise ValueError(
                f"{path} has shape {mask.shape} and {files.path} {ids.shape}: the masks of the "
                "objects of one image must have its shape."
            )
        shared += int((mask & (ids > 0)).sum())
        ids[mask & (ids == 0)] = index
    if shared:
        say_note(
            f"In {files.name}, {shared} pixels lie in several masks: the first keeps them.",
            stacklevel=3,
        )
    return ids
