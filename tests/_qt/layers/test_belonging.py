import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segkit._qt.layers.belonging import (
    first_result,
    image_of,
    pairing_note,
    rank_of,
    share_image,
)
from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.result_layers import new_labels
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.io.nifti.layers import read_nifti

PLACE = ("scale", "translate", "affine", "units", "axis_labels", "metadata")
PIXELS = np.zeros((12, 16), np.uint8)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def registry(viewer, qapp):
    return LayerRegistry(viewer)


def made_from(layer, kind="prediction"):
    return LayerMetadata(kind, str(layer.unique_id)).as_metadata()


def test_results_and_new_labels_belong_to_what_they_were_made_from(viewer, registry):
    first, second = viewer.add_image(PIXELS, name="a"), viewer.add_image(PIXELS, name="b")
    prediction = viewer.add_labels(PIXELS, name="x", metadata=made_from(first))
    refined = viewer.add_labels(PIXELS, name="b refined", metadata=made_from(prediction, "refined"))
    painted = new_labels(viewer, first)
    painted.name = "b labels"
    for layer in (prediction, refined, painted):
        assert image_of(registry, layer, second) is first
        assert rank_of(registry, layer, second) is None
    assert first_result(registry, refined) is prediction
    assert pairing_note(registry, prediction, second).startswith("x was made from a, not b:")
    assert pairing_note(registry, prediction, first) == ""
    viewer.layers.remove(first)
    assert image_of(registry, refined, second) is None
    viewer.layers.remove(prediction)  # of which image the refined one is, is no longer known
    assert image_of(registry, refined, None) is second


@pytest.mark.parametrize(
    "name", ["c1_mask", "mask_c1", "c1 labels", "c1 labels [1]", "C1-GT", "c1_cp_masks", "c1"]
)
def test_labels_belong_to_the_image_of_their_name(viewer, registry, name):
    other = viewer.add_image(PIXELS, name="c12_img")
    own = viewer.add_image(PIXELS, name="c1_img")
    last = viewer.add_image(PIXELS, name="c2_img")
    labels = viewer.add_labels(PIXELS, name=name)
    assert image_of(registry, labels, last) is own
    assert rank_of(registry, labels, other) is None


def test_without_names_they_belong_where_they_lie(viewer, registry):
    near = viewer.add_image(PIXELS, name="a")
    far = viewer.add_image(PIXELS, name="b", translate=(0, 100))
    assert image_of(registry, viewer.add_labels(PIXELS, translate=(0, 100)), near) is far
    assert image_of(registry, viewer.add_labels(PIXELS), far) is near


def test_what_was_made_from_a_closed_image_belongs_to_one_of_its_name(viewer, registry):
    closed = viewer.add_image(PIXELS, name="a")
    result = viewer.add_labels(PIXELS, name="a prediction", metadata=made_from(closed))
    painted = new_labels(viewer, closed)
    viewer.layers.remove(closed)
    again, other = viewer.add_image(PIXELS, name="a"), viewer.add_image(PIXELS, name="b")
    for layer in (result, painted):
        assert image_of(registry, layer, other) is again
        assert pairing_note(registry, layer, again) == ""
        assert "seems to belong to another image, not b" in pairing_note(registry, layer, other)


def test_volumes_shown_alike_belong_where_their_affines_place_them(viewer, registry, tmp_path):
    """Oblique volumes are shown along their grids; what their files say of the place counts."""
    for name, degrees in (("a", 10), ("b", 20), ("scribbles", 20)):
        angle = np.radians(degrees)
        affine = np.eye(4)
        affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        file = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(np.zeros((6, 7, 8), np.uint8), affine), file)
        add = viewer.add_labels if name == "scribbles" else viewer.add_image
        data, options, _ = read_nifti(file)
        add(data, **{k: v for k, v in options.items() if k in PLACE}, name=name)
    first, second, labels = viewer.layers
    assert image_of(registry, labels, first) is second


@pytest.mark.parametrize("shape", [(12, 15), (3, 12, 15)])
def test_labels_of_another_shape_belong_to_no_image(viewer, registry, shape):
    image = viewer.add_image(PIXELS, name="a")
    labels = viewer.add_labels(np.zeros(shape, np.uint8), name="a labels")
    assert rank_of(registry, labels, image) is None


@pytest.mark.parametrize(
    ("shape", "rgb"), [((12, 16, 3), True), ((5, 12, 16), False), ((12, 16, 5), False)]
)
def test_labels_lack_the_channels_of_the_image(viewer, registry, shape, rgb):
    image = viewer.add_image(np.zeros(shape, np.uint8), rgb=rgb)
    assert image_of(registry, viewer.add_labels(PIXELS), None) is image


def test_chosen_labels_are_no_other_images_unless_chosen_there_too(viewer, registry):
    first, second = viewer.add_image(PIXELS, name="a"), viewer.add_image(PIXELS, name="b")
    labels = viewer.add_labels(PIXELS)
    assert image_of(registry, labels, first) is first
    assert image_of(registry, labels, second) is second
    registry.choose_labels(labels, first)
    assert rank_of(registry, labels, second) is None
    registry.choose_labels(labels, second)
    assert {rank_of(registry, labels, x) for x in (first, second)} == {0}
    assert registry.last_labels_of(first) is labels


def test_layers_share_an_image_unless_one_is_of_another(viewer, registry):
    first, second = viewer.add_image(PIXELS, name="a"), viewer.add_image(PIXELS, name="b")
    prediction = viewer.add_labels(PIXELS, metadata=made_from(first))
    own = viewer.add_labels(PIXELS, name="a truth")
    other = viewer.add_labels(PIXELS, name="b truth")
    assert share_image(registry, prediction, own)
    assert not share_image(registry, prediction, other)
    assert second in viewer.layers
