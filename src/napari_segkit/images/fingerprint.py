"""Recognise an image again, without reading all of it."""

from collections.abc import Iterator
from hashlib import blake2s
from itertools import product

import numpy as np

from .axes_image import AxesImage

TILE_LENGTH = 256  # pixels along Y and X
MAX_TILES = 16


def fingerprint(image: AxesImage, *, whole: bool = False) -> str:
    """A short text of dtype, shape and pixels, alike for NumPy, dask, zarr and any order of axes.

    The pixels are those of up to 16 tiles at fixed places, all of a photograph and few of a volume;
    of a `whole` image all.
    """
    lengths = [image.length(a) for a in "TZYX"] + [image.channels]
    kind = np.dtype(np.uint8 if image.data.dtype == bool else image.data.dtype)
    digest = blake2s(digest_size=8)
    for frame, region in _tiles(image, whole=whole):
        pixels = image.read(frame, region)
        digest.update(np.ascontiguousarray(pixels, kind.newbyteorder("<")).data)
    return f"{kind.name} {'x'.join(str(n) for n in lengths if n > 1)} {digest.hexdigest()}"


def _tiles(image: AxesImage, *, whole: bool) -> Iterator[tuple[dict[str, int], tuple[slice, ...]]]:
    """Frames and regions to read, which the shape alone decides."""
    frames, shape = list(image.frames(2)), image.spatial_shape(2)
    corners = list(product(*(range(0, n, TILE_LENGTH) for n in shape)))
    total = len(frames) * len(corners)
    count = total if whole else min(total, MAX_TILES)
    for place in np.linspace(0, total - 1, count).round().astype(int).tolist():
        number, corner = divmod(place, len(corners))
        yield frames[number], tuple(slice(c, c + TILE_LENGTH) for c in corners[corner])
