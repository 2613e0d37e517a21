import sys
from itertools import permutations
from types import ModuleType

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_segkit.images.axes_image import AxesImage, as_image
from napari_segkit.images.axis_guess import AXES, guess_axes
from napari_segkit.images.model_input import require_model_input
from napari_segkit.images.types import is_layer

LENGTHS = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}


def numbered(axes):
    """Array whose values encode the position of each pixel, in any order of axes."""
    shape = [LENGTHS[a] for a in axes]
    indices = dict(zip(axes, np.indices(shape), strict=True))
    return sum(indices[a] * 10 ** AXES.index(a) for a in axes)


@given(st.sampled_from([p for n in range(2, 6) for p in permutations(AXES, n)]))
def test_any_order_of_axes_reads_the_same_pixels_and_writes_them_back(axes):
    axes = "".join(axes)
    if not {"Y", "X"} <= set(axes):
        return
    image = AxesImage(numbered(axes), axes)
    for ndim in (2, 3):
        written = np.zeros(image.label_shape, int)
        for frame in image.frames(ndim):
            region = tuple(slice(0, n) for n in image.spatial_shape(ndim))
            pixels = image.read(frame, region)
            assert pixels.shape == (image.channels, *image.spatial_shape(ndim))
            y, x = AXES.index("Y"), AXES.index("X")
            assert pixels[(0,) * (ndim - 1) + (3, 4)] % 10 ** (y + 2) // 10**y in (3, 43)
            assert pixels[(0,) * (ndim - 1) + (0, 4)] // 10**x % 10 == 4
            image.write(written, frame, pixels[0])
        expected = image.data.take(0, axes.index("C")) if "C" in axes else image.data
        np.testing.assert_array_equal(written, expected)


def test_a_region_is_read_without_loading_the_rest():
    lazy = da.zeros((3, 4096, 4096), chunks=(1, 256, 256))
    touched = []
    recorded = lazy.map_blocks(
        lambda b: touched.append(b.shape) or b, dtype=float, meta=np.zeros(0)
    )
    AxesImage(recorded, "ZYX").read({"Z": 1}, (slice(0, 100), slice(300, 400)))
    assert len(touched) == 1


@pytest.mark.parametrize(
    ("shape", "labels_shape", "axes"),
    [
        ((8, 9), None, "YX"),
        ((8, 9, 3), None, "YXC"),
        ((5, 8, 9), None, "ZYX"),
        ((5, 8, 9), (8, 9), "CYX"),
        ((8, 9, 3), (8, 9), "YXC"),
        ((3, 8, 9), (3, 8, 9), "ZYX"),
        ((2, 5, 8, 9), None, "TZYX"),
        ((5, 2, 8, 9), (5, 8, 9), "ZCYX"),
        ((3, 3, 3), (3, 3), "YXC"),
        ((8, 9, 3), (8, 9, 3), "YXC"),
    ],
)
def test_axes_are_named_from_the_shapes(shape, labels_shape, axes):
    assert guess_axes(shape, labels_shape) == axes


@pytest.mark.parametrize(
    ("shape", "like", "axes"),
    [
        ((8, 9), "YX", "YX"),
        ((5, 8, 9), "YX", "ZYX"),
        ((8, 9), "ZYX", "YX"),
        ((5, 8, 9, 3), "YXC", "ZYXC"),
        ((2, 8, 9), "CYX", "CYX"),
        ((5, 2, 8, 9), "CYX", "ZCYX"),
        ((8, 9, 3), "YX", "YXC"),
        ((8, 9), "YXC", "YX"),
        ((7, 8, 9), "TYX", "TYX"),
        ((2, 8, 9), "CZYX", "CYX"),
        ((2, 8, 9), "CTYX", "CYX"),
        ((5, 7, 8, 9), "TYX", "TZYX"),
    ],
)
def test_axes_follow_those_of_training(shape, like, axes):
    assert guess_axes(shape, like=like) == axes


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize("shape", [(20, 30), (10, 20, 30)])
def test_a_last_axis_is_the_channels_of_training_or_no_channels_or_refused(shape, length, channels):
    like = "ZYXC"[-len(shape) - 1 :]
    image = as_image(np.zeros((*shape, length), np.uint16), like=like, channels=channels)
    if length > 8:
        assert image.axes == "TZYX"[-len(shape) - 1 :]
    elif length != channels:
        with pytest.raises(ValueError, match=rf"has {length} channels? .* or specify its axes"):
            require_model_input(image, channels, len(shape))


def test_spacing_name_and_axes_come_from_the_layer():
    layer = ImageLayer(np.zeros((4, 8, 9)), scale=(5, 0.5, 0.25), name="brain", axis_labels="tyx")
    image = as_image(layer)
    assert (image.axes, image.name, image.spacing) == ("TYX", "brain", (1.0, 0.5, 0.25))
    assert is_layer(layer)
    assert is_layer(Labels(np.zeros((4, 4), int)))
    assert not is_layer(np.zeros(3))


def test_a_fourth_channel_is_alpha_where_it_is_said_or_hides_nothing():
    rgba = np.full((8, 9, 4), 255, np.uint8)
    assert as_image(rgba).channels == 3
    rgba[0, 0, 3] = 0
    assert as_image(rgba).channels == 4
    assert as_image(rgba, channels=3).channels == 3
    assert as_image(rgba.astype(np.uint16), channels=3).channels == 4
    assert as_image(ImageLayer(rgba, rgb=True)).channels == 3
    assert as_image(rgba, "YXC").channels == 4
    assert as_image(ImageLayer(np.zeros((8, 9, 4), np.uint8), rgb=False)).axes == "ZYX"
    assert as_image(rgba.astype(np.uint16), "YXC").read({}, (slice(8), slice(9))).shape[0] == 4


def test_multiscale_is_read_at_full_resolution_and_nothing_is_copied():
    levels = [np.zeros((64, 64)), np.zeros((32, 32))]
    image = as_image(ImageLayer(levels, multiscale=True))
    assert image.shape == (64, 64)
    data = np.zeros((4, 5))
    assert as_image(data).data is data


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: as_image(np.zeros((4, 5)), "ZYX"), "one letter of TCZYX for each dimension"),
        (lambda: as_image(np.zeros((4, 5)), "YY"), "each letter once"),
        (lambda: as_image(np.zeros((4, 5, 6)), "CZX"), "Y and X among them"),
        (lambda: as_image(np.zeros((0, 5))), "no pixels"),
        (lambda: as_image(np.zeros((2, 2, 2, 2, 2, 2))), "axes"),
        (lambda: as_image(np.array([["a"]])), "array of numbers"),
        (lambda: as_image(np.zeros((4, 5), complex)), "real numbers"),
        (lambda: as_image(np.zeros((4, 5)), spacing=(0, 1)), "positive"),
    ],
)
def test_invalid_images_are_refused(make, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        make()


def test_arrays_are_read_while_another_thread_imports_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert as_image(np.zeros((8, 9))).axes == "YX"


def test_axes_chosen_for_a_layer_hold_wherever_it_is_read():
    layer = ImageLayer(np.zeros((4, 5, 6)), axis_labels=("z", "y", "x"))
    layer.metadata["segkit"] = {"chosen_axes": "XYT"}
    assert as_image(layer).axes == "XYT"
    layer.data = np.zeros((5, 6))  # of other dimensions than those it was chosen for
    assert as_image(layer).axes == "YX"


def test_a_chunk_that_cannot_be_read_is_named():
    def read(block, block_info):
        if block_info[0]["chunk-location"] == (0, 1, 1):
            raise RuntimeError("the disk is gone")
        return block

    stack = da.zeros((2, 32, 32), chunks=(1, 16, 16)).map_blocks(read, dtype=float)
    image = as_image(stack, "TYX", name="movie")
    image.read({"T": 0}, [slice(0, 16), slice(0, 16)])
    with pytest.raises(OSError, match="movie cannot be read at T 0, Y 16:20, X 8:32: the disk"):
        image.read({"T": 0}, [slice(16, 20), slice(8, 32)])
