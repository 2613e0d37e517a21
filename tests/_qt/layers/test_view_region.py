import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segkit._qt.layers.view_region import canvas_corners, slice_in_view, view_region
from napari_segkit.images.axes_image import as_image


def viewer_of(shape, *, zoom=1.0, center=(0.0, 0.0), size=(100, 200), **options):
    """A viewer without a window, whose canvas has `size` pixels, zoomed and moved."""
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros(shape, np.uint8), name="cells", **options)
    viewer.canvas.size = size
    viewer.scene.camera.zoom, viewer.scene.camera.center = zoom, center
    return viewer, layer


def region(viewer, layer, axes=None):
    return view_region(viewer, layer, as_image(layer, axes))


def test_corners_of_a_canvas_lie_around_its_centre():
    corners = canvas_corners((10, 20), zoom=2, size=(8, 40))
    assert corners == [(8, 10), (8, 30), (12, 10), (12, 30)]


def test_the_view_is_what_zoom_and_pan_leave_of_the_image():
    viewer, layer = viewer_of((1000, 1000), zoom=2, center=(300, 500))
    # 100 x 200 pixels of the canvas are 50 x 100 of the image; edges lie on pixel centres
    assert region(viewer, layer) == {"Y": slice(275, 326), "X": slice(450, 551)}
    viewer.scene.camera.center = 10, 990
    assert region(viewer, layer) == {"Y": slice(0, 36), "X": slice(940, 1000)}


def test_the_view_of_a_layer_that_is_scaled_moved_and_turned():
    turned = np.array([[0, -1], [1, 0]])  # 90 degrees: rows become columns
    viewer, layer = viewer_of(
        (400, 400), zoom=1, center=(20, 40.0), scale=(2, 2), translate=(10, 20), rotate=turned
    )
    found = region(viewer, layer)
    # world = R (2 i) + t: y = 10 - 2 j, x = 20 + 2 i; y from -30 to 70, x from -60 to 140
    assert found == {"Y": slice(0, 61), "X": slice(0, 21)}


def test_hidden_axes_are_those_of_the_sliders():
    viewer, layer = viewer_of((5, 7, 60, 60), zoom=10, center=(30, 30), scale=(1, 3, 1, 1))
    viewer.dims.set_point(range(2), (4, 6))
    assert region(viewer, layer, "TZYX") == {
        "T": 4,
        "Z": 2,
        "Y": slice(25, 36),
        "X": slice(20, 41),
    }
    viewer.dims.order = 0, 2, 1, 3  # Z and X are displayed
    found = region(viewer, layer, "TZYX")
    assert (found["T"], found["Z"]) == (4, slice(0, 7))
    assert 0 <= found["Y"] < 60


def test_in_3d_all_that_is_displayed_is_in_view():
    viewer, layer = viewer_of((3, 5, 60, 60), zoom=10)
    viewer.dims.ndisplay = 3
    assert region(viewer, layer, "TZYX") == {"T": 1}  # where napari puts the slider


def test_channels_are_no_axis_of_the_labels():
    viewer, layer = viewer_of((3, 60, 60), zoom=10, center=(30, 30))
    assert region(viewer, layer, "CYX") == {"Y": slice(25, 36), "X": slice(20, 41)}
    viewer.dims.order = 2, 0, 1
    with pytest.raises(ValueError, match="The channels of cells are displayed"):
        region(viewer, layer, "CYX")


def test_what_is_not_in_view_is_told():
    viewer, layer = viewer_of((60, 60), zoom=10, center=(300, 30))
    with pytest.raises(ValueError, match="cells is not in view: move or zoom"):
        region(viewer, layer)


def test_the_slice_is_the_frame_that_the_model_takes():
    viewer, layer = viewer_of((5, 7, 60, 60), scale=(1, 3, 1, 1))
    viewer.dims.set_point(range(2), (4, 6))
    image = as_image(layer, "TZYX")
    assert slice_in_view(viewer, layer, image, 2) == {"T": 4, "Z": 2}
    assert slice_in_view(viewer, layer, image, 3) == {"T": 4}
    viewer.add_image(np.zeros((9, 7, 60, 60)))
    viewer.dims.set_point(0, 8)
    with pytest.raises(ValueError, match="cells has no slice at the slider of T"):
        slice_in_view(viewer, layer, image, 3)
