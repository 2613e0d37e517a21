import numpy as np
import pytest
from napari.components import ViewerModel
from scipy.spatial.transform import Rotation

from napari_segkit._qt.layers.canvas_coordinates import canvas_to_data

ROTATION = Rotation.from_euler("zyx", [4, -7, 12], degrees=True).as_matrix()


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_an_axis_aligned_layer_agrees_with_napari(order):
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((5, 6, 7), int), scale=(3, 2, 1), translate=(1, -2, 5))
    viewer.dims.order = order
    position = 4.0, 3.0, 8.0
    point = canvas_to_data(layer, position, viewer.dims.displayed)
    np.testing.assert_allclose(point, layer.world_to_data(position))


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_an_oblique_layer_gives_the_slice_that_napari_draws(order):
    viewer = ViewerModel()
    layer = viewer.add_labels(
        np.zeros((15, 16, 17), int), scale=(3, 2, 1), rotate=ROTATION, translate=(1, -2, 5)
    )
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 9.0)
    point = canvas_to_data(layer, viewer.dims.point, viewer.dims.displayed)
    assert point[order[0]] == pytest.approx(layer._data_slice.point[order[0]])


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_within_the_slice_it_gives_the_pixel_that_napari_draws():
    viewer = ViewerModel()
    layer = viewer.add_labels(np.zeros((15, 16, 17), int), scale=(3, 2, 1), rotate=ROTATION)
    drawn = layer._transforms[1:].simplified.set_slice([1, 2])((4.0, 9.0))
    point = canvas_to_data(layer, (viewer.dims.point[0], *drawn), viewer.dims.displayed)
    np.testing.assert_allclose(point[1:], (4.0, 9.0))


def test_a_layer_of_fewer_dimensions_than_the_viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((5, 6, 7)))
    layer = viewer.add_labels(np.zeros((6, 7), int), scale=(2, 2))
    np.testing.assert_allclose(canvas_to_data(layer, (3, 4, 6), (1, 2)), (2, 3))
