"""NIfTI files opened and saved in a real viewer."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Extension
from qtpy.QtWidgets import QApplication

from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.result_layers import LayerWriter, new_labels
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit.data.samples import mri
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.placement import world_matrix
from napari_segkit.io.files import read_image
from napari_segkit.label_result import LabelResult

PLUGIN = "napari-segkit"
CLASSES = [LabelClass(value, f"class {value}", "#ff0000") for value in (1, 2)]
SAGITTAL = np.array([[0, 0, 3, -20], [-0.5, 0, 0, 30], [0, 0.5, 0, -10], [0, 0, 0, 1]])


def oblique():
    """The sample's volume, smaller."""
    data, meta, _ = mri()[0]
    header = meta["metadata"]["nifti"].to_nibabel()
    return nib.Nifti1Image(np.asarray(data).T[::4, ::4, ::2], None, header)


@pytest.fixture(params=["oblique", "sagittal"])
def path(request, tmp_path):
    image = oblique()
    if request.param == "sagittal":
        image = nib.Nifti1Image(np.asarray(image.dataobj)[..., 0], SAGITTAL)
        image.set_qform(SAGITTAL, 1)
        image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"a phantom"
    image.header.extensions.append(Nifti1Extension(6, b"a comment"))
    nib.save(image, tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def world_of(layer, image):
    """Positions of some voxels in the file and in the layer, and whether their values agree."""
    extent = np.array(image.shape)
    for voxel in (0 * extent, extent // 2, extent - 1):
        world = nib.affines.apply_affine(image.affine, voxel[:3])[::-1]
        time = layer.scale[0] * voxel[3:]
        matrix = world_matrix(layer)
        place = np.rint(np.linalg.solve(matrix, (*time, *world, 1))[:-1]).astype(int)
        yield (
            world,
            (matrix @ (*place, 1))[-4:-1],
            image.dataobj[tuple(voxel)] == layer.data[tuple(place)],
        )


def test_a_file_opens_with_its_affine_and_can_be_viewed(shared_viewer, path):
    viewer = shared_viewer
    (layer,) = viewer.open(path, plugin=PLUGIN)
    assert (layer.name, type(layer).__name__) == ("scan", "Image")
    assert [str(unit) for unit in layer.units[-3:]] == ["millimeter"] * 3
    assert viewer.dims.axis_labels == layer.axis_labels == (*"TZYX",)[-layer.ndim :]
    for world, place, same in world_of(layer, nib.load(path)):
        np.testing.assert_allclose(place, world, atol=1e-3)
        assert same
    for ndisplay, order in ((3, (2, 1, 0)), (2, (1, 2, 0)), (2, (0, 1, 2))):
        viewer.dims.ndisplay = ndisplay
        viewer.dims.order = (*range(layer.ndim - 3), *(layer.ndim - 3 + o for o in order))
        QApplication.processEvents()


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_saved_file_equals_the_opened_one(light_viewer, path, tmp_path, ending):
    viewer = light_viewer
    (layer,) = viewer.open(path, plugin=PLUGIN)
    assert layer.save(str(tmp_path / f"saved.{ending}")) == [str(tmp_path / f"saved.{ending}")]
    before, after = nib.load(path), nib.load(tmp_path / f"saved.{ending}")
    np.testing.assert_array_equal(after.dataobj, before.dataobj)
    for name in set(before.header.keys()) - {"cal_min", "cal_max", "scl_slope", "scl_inter"}:
        np.testing.assert_array_equal(after.header[name], before.header[name], name)
    assert [e.get_content() for e in after.header.extensions][-1] == b"a comment"


def test_a_result_has_the_transform_of_its_image(light_viewer, path, tmp_path):
    viewer = light_viewer
    (layer,) = viewer.open(path, plugin=PLUGIN)
    labels = (np.asarray(layer.data) > 400).astype(np.uint8) + 1
    axes = "".join(layer.axis_labels)
    registry = LayerRegistry(viewer)
    result, writer = LabelResult(labels, axes, CLASSES), LayerWriter(registry, snapshot(layer))
    writer.prepare(result)
    shown = writer.write(result)
    np.testing.assert_array_equal(shown.extent.world, layer.extent.world)
    shown.save(str(tmp_path / "result.nii.gz"))
    image, result = nib.load(path), nib.load(tmp_path / "result.nii.gz")
    voxels = reoriented_voxels(result, image)
    np.testing.assert_array_equal(voxels, (np.asarray(image.dataobj) > 400) + 1)
    (again,) = viewer.open(tmp_path / "result.nii.gz", plugin=PLUGIN)
    assert type(again).__name__ == "Labels"
    np.testing.assert_allclose(again.extent.world, layer.extent.world, atol=1e-3)


def reoriented_voxels(image, original):
    """Voxels of an image in the original's orientation, after comparing the affines."""
    transform = nib.orientations.ornt_transform(
        nib.io_orientation(image.affine), nib.io_orientation(original.affine)
    )
    reoriented = image.as_reoriented(transform)
    np.testing.assert_allclose(reoriented.affine, original.affine, atol=1e-3)
    return np.asarray(reoriented.dataobj)


def test_new_labels_have_the_transform_of_their_image(light_viewer, path, tmp_path):
    viewer = light_viewer
    (layer,) = viewer.open(path, plugin=PLUGIN)
    painted = new_labels(viewer, layer)
    painted.data[..., 1, 2, 3] = 7
    painted.save(str(tmp_path / "painted.nii"))
    original = nib.load(path)
    voxels = reoriented_voxels(nib.load(tmp_path / "painted.nii"), original)
    assert (voxels == 7).sum() == int(np.prod(original.shape[3:]))


def test_a_layer_and_its_snapshot_have_an_orientation(light_viewer, path):
    viewer = light_viewer
    (layer,) = viewer.open(path, plugin=PLUGIN)
    orientation = read_image(path).orientation
    assert len(orientation) == 3
    assert as_image(layer).orientation == as_image(snapshot(layer)).orientation == orientation


def test_a_preference_opens_files_without_a_question(shared_viewer, path):
    """Napari's own reader claims these files too and fails, so napari asks once."""
    from napari.errors import MultipleReaderError
    from napari.settings import get_settings

    viewer = shared_viewer
    with pytest.raises(MultipleReaderError, match=PLUGIN):
        viewer.open(path, plugin=None)
    get_settings().plugins.extension2reader = {"*.gz": PLUGIN}  # as the question's tick box does
    (layer,) = viewer.open(path, plugin=None)
    assert layer.metadata["nifti"].orientation


def test_the_sample_opens(light_viewer):
    viewer = light_viewer
    (layer,) = viewer.open_sample(PLUGIN, "mri")
    assert (layer.name, layer.data.shape) == ("mri", (2, 24, 96, 128))
    assert as_image(layer).orientation == "SAL"
    assert list(layer.contrast_limits) == [0, 1162]


def test_readers_and_writers_cannot_be_run_from_the_command_palette(shared_viewer):
    """Napari lists every command there, and these need a file."""
    from napari._app_model import get_app_model

    menus = get_app_model().menus
    commands = [item.command for item in menus.get_menu(menus.COMMAND_PALETTE_ID)]
    ours = [c for c in commands if "nifti" in c.id]
    assert len(ours) == 3
    assert not any(c.enablement.eval({}) for c in ours)
