"""One writer for each kind of file, and how a file takes its place at once."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .names import ending
from .tiff import Spacing, write_tiff

if TYPE_CHECKING:
    from .nifti_header import NiftiHeader

Writer = Callable[[BinaryIO, NDArray[Any], str, "About"], None]


@dataclass(frozen=True)
class About:
    """What a file says beside its values, as far as it has words for it.

    Parameters
    ----------
    spacing : tuple of float
        World units between pixels along Z, Y, X.
    provenance : dict
        JSON-able.
    header : NiftiHeader, optional
        Of the NIfTI file that the values were made from.
    """

    spacing: Spacing
    provenance: dict[str, Any]
    header: "NiftiHeader | None" = None


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
    if ending(path) == ".png" and (ndim != 2 or highest >= 2**16):
        raise ValueError(
            f"Labels of {ndim} dimensions with values up to {highest} do not fit a PNG, which is "
            "2D and holds values up to 65535: choose a name ending in .tif."
        )


def _write_png(file: BinaryIO, data: NDArray[Any], axes: str, about: About) -> None:
    from PIL import Image as Pictures
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("provenance", json.dumps(about.provenance))
    small = data.astype(np.uint16) if data.itemsize > 2 else data
    Pictures.fromarray(small).save(file, format="PNG", pnginfo=text)


def _write_npy(file: BinaryIO, data: NDArray[Any], axes: str, about: About) -> None:
    np.save(file, data, allow_pickle=False)


def _write_tiff(file: BinaryIO, data: NDArray[Any], axes: str, about: About) -> None:
    write_tiff(file, data, axes, about.spacing, about.provenance)


def _write_nifti(
    file: BinaryIO, data: NDArray[Any], axes: str, about: About, *, zipped: bool
) -> None:
    from .nifti_write import usable, write_nifti

    kept, steps = usable(about.header, axes), dict(zip("ZYX", about.spacing, strict=True))
    write_nifti(
        file,
        data,
        axes,
        kind="probabilities" if data.dtype.kind == "f" else "labels",
        kept=kept,
        matrix=None if kept else np.diag([*(steps.get(a, 1.0) for a in axes), 1.0]),
        provenance=about.provenance,
        zipped=zipped,
    )


PROBABILITIES: dict[str, Writer] = {
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".nii": partial(_write_nifti, zipped=False),
    ".nii.gz": partial(_write_nifti, zipped=True),
    ".npy": _write_npy,
}
LABELS: dict[str, Writer] = PROBABILITIES | {".png": _write_png}
