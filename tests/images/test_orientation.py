"""Views of images in another anatomical orientation."""

from itertools import permutations, product

import dask.array as da
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit.images.axes_image import AxesImage, as_image, reorient_image
from napari_segkit.images.orientation import reorient, reorient_spacing

ORIENTATIONS = sorted(
    "".join(letters) for order in permutations(("RL", "AP", "SI")) for letters in product(*order)
)
AXES = ["ZYX", "TZYX", "CZYX", "ZYXC", "TCZYX", "ZCYX", "XYZ", "YTXZ"]
LENGTHS = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}

orientations = st.sampled_from(ORIENTATIONS)


def numbered(axes, leading=()):
    shape = (*leading, *(LENGTHS[a] for a in axes))
    return np.arange(np.prod(shape)).reshape(shape)


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@settings(deadline=None)
@given(
    axes=st.sampled_from(AXES), leading=st.sampled_from([(), (2,)]), a=orientations, b=orientations
)
def test_reorienting_back_gives_the_same_array(axes, leading, a, b):
    data = numbered(axes, leading)
    reoriented = reorient(data, axes, a, b)
    assert np.shares_memory(data, reoriented)
    np.testing.assert_array_equal(reorient(reoriented, axes, b, a), data)


@settings(deadline=None)
@given(axes=st.sampled_from(AXES), a=orientations, b=orientations, c=orientations)
def test_two_reorientations_are_one(axes, a, b, c):
    data = numbered(axes)
    np.testing.assert_array_equal(
        reorient(reorient(data, axes, a, b), axes, b, c), reorient(data, axes, a, c)
    )


@settings(deadline=None)
@given(a=orientations, b=orientations)
def test_nibabel_gives_the_same_result(a, b):
    data = numbered("ZYX")
    transform = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt(a), nib.orientations.axcodes2ornt(b)
    )
    expected = nib.orientations.apply_orientation(data, transform)
    np.testing.assert_array_equal(reorient(data, "ZYX", a, b), expected)


@settings(deadline=None)
@given(a=orientations, b=orientations)
def test_spacing_follows_the_axes(a, b):
    image = AxesImage(numbered("ZYX"), "ZYX", (4.0, 5.0, 6.0), orientation=a)
    other = reorient_image(image, b)
    assert other.spacing == other.shape  # the spacing was set to the lengths
    assert reorient_spacing(other.spacing, b, a) == image.spacing
    assert reorient_image(other, a).spacing == image.spacing


def test_a_dask_array_stays_lazy():
    data = numbered("TZYX")
    lazy = reorient(da.from_array(data, chunks=2), "TZYX", "SAR", "LIP")
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(lazy, reorient(data, "TZYX", "SAR", "LIP"))


def test_arrays_without_transpose_are_reoriented_lazily():
    class SliceOnly:
        """Array that can only be sliced, such as a zarr array."""

        def __init__(self, data):
            self.data, self.shape, self.dtype, self.ndim = data, data.shape, data.dtype, data.ndim

        def __getitem__(self, index):
            return self.data[index]

    data = numbered("ZYX")
    image = reorient_image(AxesImage(SliceOnly(data), "ZYX", orientation="SAR"), "RIA")
    np.testing.assert_array_equal(image.data, reorient(data, "ZYX", "SAR", "RIA"))


@pytest.mark.parametrize(("orientation", "target"), [("", "SAR"), ("SAR", ""), ("", "")])
def test_unknown_orientations_are_not_reoriented(orientation, target):
    data = numbered("ZYX")
    assert reorient(data, "ZYX", orientation, target) is data
    image = AxesImage(data, "ZYX", orientation=orientation)
    assert reorient_image(image, target) is image
    assert reorient_spacing((1, 2, 3), orientation, target) == (1, 2, 3)


def test_a_2d_image_is_not_reoriented():
    data = numbered("YXC")
    assert reorient(data, "YXC", "SAR", "LPI") is data
    assert reorient(data[..., 0], "ZYX", "SAR", "LPI").shape == data.shape[:2]
    image = AxesImage(data, "YXC", orientation="SAR")
    assert reorient_image(image, "RAS") is image


@pytest.mark.parametrize("wrong", ["SA", "SAS", "sar", "SARS", "XYZ", "SIR"])
def test_invalid_orientations_are_refused(wrong):
    with pytest.raises(ValueError, match="three letters for Z, Y and X"):
        reorient(numbered("ZYX"), "ZYX", "SAR", wrong)
    with pytest.raises(ValueError, match="three letters for Z, Y and X"):
        reorient(numbered("ZYX"), "ZYX", wrong, "SAR")


def test_labels_of_a_reoriented_image_go_back():
    image = AxesImage(numbered("CZYX"), "CZYX", orientation="SAR")
    other = reorient_image(image, "LPI")
    labels = other.data[0] % 7
    back = reorient(labels, image.label_axes, other.orientation, image.orientation)
    np.testing.assert_array_equal(back, image.data[0] % 7)


def test_an_array_has_no_orientation():
    assert as_image(numbered("ZYX")).orientation == ""
    assert as_image(numbered("ZYX")).metadata == {}
