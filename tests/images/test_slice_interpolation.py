"""Shapes between painted slices."""

import numpy as np
import pytest

from napari_segkit.images.slice_interpolation import interpolate_slices


def disc(radius, centre=(20, 20), shape=(40, 44)):
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def stack(planes, length=9):
    labels = np.zeros((length, 40, 44), np.uint8)
    for index, plane in planes.items():
        labels[index] = plane
    return labels


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_a_cone_grows_slice_by_slice():
    filled = interpolate_slices(stack({1: disc(4), 7: disc(16)}))
    for i in range(1, 8):
        assert dice(filled[i] == 1, disc(4 + 2 * (i - 1))) > 0.93
    assert not filled[[0, 8]].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_lie_along_any_axis(axis):
    labels = stack({1: disc(4), 7: disc(16)})
    turned = interpolate_slices(np.moveaxis(labels, 0, axis), axis)
    np.testing.assert_array_equal(np.moveaxis(turned, axis, 0), interpolate_slices(labels))


def test_painted_pixels_stay():
    labels = stack({0: disc(10), 8: disc(10)})
    labels[4, 20, 18:22] = 5
    filled = interpolate_slices(labels)
    np.testing.assert_array_equal(filled[labels > 0], labels[labels > 0])
    assert filled[4, 20, 17] == 1
    assert (filled == 5).sum() == 4


def test_classes_are_filled_between_their_own_slices_and_meet_without_a_gap():
    left = np.indices((40, 44))[1]
    planes = [np.where(disc(15), 1 + (left > edge), 0) for edge in (18, 22)]
    labels = stack({0: planes[0], 4: planes[1]})
    labels[6, 30:34, 30:34] = 3
    filled = interpolate_slices(labels)
    assert dice(filled[2] > 0, disc(15)) > 0.99
    assert dice(filled[2] == 1, disc(15) & (left <= 20)) > 0.95
    assert (filled == 3).sum() == (labels == 3).sum()
    assert not filled[5].any()


def test_distances_follow_the_spacing():
    bar = np.zeros((40, 44), bool)
    bar[18:22, 8:36] = True
    labels = stack({0: bar, 2: np.pad(bar.T[:40], ((0, 0), (0, 4)))}, 3)
    same, flat = (interpolate_slices(labels, spacing=(1, *s))[1] for s in ((1, 1), (1, 10)))
    assert not np.array_equal(same, flat)


def test_shapes_that_touch_the_border_and_another_unlabelled_value():
    plane = np.full((40, 44), 255, np.uint8)
    plane[:, :20] = 0
    labels = np.full((5, 40, 44), 255, np.uint8)
    labels[[0, 4]] = plane
    filled = interpolate_slices(labels, unlabelled=255)
    np.testing.assert_array_equal(filled, np.stack([plane] * 5))


@pytest.mark.parametrize("planes", [{}, {3: disc(5)}, {3: disc(5), 4: disc(6)}])
def test_nothing_is_filled_without_a_gap(planes):
    labels = stack(planes)
    filled = interpolate_slices(labels)
    assert filled is not labels
    np.testing.assert_array_equal(filled, labels)
