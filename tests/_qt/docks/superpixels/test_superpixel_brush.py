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


class Press:
    """A mouse event as napari gives it to a layer."""

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
    """A layer to paint on, the brush in hand, for class 1."""
    place = {"scale": (2, 2), "translate": (5, 5)}
    superpixels = viewer.add_labels(BLOCKS.copy(), name="superpixels", **place)
    labels = viewer.add_labels(np.zeros(BLOCKS.shape, np.uint8), name="labels", **place)
    brush.begin(labels, superpixels)
    return labels


def stroke(layer, *places, **more):
    """Press, drag and release at places in pixels."""
    world = [np.multiply(place, 2) + 5 for place in places]
    press = ReadOnlyWrapper(Press(*world[0], **more), exceptions=("handled",))  # as the canvas
    mouse_press_callbacks(layer, press)
    handled = press.handled
    for place in world[1:]:
        mouse_move_callbacks(layer, Press(*place, kind="mouse_move", **more))
    mouse_release_callbacks(layer, Press(*world[-1], kind="mouse_release", **more))
    return handled


def test_a_click_gives_a_whole_superpixel_the_selected_label(painting):
    handled = stroke(painting, (20, 20))
    np.testing.assert_array_equal(painting.data, BLOCKS == 6)
    assert handled  # else the canvas would pan


def test_a_drag_gives_those_it_passes_and_undo_takes_all_back(painting):
    stroke(painting, (4, 4), (4, 60))  # in one move, as a quick hand does
    np.testing.assert_array_equal(painting.data, BLOCKS <= 4)
    painting.undo()
    assert not painting.data.any()
    painting.redo()
    np.testing.assert_array_equal(painting.data, BLOCKS <= 4)


def test_what_is_painted_stays_unless_it_is_to_be_replaced(painting, brush):
    painting.data[:2] = 2
    stroke(painting, (4, 4))
    assert set(painting.data[:2].ravel()) == {2}
    assert (painting.data[2:16, :16] == 1).all()
    brush.replace = True
    stroke(painting, (4, 4))
    assert (painting.data[:16, :16] == 1).all()


def test_nothing_can_be_given_too(painting, brush):
    painting.data[:] = 1
    brush.replace = True
    painting.selected_label = 0
    stroke(painting, (4, 4))
    np.testing.assert_array_equal(painting.data, BLOCKS != 1)


def test_outside_of_superpixels_nothing_happens(painting, viewer):
    viewer.layers["superpixels"].data[:16, :16] = 0
    stroke(painting, (4, 4), (-30, -30))
    assert not painting.data.any()


def test_the_right_button_and_a_view_in_3d_are_napari_s(painting):
    assert not stroke(painting, (4, 4), button=2)
    assert not stroke(painting, (4, 4), shown=(0, 1, 2))
    assert not painting.data.any()


def test_shift_moves_the_view_with_the_pointer(painting, viewer):
    before = np.array(viewer.scene.camera.center)
    stroke(painting, (4, 4), (6, 9), modifiers=("Shift",))
    np.testing.assert_allclose(viewer.scene.camera.center, before - [0, 4, 10])
    assert not painting.data.any()


def test_in_a_slice_of_a_volume_the_whole_of_it_gets_the_label(brush, viewer):
    numbers = np.stack([BLOCKS] * 3 + [BLOCKS + 12] * 3)
    superpixels = viewer.add_labels(numbers)
    layer = viewer.add_labels(np.zeros(numbers.shape, np.uint8))
    brush.begin(layer, superpixels)
    viewer.dims.set_current_step(0, 1)
    mouse_press_callbacks(layer, Press(1, 20, 20, shown=(1, 2)))
    mouse_release_callbacks(layer, Press(1, 20, 20, kind="mouse_release", shown=(1, 2)))
    np.testing.assert_array_equal(layer.data, numbers == 6)


@given(shape=array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=70), seed=st.integers(0, 99))
def test_whole_is_all_of_a_connected_piece(shape, seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 2, [-(-n // 9) for n in shape])
    for axis in range(len(shape)):
        coarse = np.repeat(coarse, 9, axis)
    pieces = measure.label(coarse[tuple(slice(0, n) for n in shape)], background=-1, connectivity=1)
    place = tuple(int(rng.integers(n)) for n in shape)
    box, mask = superpixel_mask(pieces, place)
    found = np.zeros(shape, bool)
    found[box] = mask
    np.testing.assert_array_equal(found, pieces == pieces[place])


def test_a_line_passes_all_pixels_between_inside_the_array():
    line = pixels_on_line(np.array([0.0, -3.0]), np.array([4.0, 9.0]), (5, 6))
    assert all(0 <= y < 5 and 0 <= x < 6 for y, x in line)
    steps = np.abs(np.diff(line, axis=0))
    assert steps.max() == 1
