"""The sizes of the patches of a training and of the tiles of its model's predictions."""

from collections.abc import Sequence

import numpy as np

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.tiling import (
    LARGE_TILE,
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

    `tile_ratio` is tile length / patch length; None: tiles are large, and cut to the image.
    """
    if config.resized_shape and config.tile.tile_size is None:
        whole = tuple(map(round_up, config.resized_shape, strides))
        return whole, whole, (0,) * len(whole)
    patch, ndim, edge = _patch(images, config, strides), len(strides), config.tile.tile_size
    if tile_ratio is None:
        sizes = tuple(map(max, patch, length_per_axis(LARGE_TILE[ndim], strides)))
        overlaps = length_per_axis(OVERLAP[ndim], strides)
    else:
        sizes = patch if edge is not None else tuple(tile_ratio * length for length in patch)
        overlaps = [3 * size // 8 if tile_ratio == 1 else size // 2 for size in sizes]
    if config.tile.overlap is not None:
        overlaps = length_per_axis(config.tile.overlap, strides)
    if edge is not None:  # less where an image is thinner than a tile
        overlaps = [min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True)]
    fitted = [fit_to_stride(*axis) for axis in zip(sizes, overlaps, strides, strict=True)]
    return patch, tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)


def _patch(
    images: Sequence[AxesImage], config: TrainConfig, strides: Sequence[int]
) -> tuple[int, ...]:
    longest = np.max([image.spatial_shape(len(strides)) for image in images], axis=0).tolist()
    if config.tile.tile_size is not None:
        return tile_shape_from_size(config.tile.tile_size, longest, strides)
    default = length_per_axis(TILE[len(strides)], strides)
    shorter = [min(pair) for pair in zip(default, longest, strict=True)]
    return tile_shape(shorter, longest, strides)
