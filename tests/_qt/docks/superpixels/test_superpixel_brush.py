import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from skimage import measure

from napari_segkit._qt.docks.superpixels.superpixel_brush import (
    SuperpixelBrush,
    pixels_on_line,
    superpixel_mask,
)

BLOCKS = np.kron(np.arange(1, 13).reshape(3, 4), np.ones((16, 16), int)).astype(np.int32)


class MouseEvent:
    """Mouse event as napari passes it to a layer."""

    def __init__(self, *position, kind="mouse_press", button=1, modifiers=(), shown=(0, 1)):
        self.type, self.button, self.modifiers = kind, button, modifiers
        self.position, self.dims_displayed, self.handled = position, list(shown), False
        self.is_dragging = kind == "mouse_move"


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def brush(viewer, qapp):
    brush = SuperpixelBrush(viewer)
    yield brush
    brush.end()


@pytest.fixture
def painting(viewer, brush):
    """Labels to paint on, with the brush active and class 1 selected."""
    transform = {"scale": (2, 2), "translate": (5, 5)}
    superpixels = viewer.add_labels(BLOCKS.copy(), name="superpixels", **transform)
    labels = viewer.add_labels(np.zeros(BLOCKS.shape, np.uint8), name="labels", **transform)
    brush.begin(labels, superpixels)
    return labels


def stroke(layer, *pixels, **more):
    """MouseEvent, drag and release at positions in pixels."""
    world = [np.multiply(pixel, 2) + 5 for pixel in pixels]
    press = ReadOnlyWrapper(MouseEvent(*world[0], **more), exceptions=("handled",))  # as the canvas
    mouse_press_callbacks(layer, press)
    handled = press.handled
    for pixel in world[1:]:
        mouse_move_callbacks(layer, MouseEvent(*pixel, kind="mouse_move", **more))
    mouse_release_callbacks(layer, MouseEvent(*world[-1], kind="mouse_release", **more))
    return handled


def test_a_click_labels_the_superpixel(painting):
    handled = stroke(painting, (20, 20))
    np.testing.assert_array_equal(painting.data, BLOCKS == 6)
    assert handled  # else the canvas would pan


def test_a_drag_labels_the_superpixels_on_its_way_as_one_undo_step(painting):
    stroke(painting, (4, 4), (4, 60))  # in one move, as a quick hand does
    np.testing.assert_array_equal(painting.data, BLOCKS <= 4)
    painting.undo()
    assert not painting.data.any()
    painting.redo()
    np.testing.assert_array_equal(painting.data, BLOCKS <= 4)


def test_existing_labels_are_kept_unless_replace_is_set(painting, brush):
    painting.data[:2] = 2
    stroke(painting, (4, 4))
    assert set(painting.data[:2].ravel()) == {2}
    assert (painting.data[2:16, :16] == 1).all()
    brush.replace = True
    stroke(painting, (4, 4))
    assert (painting.data[:16, :16] == 1).all()


def test_label_0_erases(painting, brush):
    painting.data[:] = 1
    brush.replace = True
    painting.selected_label = 0
    stroke(painting, (4, 4))
    np.testing.assert_array_equal(painting.data, BLOCKS != 1)


def test_nothing_is_painted_outside_superpixels(painting, viewer):
    viewer.layers["superpixels"].data[:16, :16] = 0
    stroke(painting, (4, 4), (-30, -30))
    assert not painting.data.any()


def test_the_right_button_and_3d_views_are_left_to_napari(painting):
    assert not stroke(painting, (4, 4), button=2)
    assert not stroke(painting, (4, 4), shown=(0, 1, 2))
    assert not painting.data.any()


def test_shift_drag_pans_the_view(painting, viewer):
    before = np.array(viewer.scene.camera.center)
    stroke(painting, (4, 4), (6, 9), modifiers=("Shift",))
    np.testing.assert_allclose(viewer.scene.camera.center, before - [0, 4, 10])
    assert not painting.data.any()


def test_a_click_in_one_slice_labels_the_superpixel_in_all_slices(brush, viewer):
    ids = np.stack([BLOCKS] * 3 + [BLOCKS + 12] * 3)
    superpixels = viewer.add_labels(ids)
    layer = viewer.add_labels(np.zeros(ids.shape, np.uint8))
    brush.begin(layer, superpixels)
    viewer.dims.set_current_step(0, 1)
    mouse_press_callbacks(layer, MouseEvent(1, 20, 20, shown=(1, 2)))
    mouse_release_callbacks(layer, MouseEvent(1, 20, 20, kind="mouse_release", shown=(1, 2)))
    np.testing.assert_array_equal(layer.data, ids == 6)


@given(shape=array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=70), seed=st.integers(0, 99))
def test_superpixel_mask_is_the_connected_component(shape, seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 2, [-(-n // 9) for n in shape])
    for axis in range(len(shape)):
        coarse = np.repeat(coarse, 9, axis)
    components = measure.label(
        coarse[tuple(slice(0, n) for n in shape)], background=-1, connectivity=1
    )
    pixel = tuple(int(rng.integers(n)) for n in shape)
    box, mask = superpixel_mask(components, pixel)
    result = np.zeros(shape, bool)
    result[box] = mask
    np.testing.assert_array_equal(result, components == components[pixel])


def test_pixels_on_line_are_connected_and_inside_the_array():
    line = pixels_on_line(np.array([0.0, -3.0]), np.array([4.0, 9.0]), (5, 6))
    assert all(0 <= y < 5 and 0 <= x < 6 for y, x in line)
    steps = np.abs(np.diff(line, axis=0))
    assert steps.max() == 1
