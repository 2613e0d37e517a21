"""One writer for each kind of file, and how a file takes its place at once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .filenames import ending
from .tiff import Spacing, write_tiff

if TYPE_CHECKING:
    from .nifti.header import NiftiHeader

Writer = Callable[[BinaryIO, NDArray[Any], str, "FileMetadata"], None]


@dataclass(frozen=True)
class FileMetadata:
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


def require_representable(path: Path, ndim: int, highest: int) -> None:
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


def _write_png(file: BinaryIO, data: NDArray[Any], axes: str, about: FileMetadata) -> None:
    from PIL import Image as Pictures
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("provenance", json.dumps(about.provenance))
    small = data.astype(np.uint16) if data.itemsize > 2 else data
    Pictures.fromarray(small).save(file, format="PNG", pnginfo=text)


def _write_npy(file: BinaryIO, data: NDArray[Any], axes: str, about: FileMetadata) -> None:
    np.save(file, data, allow_pickle=False)


def _write_tiff(file: BinaryIO, data: NDArray[Any], axes: str, about: FileMetadata) -> None:
    write_tiff(file, data, axes, about.spacing, about.provenance)


def _write_nifti(
    file: BinaryIO, data: NDArray[Any], axes: str, about: FileMetadata, *, zipped: bool
) -> None:
    from .nifti.writer import matching_header, write_nifti

    kept, steps = matching_header(about.header, axes), dict(zip("ZYX", about.spacing, strict=True))
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
