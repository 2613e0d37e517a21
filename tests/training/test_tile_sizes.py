"""Patches of a training and tiles of its model's predictions."""

import numpy as np
import pytest

from napari_segkit.config import TileConfig, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.training.tile_sizes import tiles


@pytest.mark.parametrize(
    ("tile", "patch", "size", "overlap"),
    [
        (TileConfig(), 256, 512, 128),
        (TileConfig(tile_size=128), 128, 512, 128),
        (TileConfig(tile_size=96), 96, 96, 32),  # rounded from 36 to the stride
        (TileConfig(tile_size=128, overlap=32), 128, 128, 32),
        (TileConfig(tile_size=1024), 1024, 1024, 128),
    ],
)
def test_networks_of_long_patches_predict_in_long_tiles(tile, patch, size, overlap):
    image = AxesImage(np.zeros((2048, 2048), np.uint8), "YX")
    patches, sizes, overlaps = tiles([image], TrainConfig(tile=tile), (32, 32))
    assert (patches, sizes, overlaps) == ((patch,) * 2, (size,) * 2, (overlap,) * 2)
