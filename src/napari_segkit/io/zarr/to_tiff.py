"""Arrays of zarr as a tiled and compressed BigTIFF with a pyramid, written band by band."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from math import ceil, prod
from pathlib import Path
from queue import Full, Queue
from typing import Any

import numpy as np

from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.io.tiff import resolution_tags, tiff_metadata
from napari_segkit.io.writers import FileMetadata
from napari_segkit.steps import Step

TILE = 512  # pixels along Y and X, the last two axes
BANDS_AHEAD = 2
REDUCED = 1  # subfile type of a coarse level

Tiles = Iterator[AnyArray]


def write_tiff_pyramid(
    file: Path, levels: Sequence[LazyArray], metadata: FileMetadata, *, overwrite: bool = False
) -> Generator[Step, None, None]:
    """Write the levels of an image, the finest first, with the metadata of other TIFF files.

    What OME-TIFF cannot describe, such as an axis of length 1, gets no coarse levels.
    """
    import tifffile

    size, finest = metadata.pixel_size, _Unsigned(levels[0])
    ome, described = tiff_metadata(finest, metadata.axes, size, metadata.record)
    levels = [finest, *map(_Unsigned, levels[1:])] if ome else [finest]
    total, done = sum(map(_band_count, levels)), 0
    with (
        atomic_write(file, overwrite=overwrite) as stream,
        tifffile.TiffWriter(stream, bigtiff=True, ome=ome) as writer,
    ):
        for number, level in enumerate(levels):

            def write(tiles: Tiles, level: LazyArray = level, is_finest: bool = not number) -> None:
                writer.write(
                    tiles,
                    shape=level.shape,
                    dtype=level.dtype,
                    tile=(TILE, TILE),
                    compression="zlib",
                    photometric="minisblack",
                    subifds=len(levels) - 1 if is_finest else None,
                    subfiletype=0 if is_finest else REDUCED,
                    metadata=described if is_finest else None,
                    extratags=metadata.place if is_finest else (),
                    **(resolution_tags(size) if is_finest else {}),
                )

            for _ in _in_thread(write, _bands(level)):
                done += 1
                yield Step(done, total)


class _Unsigned:
    """An array whose signed integers, all 0 or more, are stored as unsigned ones."""

    def __init__(self, array: LazyArray) -> None:
        self._array, self.shape, self.ndim = array, tuple(array.shape), array.ndim
        kind = array.dtype.kind.replace("i", "u")
        self.dtype = np.dtype(f"{kind}{array.dtype.itemsize}")

    def __getitem__(self, index: Any, /) -> AnyArray:
        return np.asarray(self._array[index]).astype(self.dtype, copy=False)


def _in_thread(write: Callable[[Tiles], None], bands: Iterator[AnyArray]) -> Iterator[None]:
    """Write in a thread, which cuts bands into tiles, while others are read; yield after each.

    tifffile takes all tiles of an image in one call.
    """
    waiting: Queue[AnyArray | None] = Queue(BANDS_AHEAD)

    def tiles() -> Tiles:
        while (band := waiting.get()) is not None:
            yield from _tiles(band)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write, tiles())
        try:
            for band in bands:
                _hand_over(band, waiting, written)
                yield
        finally:
            _hand_over(None, waiting, written)
        written.result()


def _hand_over(
    band: AnyArray | None, waiting: "Queue[AnyArray | None]", written: "Future[None]"
) -> None:
    """Put a band in the queue, unless an error has ended the thread."""
    while not written.done():
        with suppress(Full):
            waiting.put(band, timeout=1)
            return


def _bands(level: LazyArray) -> Iterator[AnyArray]:
    """Bands of the height of a tile, of one plane after the other."""
    *planes, height, _ = level.shape
    for plane in product(*map(range, planes)):
        for start in range(0, height, TILE):
            rows: tuple[Any, ...] = (*plane, slice(start, min(start + TILE, height)))
            yield np.asarray(level[rows])


def _band_count(level: LazyArray) -> int:
    *planes, height, _ = level.shape
    return prod(planes) * ceil(height / TILE)


def _tiles(band: AnyArray) -> Tiles:
    """The tiles of a band, those at the end padded with 0."""
    for start in range(0, band.shape[1], TILE):
        part = band[:, start : start + TILE]
        missing = [(0, TILE - length) for length in part.shape]
        yield np.pad(part, missing)
