import numpy as np
import pytest

from napari_segkit.instances.level_targets import (
    LEVELS,
    count_outputs,
    encode_levels,
    levels_to_classes,
)

ALL = list(LEVELS)
SEPARATING = ["boundary", "distance"]


def _square(shape=(30, 30), start=5, stop=25):
    ids = np.zeros(shape, np.int32)
    ids[start:stop, start:stop] = 1
    return ids


def _encode(ids, objects_by, class_of=None, spacing=(1, 1), size=20.0):
    class_of = [0] + [1] * ids.max() if class_of is None else class_of
    return encode_levels(ids, np.array(class_of), objects_by, spacing=spacing, size=size)


def test_a_network_has_one_output_for_the_background_and_one_for_each_level_of_a_class():
    assert count_outputs("components", 3) == 3
    assert count_outputs("boundary", 3) == 5
    assert count_outputs("distance", 2) == 1 + LEVELS["distance"]


@pytest.mark.parametrize("objects_by", ALL)
def test_background_and_unannotated_pixels_are_kept(objects_by):
    ids = _square()
    ids[:3] = -1
    encoded = _encode(ids, objects_by)
    assert encoded.dtype == np.int16
    np.testing.assert_array_equal(encoded == -1, ids == -1)
    np.testing.assert_array_equal(encoded > 0, ids > 0)


@pytest.mark.parametrize("objects_by", ALL)
def test_each_class_has_its_own_levels(objects_by):
    ids = np.zeros((20, 45), np.int32)
    ids[3:17, 3:17], ids[3:17, 23:37] = 1, 2
    encoded = _encode(ids, objects_by, class_of=[0, 2, 1])
    levels = LEVELS[objects_by]
    assert set(np.unique(encoded[ids == 1])) == set(range(1 + levels, 1 + 2 * levels))
    assert set(np.unique(encoded[ids == 2])) == set(range(1, 1 + levels))


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_levels_rise_from_the_border_to_the_middle(objects_by):
    row = _encode(_square(), objects_by)[15, 5:25]
    assert row[0] == row[-1] == 1
    assert row.max() == LEVELS[objects_by]
    assert (np.diff(row[:10]) >= 0).all()
    assert (np.diff(row[10:]) <= 0).all()


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_ends_of_the_image_and_of_regions_are_no_boundaries(objects_by):
    ids = np.zeros((30, 60), np.int32)
    ids[5:25, :20] = 1
    cut = ids.copy()
    cut[:, :8] = -1
    assert _encode(ids, objects_by)[15, 0] == LEVELS[objects_by]
    assert _encode(cut, objects_by)[15, 8] == LEVELS[objects_by]


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_an_object_that_fills_the_image_is_all_middle(objects_by):
    encoded = _encode(np.ones((12, 12), np.int32), objects_by)
    assert (encoded == LEVELS[objects_by]).all()


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_objects_that_touch_have_a_border_between_them(objects_by):
    ids = np.zeros((30, 50), np.int32)
    ids[5:25, 5:25], ids[5:25, 25:45] = 1, 2
    encoded = _encode(ids, objects_by)
    assert (encoded[5:25, 24:26] == 1).all()


@pytest.mark.parametrize("objects_by", SEPARATING)
@pytest.mark.parametrize("edge", [1, 2, 3, 4])
def test_the_smallest_objects_keep_a_middle(objects_by, edge):
    ids = np.zeros((20, 20), np.int32)
    ids[8 : 8 + edge, 8 : 8 + edge] = 1
    encoded = _encode(ids, objects_by, size=100.0)
    assert encoded.max() == LEVELS[objects_by]


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_distances_are_in_world_units(objects_by):
    """Planes 4 units apart: the middle plane of a flat slab is far from the border."""
    ids = np.zeros((5, 40, 40), np.int32)
    ids[1:4, 4:36, 4:36] = 1
    encoded = _encode(ids, objects_by, spacing=(4, 1, 1), size=20.0)
    assert encoded[2, 20, 20] == LEVELS[objects_by]
    assert encoded[2, 4, 20] == 1
    even = _encode(ids, objects_by, spacing=(1, 1, 1), size=20.0)
    assert even[1, 20, 20] == 1


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_slices_of_objects_above_one_another_have_a_border_between_them(objects_by):
    ids = np.zeros((8, 20, 20), np.int32)
    ids[:4, 3:17, 3:17], ids[4:, 3:17, 3:17] = 1, 2
    encoded = _encode(ids, objects_by, spacing=(5, 1, 1), size=14.0)
    assert (encoded[3:5, 3:17, 3:17] == 1).all()
    assert (encoded[[1, 6], 10, 10] == LEVELS[objects_by]).all()


@pytest.mark.parametrize("objects_by", ALL)
def test_classes_are_the_sums_of_their_levels(objects_by):
    random = np.random.default_rng(0)
    maps = random.dirichlet(np.ones(count_outputs(objects_by, 3)), (5, 6)).astype(np.float32)
    classes = levels_to_classes(np.moveaxis(maps, -1, 0), objects_by)
    assert classes.shape == (3, 5, 6)
    np.testing.assert_allclose(classes.sum(axis=0), 1, rtol=1e-5)
    levels = LEVELS[objects_by]
    np.testing.assert_allclose(classes[1], maps[..., 1 : 1 + levels].sum(axis=-1), rtol=1e-5)


@pytest.mark.parametrize("objects_by", ALL)
def test_labels_without_objects_are_background(objects_by):
    assert not _encode(np.zeros((6, 7), np.int32), objects_by).any()
