"""Images turned to lie another way in the body: views that can be undone."""

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


def numbered(axes, front=()):
    shape = (*front, *(LENGTHS[a] for a in axes))
    return np.arange(np.prod(shape)).reshape(shape)


def test_there_are_48():
    assert len(set(ORIENTATIONS)) == 48


@settings(deadline=None)
@given(
    axes=st.sampled_from(AXES), front=st.sampled_from([(), (2,)]), a=orientations, b=orientations
)
def test_turning_back_gives_the_same_array(axes, front, a, b):
    data = numbered(axes, front)
    there = reorient(data, axes, a, b)
    assert np.shares_memory(data, there)
    np.testing.assert_array_equal(reorient(there, axes, b, a), data)


@settings(deadline=None)
@given(axes=st.sampled_from(AXES), a=orientations, b=orientations, c=orientations)
def test_two_turns_are_one(axes, a, b, c):
    data = numbered(axes)
    np.testing.assert_array_equal(
        reorient(reorient(data, axes, a, b), axes, b, c), reorient(data, axes, a, c)
    )


@settings(deadline=None)
@given(a=orientations, b=orientations)
def test_nibabel_turns_alike(a, b):
    data = numbered("ZYX")
    move = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt(a), nib.orientations.axcodes2ornt(b)
    )
    expected = nib.orientations.apply_orientation(data, move)
    np.testing.assert_array_equal(reorient(data, "ZYX", a, b), expected)


@settings(deadline=None)
@given(a=orientations, b=orientations)
def test_spacing_follows_the_axes(a, b):
    image = AxesImage(numbered("ZYX"), "ZYX", (4.0, 5.0, 6.0), orientation=a)
    other = reorient_image(image, b)
    assert other.spacing == other.shape  # the lengths were chosen so
    assert reorient_spacing(other.spacing, b, a) == image.spacing
    assert reorient_image(other, a).spacing == image.spacing


def test_a_dask_array_stays_lazy():
    data = numbered("TZYX")
    lazy = reorient(da.from_array(data, chunks=2), "TZYX", "SAR", "LIP")
    assert isinstance(lazy, da.Array)
    np.testing.assert_array_equal(lazy, reorient(data, "TZYX", "SAR", "LIP"))


def test_what_cannot_be_transposed_is_turned_lazily():
    class ProbabilityFile:
        """Slices like an array and does no more, as a zarr array."""

        def __init__(self, data):
            self.data, self.shape, self.dtype, self.ndim = data, data.shape, data.dtype, data.ndim

        def __getitem__(self, where):
            return self.data[where]

    data = numbered("ZYX")
    image = reorient_image(AxesImage(ProbabilityFile(data), "ZYX", orientation="SAR"), "RIA")
    np.testing.assert_array_equal(image.data, reorient(data, "ZYX", "SAR", "RIA"))


@pytest.mark.parametrize(("orientation", "wanted"), [("", "SAR"), ("SAR", ""), ("", "")])
def test_what_is_not_known_is_not_turned(orientation, wanted):
    data = numbered("ZYX")
    assert reorient(data, "ZYX", orientation, wanted) is data
    image = AxesImage(data, "ZYX", orientation=orientation)
    assert reorient_image(image, wanted) is image
    assert reorient_spacing((1, 2, 3), orientation, wanted) == (1, 2, 3)


def test_a_2d_image_is_not_turned():
    data = numbered("YXC")
    assert reorient(data, "YXC", "SAR", "LPI") is data
    assert reorient(data[..., 0], "ZYX", "SAR", "LPI").shape == data.shape[:2]
    image = AxesImage(data, "YXC", orientation="SAR")
    assert reorient_image(image, "RAS") is image


@pytest.mark.parametrize("wrong", ["SA", "SAS", "sar", "SARS", "XYZ", "SIR"])
def test_words_that_are_no_orientation(wrong):
    with pytest.raises(ValueError, match="three letters for Z, Y and X"):
        reorient(numbered("ZYX"), "ZYX", "SAR", wrong)
    with pytest.raises(ValueError, match="three letters for Z, Y and X"):
        reorient(numbered("ZYX"), "ZYX", wrong, "SAR")


def test_labels_made_for_a_turned_image_go_back():
    image = AxesImage(numbered("CZYX"), "CZYX", orientation="SAR")
    other = reorient_image(image, "LPI")
    labels = other.data[0] % 7
    back = reorient(labels, image.label_axes, other.orientation, image.orientation)
    np.testing.assert_array_equal(back, image.data[0] % 7)


def test_an_array_has_no_orientation():
    assert as_image(numbered("ZYX")).orientation == ""
    assert as_image(numbered("ZYX")).metadata == {}
