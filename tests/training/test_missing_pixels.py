"""Labelled pixels where the image is NaN or infinite."""

import numpy as np
import pytest

from napari_segkit.images import blocks
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.training import missing_pixels


class Stored:
    """An array on a disk that notes how much of it is read at once."""

    def __init__(self, array):
        self.array, self.largest = array, 0
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index):
        part = self.array[index]
        self.largest = max(self.largest, part.size)
        return part


@pytest.mark.parametrize("how", ["_unlabelled_where_missing", "_hidden_where_missing"])
@pytest.mark.parametrize(("axes", "ndim"), [("TYX", 2), ("ZYX", 3), ("XYZ", 3)])
def test_they_are_left_out_and_found_slab_by_slab(monkeypatch, axes, ndim, how):
    monkeypatch.setattr(blocks, "MAX_BLOCK", 1300)
    pixels = np.random.default_rng(0).random((6, 30, 40), np.float32)
    pixels[1, 7, 5:20], pixels[5, 29, 39], pixels[3, 0, 0] = np.nan, np.inf, np.nan
    target = np.zeros((6, 30, 40), np.int16)
    target[1, 7, :10], target[3] = -1, -1
    stored = Stored(pixels)
    with pytest.warns(UserWarning, match="image is NaN or infinite in 11 labelled pixels"):
        found = missing_pixels._without_missing(
            target, AxesImage(stored, axes), ndim, getattr(missing_pixels, how)
        )
    assert (np.asarray(found) == np.where(np.isfinite(pixels), target, -1)).all()
    assert 0 < stored.largest <= 1300
