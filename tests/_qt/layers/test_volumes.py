"""Oblique volumes in a real viewer: painting, letters, views, and where they are saved."""

import nibabel as nib
import numpy as np
import pytest
from napari.layers._layer_actions import _convert_to_labels, _duplicate_layer
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
from qtpy.QtWidgets import QApplication

from napari_segkit import session
from napari_segkit._qt.layers import volume_view
from napari_segkit._qt.layers.result_layers import new_labels
from napari_segkit.images.placement import world_matrix

PLUGIN = "napari-segkit"
PLANES = [
    (volume_view.show_axial, "APLR"),
    (volume_view.show_coronal, "SILR"),
    (volume_view.show_sagittal, "SIPA"),
]


@pytest.fixture
def viewer(shared_viewer):
    shared_viewer.open_sample(PLUGIN, "mri")
    return shared_viewer


def letters(viewer):
    overlays = viewer.canvas.overlays
    names = [f"segkit_{side}" for side in ("top", "bottom", "left", "right")]
    return "".join(overlays[n].text for n in names if n in overlays and overlays[n].visible)


def note(viewer):
    return viewer.canvas.overlays["segkit_note"].text


def turned(degrees, shape=(6, 7, 8)):
    """A small volume that is turned about X."""
    a = np.radians(degrees)
    turn = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    affine = nib.affines.from_matvec(np.array(turn) @ np.diag([1, 2, 3]), (5, -7, 9))
    image = nib.Nifti1Image(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), None)
    image.set_sform(affine, 1)
    image.set_qform(affine, 3)
    image.header.set_xyzt_units("mm")
    return image


@pytest.fixture
def scan(tmp_path):
    nib.save(turned(12), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def press(viewer, layer, voxel):
    """Paint one voxel with the mouse, where it is shown."""
    position = layer.data_to_world(voxel)
    for dim, value in enumerate(position):
        viewer.dims.set_point(dim, value)
    event = {"position": position, "view_direction": None, "pos": [0, 0]}
    event |= {"dims_displayed": list(viewer.dims.displayed), "dims_point": viewer.dims.point}
    event |= {"modifiers": [], "is_dragging": False, "handled": False, "button": 1}
    for kind, call in (("press", mouse_press_callbacks), ("release", mouse_release_callbacks)):
        call(layer, ReadOnlyWrapper(MouseEvent(type=f"mouse_{kind}", **event)))


class MouseEvent:
    def __init__(self, **fields):
        self.__dict__.update(fields)


def test_strokes_land_in_the_voxel_under_the_brush(viewer):
    layer = new_labels(viewer, viewer.layers["mri"])
    layer.mode, layer.brush_size = "paint", 1
    voxels = {(0, 0, 0, 0), (0, 23, 95, 127), (1, 12, 30, 100), (1, 3, 90, 5)}
    for show, expected in PLANES:
        show(viewer)
        assert letters(viewer) == expected
        layer.data[:] = 0
        for voxel in voxels:
            press(viewer, layer, voxel)
        QApplication.processEvents()
        assert set(zip(*np.nonzero(layer.data), strict=True)) == voxels


def test_letters_follow_the_camera_and_the_visible_volumes(viewer):
    viewer.dims.ndisplay = 3
    assert letters(viewer) == "APLR"
    viewer.scene.camera.set_view_direction((0, -1, 0), (1, 0, 0))  # from the front
    assert letters(viewer) == "SIRL"
    viewer.dims.ndisplay = 2
    viewer.scene.camera.orientation2d = ("up", "left")
    assert letters(viewer) == "APRL"
    viewer.dims.order = (0, 3, 2, 1)
    assert letters(viewer) == "APSI"
    viewer.dims.order = (2, 3, 0, 1)
    assert letters(viewer) == "SI"
    viewer.layers["mri"].visible = False
    assert letters(viewer) == ""


def test_rolling_shows_all_planes_with_the_head_up(shared_viewer, scan):
    viewer = shared_viewer
    viewer.open(scan, plugin=PLUGIN)
    seen = []
    for _ in range(6):
        viewer.dims.roll()
        seen.append(letters(viewer))
    assert seen == ["SIPA", "SILR", "APLR"] * 2
    viewer.dims.roll()
    viewer.dims.roll()
    viewer.dims.transpose()
    assert letters(viewer) == "RLIS"


def test_a_viewer_without_volumes_stays_as_it_is(shared_viewer):
    viewer = shared_viewer
    before = dict(viewer.canvas.overlays), tuple(viewer.scene.camera.orientation)
    session(viewer)
    viewer.add_image(np.zeros((4, 5, 6)))
    assert (dict(viewer.canvas.overlays), tuple(viewer.scene.camera.orientation)) == before


def test_a_volume_beside_other_images_turns_nothing(shared_viewer, scan):
    viewer = shared_viewer
    viewer.add_image(np.zeros((5, 6)))
    viewer.open(scan, plugin=PLUGIN)
    assert letters(viewer) == "PALR"


def test_a_chosen_orientation_stays(viewer, scan):
    viewer.scene.camera.orientation2d = ("up", "left")
    viewer.open(scan, plugin=PLUGIN)
    assert letters(viewer) == "APRL"


def by_button(viewer, image):
    viewer.layers.selection.active = image
    viewer._new_labels()  # as the button does
    return viewer.layers.selection.active


def by_conversion(viewer, image):
    viewer.layers.selection = {image}
    _convert_to_labels(viewer.layers)
    return viewer.layers[image.name]


def by_duplication(viewer, image):
    viewer.layers.selection = {new_labels(viewer, image)}
    _duplicate_layer(viewer.layers)
    return viewer.layers[-1]  # beside the one it is a copy of


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing", "ignore:projection mode")
def test_labels_are_saved_on_the_grid_of_their_image(shared_viewer, scan, tmp_path):
    viewer = shared_viewer
    (image,) = viewer.open(scan, plugin=PLUGIN)
    original, path = nib.load(scan), tmp_path / "labels.nii.gz"
    layers = [make(viewer, image) for make in (new_labels, by_button, by_duplication)]
    volume_view.show_in_world(viewer)
    layers += [make(viewer, image) for make in (by_button, by_conversion)]
    for layer in layers:
        assert not layer.editable
        layer.data[1, 2, 3] = 9
        layer.save(str(path))
        labels = nib.load(path)
        np.testing.assert_array_equal(labels.affine, original.affine)
        for name in ("sform_code", "qform_code", "pixdim", "xyzt_units", "dim", "quatern_b"):
            np.testing.assert_array_equal(labels.header[name], original.header[name], name)
        assert labels.dataobj[3, 2, 1] == 9


def test_an_unrelated_layer_gets_no_header(viewer):
    viewer.add_image(np.zeros((3, 4)), metadata={"nifti": {"of": "another plugin"}})
    viewer.add_labels(np.zeros((2, 24, 96, 128), np.uint8))
    assert "nifti" not in viewer.layers[-1].metadata


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
def test_in_the_world_painting_is_off_and_the_place_stays(viewer, notifications):
    image = viewer.layers["mri"]
    layer = new_labels(viewer, image)
    corners = [(0, 5, 0, 0), (0, 5, 0, 9), (0, 5, 9, 9), (0, 5, 9, 0)]
    regions = viewer.add_shapes([corners], shape_type="polygon")
    drawn = world_matrix(regions)
    before, shown = world_matrix(layer), layer.affine.affine_matrix.copy()
    volume_view.show_in_world(viewer)
    assert any("napari cannot edit through a rotation" in m for m in notifications())
    assert note(viewer) == "in the world,\npainting off"
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3, 4)), (before @ (1, 2, 3, 4, 1))[:-1])
    np.testing.assert_allclose(world_matrix(regions), drawn, atol=1e-9)
    assert not np.allclose(regions.affine.affine_matrix, np.eye(5))
    layer.data = layer.data.copy()  # napari makes a layer with new pixels editable
    assert not layer.editable
    layer.mode = "paint"
    assert layer.mode == "pan_zoom"
    volume_view.show_along_grid(viewer)
    assert layer.editable
    assert note(viewer) == "along the voxel grid,\n9.3° oblique"
    np.testing.assert_allclose(layer.affine.affine_matrix, shown, atol=1e-9)
    np.testing.assert_allclose(world_matrix(image), before, atol=1e-9)


def test_volumes_that_lie_elsewhere_are_named(viewer, scan, tmp_path, notifications):
    viewer.open(scan, plugin=PLUGIN)
    (message,) = notifications()
    assert message.startswith("scan and mri are at an angle of 2.7°")
    nib.save(turned(12, (3, 4, 5)), tmp_path / "part.nii.gz")
    viewer.layers.remove("mri")
    viewer.open(tmp_path / "part.nii.gz", plugin=PLUGIN)
    assert len(notifications()) == 1


def test_a_moved_volume_is_saved_where_it_was_moved(shared_viewer, scan, tmp_path):
    viewer = shared_viewer
    (layer,) = viewer.open(scan, plugin=PLUGIN)
    layer.translate = np.array([0, 0, 4.0])  # along X, which is not turned
    layer.save(str(tmp_path / "moved.nii"))
    moved, original = (nib.load(p).affine for p in (tmp_path / "moved.nii", scan))
    np.testing.assert_allclose(moved[:3, 3], original[:3, 3] + (4, 0, 0), atol=1e-5)
    np.testing.assert_allclose(moved[:3, :3], original[:3, :3], atol=1e-5)


def test_the_menu_has_the_views(shared_viewer):
    from napari._app_model import get_app_model

    commands = [i.command.id for i in get_app_model().menus.get_menu("napari/layers/visualize")]
    ours = [c for c in commands if c.startswith(PLUGIN)]
    assert len(ours) == 5
