"""Groups and empty arrays of OME-Zarr images, one array for each level."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from napari_segkit.images.units import PixelSize

from .coarse_levels import level_factors
from .ome_written import image_attributes, joined

if TYPE_CHECKING:
    import zarr

KEYS: dict[int, Any] = {
    3: {"name": "default", "separator": "/"},
    2: {"name": "v2", "separator": "/"},
}


@dataclass(frozen=True)
class Layout:
    """How an array lies in its files: a file is a chunk, or a shard of several."""

    axes: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None

    def coarser(self, factors: Mapping[str, int]) -> "Layout":
        """The same for a coarse level; no chunk is larger than the array."""
        by = [factors.get(axis, 1) for axis in self.axes]
        shape = tuple(ceil(n / f) for n, f in zip(self.shape, by, strict=True))
        chunks = tuple(map(min, self.chunks, shape))
        if self.shards is None:
            return Layout(self.axes, shape, chunks)
        several = zip(chunks, self.chunks, self.shards, strict=True)
        return Layout(self.axes, shape, chunks, tuple(c * (s // o) for c, o, s in several))

    def with_classes(self, axes: str, count: int, *, in_one_file: bool) -> "Layout":
        """The same for one map of each class: a chunk has one class, a file all if it may."""
        at = axes.index("C")

        def inserted(lengths: tuple[int, ...], length: int) -> tuple[int, ...]:
            return (*lengths[:at], length, *lengths[at:])

        shards = inserted(self.chunks, count) if in_one_file else None
        return Layout(axes, inserted(self.shape, count), inserted(self.chunks, 1), shards)


def make_group(
    folder: Path, place: str, zarr_format: Any, attributes: Mapping[str, Any]
) -> "zarr.Group":
    """A group in a folder; its format is 2 or 3."""
    import zarr
    from zarr.storage import LocalStore

    return zarr.create_group(
        LocalStore(folder), path=place, zarr_format=zarr_format, attributes=dict(attributes)
    )


def make_image(
    folder: Path,
    place: str,
    zarr_format: int,
    layout: Layout,
    dtype: DTypeLike,
    size: PixelSize,
    *attributes: Mapping[str, Any],
    name: str,
    centred: bool,
) -> None:
    """A group with an empty array for each level, called "0", "1", ..., and further attributes."""
    factors = level_factors(layout.axes, layout.shape, size.spacing)
    about = image_attributes(name, layout.axes, size, factors, zarr_format, centred=centred)
    group = make_group(folder, place, zarr_format, joined(about, *attributes))
    for level, by in enumerate(factors):
        at_level = layout.coarser(by)
        group.create_array(
            str(level),
            shape=at_level.shape,
            chunks=at_level.chunks,
            shards=at_level.shards,
            dtype=np.dtype(dtype),
            fill_value=0,
            compressors=_compressor(np.dtype(dtype), zarr_format),
            chunk_key_encoding=KEYS[zarr_format],
            dimension_names=list(layout.axes.lower()) if zarr_format == 3 else None,
        )


def _compressor(dtype: np.dtype, zarr_format: int) -> Any:
    """Quick ones: labels are few values, and of floating point numbers the high bytes are alike."""
    if zarr_format == 2:
        from numcodecs import Blosc

        return Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE)
    from zarr.codecs import BloscCodec, ZstdCodec

    if dtype.kind == "f":
        return BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=dtype.itemsize)
    return ZstdCodec(level=1)
