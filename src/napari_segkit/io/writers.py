"""Writers of label and probability files, by file ending."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from napari_segkit.images.types import AnyArray

from .filenames import ending
from .tiff import Spacing, write_tiff

if TYPE_CHECKING:
    from .nifti.header import NiftiHeader

Writer = Callable[[BinaryIO, AnyArray, str, "FileMetadata"], None]


@dataclass(frozen=True)
class FileMetadata:
    """What a file stores with its values, as far as its format can."""

    spacing: Spacing
    provenance: Mapping[str, object]  # JSON-able
    header: "NiftiHeader | None" = None  # of the NIfTI file that the values were made from


def require_representable(path: Path, ndim: int, highest: int) -> None:
    """Check that a file can hold labels of `ndim` dimensions with values up to `highest`."""
    if ending(path) == ".png" and (ndim != 2 or highest >= 2**16):
        raise ValueError(
            f"Labels of {ndim} dimensions with values up to {highest} do not fit a PNG, which is "
            "2D and holds values up to 65535: choose a name ending in .tif."
        )


def _write_png(file: BinaryIO, data: AnyArray, axes: str, metadata: FileMetadata) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("provenance", json.dumps(metadata.provenance))
    small = data.astype(np.uint16) if data.itemsize > 2 else data
    Image.fromarray(small).save(file, format="PNG", pnginfo=text)


def _write_npy(file: BinaryIO, data: AnyArray, axes: str, metadata: FileMetadata) -> None:
    np.save(file, data, allow_pickle=False)


def _write_tiff(file: BinaryIO, data: AnyArray, axes: str, metadata: FileMetadata) -> None:
    write_tiff(file, data, axes, metadata.spacing, metadata.provenance)


def _write_nifti(
    file: BinaryIO, data: AnyArray, axes: str, metadata: FileMetadata, *, zipped: bool
) -> None:
    from .nifti.writer import matching_header, write_nifti

    source = matching_header(metadata.header, axes)
    spacing = dict(zip("ZYX", metadata.spacing, strict=True))
    write_nifti(
        file,
        data,
        axes,
        kind="probabilities" if data.dtype.kind == "f" else "labels",
        source=source,
        matrix=None if source else np.diag([*(spacing.get(a, 1.0) for a in axes), 1.0]),
        provenance=metadata.provenance,
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
