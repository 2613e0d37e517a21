"""One writer for each kind of file, and how a file takes its place at once."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .tiff import Spacing, write_tiff

Writer = Callable[[BinaryIO, NDArray[Any], str, Spacing, dict[str, Any]], None]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside `path` that takes its place once it is complete.

    Parameters
    ----------
    path : Path
        The file to make or replace; an error leaves it as it was.

    Yields
    ------
    binary file
        Open for writing.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def unsigned(values: NDArray[Any]) -> NDArray[Any]:
    """Give label values an unsigned type that files can hold.

    Parameters
    ----------
    values : ndarray of int
        0 or more, below 2**32.

    Returns
    -------
    ndarray
        uint8, uint16 or uint32; as it is where it has one of these types.

    Raises
    ------
    ValueError
        If they are no such integers.
    """
    if not np.issubdtype(values.dtype, np.integer) or (values.size and values.min() < 0):
        raise ValueError(f"Labels of dtype {values.dtype} must be integers of 0 or more.")
    if values.size and values.max() >= 2**32:
        raise ValueError(f"The label value {values.max()} is too large for a file of labels.")
    if values.dtype in (np.uint8, np.uint16, np.uint32):
        return values
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def require_fit(path: Path, ndim: int, highest: int) -> None:
    """Refuse labels that a file of this ending cannot hold.

    Parameters
    ----------
    path : Path
        Where they are to be written.
    ndim, highest : int
        Their number of dimensions and their highest value.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    if path.suffix.lower() == ".png" and (ndim != 2 or highest >= 2**16):
        raise ValueError(
            f"Labels of {ndim} dimensions with values up to {highest} do not fit a PNG, which is "
            "2D and holds values up to 65535: choose a name ending in .tif."
        )


def _write_png(
    file: BinaryIO, data: NDArray[Any], axes: str, spacing: Spacing, provenance: dict[str, Any]
) -> None:
    from PIL import Image as Pictures
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("provenance", json.dumps(provenance))
    small = data.astype(np.uint16) if data.itemsize > 2 else data
    Pictures.fromarray(small).save(file, format="PNG", pnginfo=text)


def _write_npy(
    file: BinaryIO, data: NDArray[Any], axes: str, spacing: Spacing, provenance: dict[str, Any]
) -> None:
    np.save(file, data, allow_pickle=False)


PROBABILITIES: dict[str, Writer] = {".tif": write_tiff, ".tiff": write_tiff, ".npy": _write_npy}
LABELS: dict[str, Writer] = PROBABILITIES | {".png": _write_png}
