"""Where layers and volumes lie: what differs is told with both numbers, what does not is not."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_segkit.images.geometry import apart, difference, geometry_of, spacing_geometry, summary
from napari_segkit.io.nifti.header import parse_header
from napari_segkit.io.nifti.layers import read_nifti

SHAPE = (5, 6, 7)  # of a file: X, Y, Z
NAMES = ("a", "b")
sizes = st.floats(0.1, 10)
angles = st.floats(-0.6, 0.6)
affines = st.builds(
    lambda steps, turn, origin: nib.affines.from_matvec(
        nib.eulerangles.euler2mat(*turn) @ np.diag(steps), origin
    ),
    st.tuples(sizes, sizes, sizes),
    st.tuples(angles, angles, angles),
    st.tuples(*[st.floats(-200, 200)] * 3),
)
orders = st.builds(
    lambda order, flips: np.array([*zip(order, flips, strict=True)]),
    st.permutations(range(3)),
    st.tuples(*[st.sampled_from((-1, 1))] * 3),
)


def volume(affine, shape=SHAPE):
    return nib.Nifti1Image(np.zeros(shape, np.uint8), affine)


def place(image):
    return parse_header(image).geometry


def labels(**options):
    return Labels(np.zeros((40, 40), np.uint8), name="labels", **options)


def image(shape=(40, 40), **options):
    return Image(np.zeros(shape, np.float32), name="image", **options)


@settings(max_examples=40)
@given(affines, orders, orders)
def test_volumes_stored_in_another_order_lie_on_each_other(affine, order, other):
    stored = volume(affine)
    turned = stored.as_reoriented(order)
    assert difference(place(stored), place(turned), NAMES) is None
    assert difference(place(turned), place(stored.as_reoriented(other)), NAMES) is None


@settings(max_examples=40)
@given(affines, orders, st.integers(0, 2))
def test_a_shift_of_one_voxel_is_told_in_whatever_order_it_is_stored(affine, order, axis):
    moved = affine.copy()
    moved[:3, 3] += affine[:3, axis]
    length = np.linalg.norm(affine[:3, axis])
    found = difference(place(volume(affine)), place(volume(moved).as_reoriented(order)), NAMES)
    assert found.startswith("a and b do not lie on each other: voxels of equal index are up to ")
    assert float(found.split("up to ")[1].split()[0]) == pytest.approx(length, rel=0.01)
    assert "the first voxel is at" in found
    assert "turned" not in found
    assert "voxels are" not in found.split(";", 1)[1]


@settings(max_examples=40)
@given(
    affines, orders, st.integers(0, 2), st.floats(-1, 1).filter(lambda n: abs(abs(n) - 0.25) > 0.01)
)
def test_a_quarter_of_a_voxel_decides_whichever_is_named_first(affine, order, axis, voxels):
    moved = affine.copy()
    moved[:3, 3] += voxels * affine[:3, axis]
    first, second = place(volume(affine)), place(volume(moved).as_reoriented(order))
    for pair in ((first, second), (second, first)):
        assert (difference(*pair, NAMES) is not None) is (abs(voxels) > 0.25)


def test_sizes_and_rotation_are_told_with_both_numbers():
    turned = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.2), (0, 0, 0))
    first = place(volume(np.diag([1, 2, 3, 1])))
    found = difference(first, place(volume(turned @ np.diag([0.5, 0.5, 9, 1]))), NAMES)
    assert "voxels are 3 x 2 x 1 and 9 x 0.5 x 0.5 mm (Z x Y x X)" in found
    assert "the axes are turned by 11.5 degrees" in found


@pytest.mark.parametrize(("voxels", "told"), [(0.1, False), (0.5, True), (-0.5, True)])
def test_rounding_is_no_difference_but_half_a_voxel_is(voxels, told):
    affine = np.diag([1.0, 2, 3, 1])
    moved = affine @ nib.affines.from_matvec(np.eye(3), (0, voxels, 0))
    found = difference(place(volume(affine)), place(volume(moved)), NAMES)
    assert (found is not None) is told


def test_a_rotation_kept_as_quaternion_and_as_matrix_is_the_same():
    affine = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, 0.2, 0.1), (9, 8, 7))
    by_matrix, by_quaternion = volume(affine, (256, 256, 100)), volume(None, (256, 256, 100))
    by_quaternion.set_qform(affine, 1)
    assert difference(place(by_matrix), place(by_quaternion), NAMES) is None


def test_without_an_affine_only_the_voxel_size_is_compared():
    unplaced = volume(None)
    unplaced.header.set_zooms((1, 2, 3))
    placed = volume(nib.affines.from_matvec(np.diag([1, 2, 3]), (100, 0, 0)))
    assert difference(place(placed), place(unplaced), NAMES) is None
    unplaced.header.set_zooms((1, 2, 4))
    found = difference(place(placed), place(unplaced), NAMES)
    assert found.endswith("voxels are 3 x 2 x 1 and 4 x 2 x 1 mm (Z x Y x X).")


def test_unknown_places_and_other_shapes_are_not_compared():
    assert apart(image(scale=(2, 2)), np.zeros((40, 40))) is None
    assert apart(image(scale=(2, 2)), Labels(np.zeros((40, 50), np.uint8))) is None
    unknown = spacing_geometry((1, 1, 1), "YX", (40, 40))
    known = spacing_geometry((1, 0.5, 0.5), "YX", (40, 40), "um")
    assert difference(unknown, known, NAMES) is None
    assert difference(None, known, NAMES) is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scale": (0.5, 0.5)}, "pixels are 1 x 1 and 0.5 x 0.5"),
        ({"translate": (40, 40)}, "the first pixel is at 0, 0 and at 40, 40"),
        ({"rotate": 12}, "the axes are turned by 12 degrees"),
        ({"shear": [0.5]}, "the axes are turned by"),
        ({"affine": np.diag([1, -1, 1])}, "the axes are turned by 180 degrees"),
    ],
)
def test_layers_that_do_not_lie_on_each_other_on_the_canvas_are_told(options, told):
    found = apart(image(), labels(**options))
    assert found.startswith("image and labels do not lie on each other: pixels of equal index")
    assert told in found


def test_a_layer_placed_by_another_kind_of_transform_lies_on_the_image():
    placed = labels(affine=[[0, -2, 7], [2, 0, 5], [0, 0, 1]])
    assert apart(image(scale=(2, 2), rotate=90, translate=(7, 5)), placed) is None


def test_units_are_converted_where_both_are_known():
    first = image(scale=(0.5, 0.5), units="um")
    assert apart(first, labels(scale=(500, 500), units="nm")) is None
    assert apart(first, labels(scale=(0.5, 0.5))) is None
    assert "pixels are 0.5 x 0.5 and 0.0005 x 0.0005 um" in apart(
        first, labels(scale=(0.5, 0.5), units="nm")
    )


def test_channels_have_no_place():
    channels = image((3, 40, 40), scale=(1, 2, 2), translate=(9, 5, 5))
    assert apart(channels, labels(scale=(2, 2), translate=(5, 5)), "CYX") is None
    assert "at 5, 5 and at 0, 0" in apart(channels, labels(scale=(2, 2)), "CYX")
    colours = image((40, 40, 3), rgb=True, scale=(2, 2))
    assert apart(colours, labels(scale=(2, 2)), "YXC") is None


def test_the_finest_level_of_a_pyramid_is_compared():
    levels = [np.zeros((40, 40), np.float32), np.zeros((20, 20), np.float32)]
    pyramid = Image(levels, multiscale=True, scale=(2, 2), name="pyramid")
    assert apart(pyramid, labels(scale=(2, 2))) is None
    assert "pyramid and labels" in apart(pyramid, labels())


def test_an_affine_kept_from_a_file_counts_if_both_layers_have_one(tmp_path):
    affine = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3) * 2, (9, 8, 7))
    moved = nib.affines.from_matvec(np.eye(3), (0, 0, 50)) @ affine
    for name, matrix in {"a": affine, "b": moved}.items():
        nib.save(volume(matrix), tmp_path / f"{name}.nii")
    (a, first, _), (b, second, _) = (read_nifti(tmp_path / f"{name}.nii") for name in "ab")
    volume_a, volume_b = Image(a, **first), Labels(np.asarray(b), **second)
    assert "a and b do not lie on each other" in apart(volume_a, volume_b)
    shown = {key: first[key] for key in ("scale", "affine", "units")}
    assert apart(volume_a, Labels(np.asarray(a), **shown)) is None
    assert apart(volume_a, Labels(np.asarray(a), **shown | {"translate": (9, 0, 0)})) is not None


def test_labels_whose_axes_are_swapped_are_told():
    upright = image(axis_labels=("y", "x"))
    assert apart(upright, labels(axis_labels=("y", "x"))) is None
    assert apart(upright, labels(axis_labels=("x", "y"))) == (
        "image and labels do not lie on each other: their axes are YX and XY."
    )


def test_a_layer_named_by_its_axes_is_compared_with_a_file_by_its_pixel_size():
    stored = spacing_geometry((1, 0.5, 0.25), "YX", (40, 40), "um")
    layer = labels(scale=(0.5, 0.5), units="um", axis_labels=("y", "x"))
    assert "pixels are 0.5 x 0.25 and 0.5 x 0.5 um (Y x X)" in difference(
        stored, geometry_of(layer), NAMES
    )


def test_several_differences_are_told_once():
    found = [(f"m{i}", f"i{i} and m{i} do not lie on each other: x." if i else None)
             for i in range(9)]  # fmt: skip
    assert summary(found) == (
        "i1 and m1 do not lie on each other: x. The same is true of m2, m3, m4, m5, m6 and 2 more."
    )
    assert summary(found[:2]) == "i1 and m1 do not lie on each other: x."
    assert summary(found[:1]) is None
