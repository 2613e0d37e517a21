"""The sizes of the patches of a training and of the tiles of its model's predictions."""

from collections.abc import Sequence

import numpy as np

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.tiling import (
    TILE,
    fit_to_stride,
    length_per_axis,
    round_up,
    tile_shape,
    tile_shape_from_size,
)


def tiles(
    images: Sequence[AxesImage], config: TrainConfig, strides: Sequence[int], tile_ratio: int = 1
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Patch edges of the training, then tile size and overlap stored with the model."""
    if config.resized_shape and config.tile.tile_size is None:
        whole = tuple(map(round_up, config.resized_shape, strides))
        return whole, whole, (0,) * len(whole)
    longest = np.max([image.spatial_shape(len(strides)) for image in images], axis=0).tolist()
    if config.tile.tile_size is None:
        default = length_per_axis(TILE[len(strides)], strides)
        shorter = [min(pair) for pair in zip(default, longest, strict=True)]
        patch = tile_shape(shorter, longest, strides)
        sizes = tuple(tile_ratio * edge for edge in patch)
    else:
        patch = sizes = tile_shape_from_size(config.tile.tile_size, longest, strides)
    if config.tile.overlap is None:
        overlaps = [3 * size // 8 if tile_ratio == 1 else size // 2 for size in sizes]
    else:
        overlaps = length_per_axis(config.tile.overlap, strides)
    if config.tile.tile_size is not None:  # less where an image is thinner than a tile
        overlaps = [min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True)]
    fitted = [fit_to_stride(*axis) for axis in zip(sizes, overlaps, strides, strict=True)]
    return patch, tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)
