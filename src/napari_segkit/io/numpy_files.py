"""Arrays of NumPy's own files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from napari_segkit.images.notes import say_note
from napari_segkit.images.types import AnyArray

IMAGE_NAMES = ("image", "images", "img", "raw", "data", "x")
LABEL_NAMES = ("labels", "label", "mask", "masks", "seg", "segmentation", "truth", "gt", "y")


def read_npy(path: Path, *, labels: bool) -> AnyArray:
    """An array; of images only what is used is read from disk."""
    with _without_objects():
        array: AnyArray = np.load(path, None if labels else "r", allow_pickle=False)
    return _checked(array)


def read_npz(path: Path, *, labels: bool) -> AnyArray:
    """The only array of two dimensions or more, or the one with a usual name; others are said."""
    with np.load(path, allow_pickle=False) as file, _without_objects():
        arrays = {name: file[name] for name in file.files}
    usual = LABEL_NAMES if labels else IMAGE_NAMES
    possible = [name for name, array in arrays.items() if array.ndim > 1]
    chosen = possible if len(possible) == 1 else [n for n in possible if n.lower() in usual]
    listed = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    if len(chosen) != 1:
        raise ValueError(
            f"of its arrays ({listed}) it is not clear which one is meant: name it {usual[0]}, or "
            "save it in a file of its own"
        )
    if len(arrays) > 1:
        say_note(
            f"{path} holds {len(arrays)} arrays ({listed}): {chosen[0]} was read.", stacklevel=2
        )
    return _checked(arrays[chosen[0]])


@contextmanager
def _without_objects() -> Iterator[None]:
    """Name Python objects, which NumPy can only unpickle, in place of its own advice."""
    try:
        yield
    except ValueError as error:
        if "bject" in str(error):
            raise ValueError("it holds Python objects: save one array of numbers") from error
        raise


def _checked(array: AnyArray) -> AnyArray:
    if array.dtype.kind not in "biufc":
        raise ValueError(f"it holds {array.dtype}, not numbers: save one array of numbers")
    if array.ndim < 2:
        raise ValueError(
            f"its array has shape {array.shape}, but images and masks have two dimensions or more"
        )
    return array
