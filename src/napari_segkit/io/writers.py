"""Writers of label and probability files, by file ending."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.images.types import AnyArray
from napari_segkit.images.units import UNKNOWN_SPACING, PixelSize, Spacing

from .class_record import record_with_classes
from .filenames import NIFTI, WRITTEN_TIFF, ending
from .geotiff import Tag
from .pictures import record_text
from .replace_file import Content
from .tiff import write_tiff

if TYPE_CHECKING:
    from .nifti.header import NiftiHeader

PROBABILITIES = (*WRITTEN_TIFF, *NIFTI, ".npy")  # endings of files that hold them
PALETTE_COLOURS = 256
LABELS = (*PROBABILITIES, ".png")


@dataclass(frozen=True)
class FileMetadata:
    """What a file stores with its values, as far as its format can."""

    axes: str
    spacing: Spacing = UNKNOWN_SPACING
    provenance: Mapping[str, object] = field(default_factory=dict)  # JSON-able
    header: "NiftiHeader | None" = None  # of the NIfTI file that the values were made from
    unit: str = ""  # of the spacing
    place: tuple[Tag, ...] = ()  # on the map, see `geotiff`
    classes: tuple[LabelClass, ...] = ()  # of the values, or of probabilities in their order
    palette: bool = False  # a PNG shows the class colours

    @property
    def pixel_size(self) -> PixelSize:
        return PixelSize(self.spacing, self.unit)

    @property
    def record(self) -> dict[str, object]:
        """What is stored as JSON."""
        return record_with_classes(self.provenance, self.classes)


def require_representable(path: Path, ndim: int, highest: int) -> None:
    """Check that a file can hold labels of `ndim` dimensions with values up to `highest`."""
    if ending(path) == ".png" and (ndim != 2 or highest >= 2**16):
        raise ValueError(
            f"Labels of {ndim} dimensions with values up to {highest} do not fit a PNG, which is "
            "2D and holds values up to 65535: choose a name ending in .tif."
        )


def array_content(path: Path, data: AnyArray, metadata: FileMetadata) -> Content:
    """What writes an array in the format of the file's ending."""
    if metadata.place and ending(path) not in WRITTEN_TIFF:
        warnings.warn(
            f"{path} does not keep the place of the image on the map (GeoTIFF): choose a name "
            "ending in .tif to keep it.",
            UserWarning,
            stacklevel=2,
        )
    return partial(_write_array, path, data, metadata)


def _write_array(path: Path, data: AnyArray, metadata: FileMetadata, file: BinaryIO) -> None:
    suffix = ending(path)
    if suffix in WRITTEN_TIFF:
        write_tiff(file, data, metadata.axes, metadata.pixel_size, metadata.record, metadata.place)
    elif suffix in NIFTI:
        _write_nifti(file, data, metadata, zipped=suffix == ".nii.gz")
    elif suffix == ".npy":
        np.save(file, data, allow_pickle=False)
    else:
        _write_png(file, data, metadata, path.name)


def _write_png(file: BinaryIO, data: AnyArray, metadata: FileMetadata, name: str) -> None:
    from PIL import Image

    small = data.astype(np.uint16) if data.itemsize > 2 else data
    picture = Image.fromarray(small)
    if metadata.palette and data.max(initial=0) < PALETTE_COLOURS:
        picture = Image.fromarray(data.astype(np.uint8))
        picture.putpalette(_palette(metadata.classes))
    elif metadata.palette:
        warnings.warn(
            f"The values of {name} reach {data.max()}, and a palette has {PALETTE_COLOURS} "
            "colours: it is written in greys.",
            UserWarning,
            stacklevel=4,
        )
    picture.save(file, format="PNG", pnginfo=record_text(metadata.record))


def _palette(classes: Iterable[LabelClass]) -> bytes:
    """Red, green and blue of every value; 0 is black, as napari shows it."""
    colors = {v: default_color(v) for v in range(1, PALETTE_COLOURS)}
    colors |= {c.value: c.color for c in classes if 0 < c.value < PALETTE_COLOURS}
    return bytes(3) + b"".join(bytes.fromhex(colors[v][1:]) for v in range(1, PALETTE_COLOURS))


def _write_nifti(file: BinaryIO, data: AnyArray, metadata: FileMetadata, *, zipped: bool) -> None:
    from .nifti.writer import matching_header, write_nifti

    axes, source = metadata.axes, matching_header(metadata.header, metadata.axes)
    spacing = dict(zip("ZYX", metadata.spacing, strict=True))
    write_nifti(
        file,
        data,
        axes,
        kind="probabilities" if data.dtype.kind == "f" else "labels",
        source=source,
        matrix=None if source else np.diag([*(spacing.get(a, 1.0) for a in axes), 1.0]),
        units=[metadata.unit if a in spacing else "" for a in axes],
        provenance=metadata.record,
        zipped=zipped,
    )
