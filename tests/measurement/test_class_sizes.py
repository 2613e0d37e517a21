"""Pixels and components of classes, counted block by block."""

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.measurement import class_sizes as module
from napari_segkit.measurement.class_sizes import class_sizes


@pytest.mark.parametrize(
    ("axes", "shape", "chunks", "ndim"),
    [
        ("YX", (41, 37), (10, 15), 2),
        ("ZYX", (13, 11, 9), (5, 4, 3), 3),
        ("TYX", (2, 20, 30), (1, 10, 10), 2),
    ],
)
@pytest.mark.parametrize("density", [0, 0.2, 0.45, 0.9])
def test_components_are_those_of_whole_frames(axes, shape, chunks, ndim, density, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 150)
    random = np.random.default_rng(0)
    labels = np.where(random.random(shape) < density, random.integers(1, 3, shape), 0)
    image = AxesImage(da.from_array(labels.astype(np.uint8), chunks), axes)
    pixels, components = class_sizes(image, ndim)
    frames = labels.reshape(-1, *shape[-ndim:])
    for value in (1, 2):
        numbers = [ndimage.label(frame == value, np.ones((3,) * ndim))[1] for frame in frames]
        assert components[value] == sum(numbers)
        assert pixels[value] == (labels == value).sum()
