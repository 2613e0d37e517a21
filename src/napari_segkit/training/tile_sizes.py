"""The sizes of the patches of a training and of the tiles of its model's predictions."""

from collections.abc import Iterator, Sequence

import numpy as np

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.tiling import (
    LARGE_TILE,
    LONG_TILES_FROM,
    OVERLAP,
    TILE,
    fit_to_stride,
    length_per_axis,
    round_up,
    tile_shape,
    tile_shape_from_size,
)


def tiles(
    images: Sequence[AxesImage],
    config: TrainConfig,
    strides: Sequence[int],
    tile_ratio: int | None = None,
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Patch edges of the training, then tile size and overlap stored with the model.

    `tile_ratio` is tile length / patch length; None: tiles are longer than patches that are long
    enough. A network that was trained on short ones does worse on what it sees of long tiles.
    """
    if config.resized_shape and config.tile.tile_size is None:
        whole = tuple(map(round_up, config.resized_shape, strides))
        return whole, whole, (0,) * len(whole)
    patch, edge = _patch(images, config, strides), config.tile.tile_size
    if tile_ratio is None and (edge is None or config.tile.overlap is None):
        pairs = list(_long_tiles(patch, strides))
    else:
        longer = 1 if edge is not None else tile_ratio or 1
        shared = 1 / 2 if tile_ratio == 2 else 3 / 8
        pairs = [(longer * n, int(longer * n * shared)) for n in patch]
    sizes, overlaps = [size for size, _ in pairs], [overlap for _, overlap in pairs]
    if config.tile.overlap is not None:
        overlaps = length_per_axis(config.tile.overlap, strides)
    if edge is not None:  # less where an image is thinner than a tile
        overlaps = [min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True)]
    fitted = [fit_to_stride(*axis) for axis in zip(sizes, overlaps, strides, strict=True)]
    return patch, tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)


def _long_tiles(patch: Sequence[int], strides: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Size and overlap along each axis: long ones where the patch is long enough."""
    lengths = (LONG_TILES_FROM, LARGE_TILE, OVERLAP)
    named = (length_per_axis(n[len(strides)], strides) for n in lengths)
    for length, enough, long, overlap in zip(patch, *named, strict=True):
        is_long = length >= enough
        yield (max(length, long), overlap) if is_long else (length, 3 * length // 8)


def _patch(
    images: Sequence[AxesImage], config: TrainConfig, strides: Sequence[int]
) -> tuple[int, ...]:
    longest = np.max([image.spatial_shape(len(strides)) for image in images], axis=0).tolist()
    if config.tile.tile_size is not None:
        return tile_shape_from_size(config.tile.tile_size, longest, strides)
    default = length_per_axis(TILE[len(strides)], strides)
    shorter = [min(pair) for pair in zip(default, longest, strict=True)]
    return tile_shape(shorter, longest, strides)
