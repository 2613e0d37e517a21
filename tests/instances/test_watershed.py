import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_segkit.instances.level_targets import LEVELS, count_outputs, encode_levels
from napari_segkit.instances.watershed import segment_objects

ALL = list(LEVELS)
SEPARATING = ["boundary", "distance"]


def _disc(shape, centre, radius, spacing=None):
    grid = np.indices(shape).reshape(len(shape), -1).T
    far = (grid - centre) * (spacing or np.ones(len(shape)))
    return (np.linalg.norm(far, axis=1) <= radius).reshape(shape)


def _perfect_probabilities(ids, objects_by, class_of=None, spacing=None, size=20.0):
    """The probabilities of a network that has learned the objects by heart."""
    class_of = np.array([0] + [1] * ids.max() if class_of is None else class_of)
    encoded = encode_levels(
        ids, class_of, objects_by, spacing=spacing or (1,) * ids.ndim, size=size
    )
    hot = np.eye(count_outputs(objects_by, class_of.max() + 1), dtype=np.float32)[
        np.maximum(encoded, 0)
    ]
    return np.moveaxis(hot, -1, 0)


def _segment(ids, objects_by, class_of=None, spacing=None, size=20.0):
    maps = _perfect_probabilities(ids, objects_by, class_of, spacing, size)
    return segment_objects(maps, objects_by, spacing=spacing or (1,) * ids.ndim, size=size)


def _assert_same(ids, labels, least=0.9):
    """As many objects, and each true one has a found one that covers it."""
    assert labels.max() == len(np.unique(ids[ids > 0]))
    for number in np.unique(ids[ids > 0]):
        true = ids == number
        covered = np.bincount(labels[true]).argmax()
        found = labels == covered
        assert covered > 0
        assert (true & found).sum() / (true | found).sum() > least


def _touching():
    ids = np.zeros((60, 90), np.int32)
    for number, centre in enumerate([(18, 20), (18, 43), (40, 31), (42, 55), (20, 68)], 1):
        ids[_disc(ids.shape, centre, 13) & (ids == 0)] = number
    return ids


@pytest.mark.parametrize(("depth", "separation", "count"), [
    (0.25, None, 1), (0.25, 0.7, 1), (0.25, 0.85, 2), (0.4, 0.0, 1), (0.4, 0.7, 2),
])  # fmt: skip
def test_a_level_that_falls_between_two_objects_separates_them_if_asked_for(
    depth, separation, count
):
    """A network that is unsure of the line between two nuclei."""
    ids = np.zeros((40, 70), np.int32)
    ids[_disc(ids.shape, (20, 22), 13)], ids[_disc(ids.shape, (20, 46), 13)] = 1, 2
    one, two = (_perfect_probabilities(i, "distance") for i in ((ids > 0).astype(np.int32), ids))
    bridge = (ids > 0)[None] & (np.abs(np.arange(70) - 34) < 7)
    sure = np.where(bridge, np.eye(len(one), dtype=np.float32)[-1][:, None, None], one)
    maps = (1 - depth) * sure + depth * two
    found = segment_objects(maps, "distance", spacing=(1, 1), size=26.0, separation=separation)
    assert found.labels.max() == count


@pytest.mark.parametrize(("separation", "count"), [(0.3, 1), (0.4, 1), (0.6, 2), (None, 1)])
def test_a_neck_is_cut_if_asked_for(separation, count):
    ids = (_disc((40, 70), (20, 22), 13) | _disc((40, 70), (20, 45), 13)).astype(np.int32)
    maps = _perfect_probabilities(ids, "boundary", size=26.0)
    found = segment_objects(maps, "boundary", spacing=(1, 1), size=26.0, separation=separation)
    assert found.labels.max() == count


def _concave():
    """Two horseshoes, one inside the other's arms."""
    ids = np.zeros((90, 110), np.int32)
    ids[10:80, 10:25] = ids[10:25, 10:60] = ids[65:80, 10:60] = 1
    ids[30:60, 85:97] = ids[30:41, 30:97] = ids[49:60, 30:97] = 2
    return ids


def _balls():
    ids = np.zeros((14, 50, 50), np.int32)
    for number, centre in enumerate([(3, 14, 14), (9, 14, 14), (6, 30, 30), (5, 14, 38)], 1):
        ball = _disc(ids.shape, centre, 10, (3.0, 1.0, 1.0))
        ids[ball & (ids == 0)] = number
    return ids


@pytest.mark.parametrize("objects_by", SEPARATING)
@pytest.mark.parametrize("make", [_touching, _concave])
def test_touching_and_concave_objects_are_recovered(objects_by, make):
    _assert_same(make(), _segment(make(), objects_by).labels)


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_balls_in_thick_slices_are_recovered(objects_by):
    ids = _balls()
    _assert_same(ids, _segment(ids, objects_by, spacing=(3.0, 1.0, 1.0)).labels)


@pytest.mark.parametrize("size", [20.0, 40.0])
def test_a_boundary_with_a_gap_separates_two_cells(size):
    """And one without bends and narrows stays one."""
    ids = np.zeros((50, 90), np.int32)
    ids[5:45, 5:45], ids[5:45, 45:85] = 1, 2
    maps = _perfect_probabilities(ids, "boundary")
    maps[:, 23:28, 35:55] = np.array([0, 0, 1])[:, None, None]  # the network missed the wall there
    found = segment_objects(maps, "boundary", spacing=(1, 1), size=size)
    _assert_same(ids, found.labels)
    maps[:, 12:38, 35:55] = np.array([0, 0, 1])[:, None, None]
    assert segment_objects(maps, "boundary", spacing=(1, 1), size=size).labels.max() == 1


def test_a_thin_object_beside_a_thick_one_keeps_its_seed():
    ids = np.zeros((90, 90), np.int32)
    ids[_disc(ids.shape, (45, 34), 31)] = 1
    ids[5:85, 68:78] = 2
    _assert_same(ids, _segment(ids, "boundary", size=60.0).labels)


@pytest.mark.parametrize("objects_by", ALL)
def test_components_are_objects(objects_by):
    ids = _concave()
    _assert_same(ids, _segment(ids, objects_by).labels)


@pytest.mark.parametrize("objects_by", ALL)
@pytest.mark.parametrize("size", [1.0, 1.3])
def test_objects_of_one_pixel_are_recovered(objects_by, size):
    ids = np.zeros((20, 20), np.int32)
    ids[::4, ::4] = np.arange(1, 26).reshape(5, 5)
    found = _segment(ids, objects_by, size=size)
    np.testing.assert_array_equal(found.labels, ids)


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_each_object_has_its_class(objects_by):
    ids = _touching()
    class_of = [0, 1, 2, 2, 3, 1]
    found = _segment(ids, objects_by, class_of=class_of)
    _assert_same(ids, found.labels)
    for number in range(1, 6):
        mine = found.labels[ids == number]
        assert found.positions[np.bincount(mine).argmax() - 1] == class_of[number]
    assert (found.scores > 0.9).all()


def test_components_of_different_classes_are_different_objects():
    ids = np.zeros((10, 20), np.int32)
    ids[2:8, 2:10], ids[2:8, 10:18] = 1, 2
    found = _segment(ids, "components", class_of=[0, 1, 2])
    np.testing.assert_array_equal(found.labels, ids)
    np.testing.assert_array_equal(found.positions, [1, 2])


@pytest.mark.parametrize("objects_by", SEPARATING)
def test_objects_at_the_border_are_recovered(objects_by):
    ids = _touching()[15:45, 15:70]
    _assert_same(ids, _segment(ids, objects_by).labels)


@pytest.mark.parametrize("objects_by", ALL)
@pytest.mark.parametrize("shape", [(16, 16), (4, 16, 16)])
def test_no_foreground_is_no_object(objects_by, shape):
    maps = np.zeros((count_outputs(objects_by, 2), *shape), np.float32)
    maps[0] = 1
    found = segment_objects(maps, objects_by, spacing=(1,) * len(shape), size=10.0)
    assert found.labels.dtype == np.int32
    assert not found.labels.any()
    assert found.positions.shape == found.scores.shape == (0,)


@pytest.mark.parametrize("objects_by", ALL)
def test_small_holes_are_filled_and_large_ones_and_background_are_not(objects_by):
    ids = np.zeros((40, 40), np.int32)
    ids[5:35, 5:35] = 1
    holes = ids.copy()
    holes[10:12, 10:12] = 0
    holes[18:28, 18:28] = 0
    found = _segment(holes, objects_by, size=30.0).labels
    assert found[11, 11] > 0
    assert not found[18:28, 18:28].any()
    assert not _segment(ids[:4], objects_by, class_of=[0, 1], size=300.0).labels.any()


@pytest.mark.parametrize("objects_by", ALL)
def test_uncertain_objects_must_be_larger(objects_by):
    ids = np.zeros((40, 40), np.int32)
    ids[5:7, 5:7], ids[12:36, 12:36] = 1, 2
    certain = _perfect_probabilities(ids, objects_by, size=20.0)
    doubtful = 0.7 * certain + 0.3 / len(certain)
    assert segment_objects(certain, objects_by, spacing=(1, 1), size=20.0).labels.max() == 2
    assert segment_objects(doubtful, objects_by, spacing=(1, 1), size=20.0).labels.max() == 1


@pytest.mark.parametrize("objects_by", ALL)
def test_an_object_may_fill_the_image(objects_by):
    found = _segment(np.ones((30, 30), np.int32), objects_by)
    assert (found.labels == 1).all()


def _noise(seed, shape, count, background=0.0):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, *shape))
    smooth = ndimage.gaussian_filter(logits, (0, *(2.0,) * len(shape)))
    smooth[0] += background
    maps = np.exp(20 * smooth)
    return (maps / maps.sum(axis=0)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    objects_by=st.sampled_from(ALL),
    shape=st.sampled_from([(40, 37), (1, 9), (6, 20, 21)]),
    classes=st.integers(2, 4),
    size=st.floats(1, 30),
)
def test_random_probabilities_give_valid_objects(seed, objects_by, shape, classes, size):
    maps = _noise(seed, shape, count_outputs(objects_by, classes))
    found = segment_objects(maps, objects_by, spacing=(1,) * len(shape), size=size)
    count = len(found.positions)
    np.testing.assert_array_equal(np.unique(np.append(0, found.labels)), np.arange(count + 1))
    for number in range(1, count + 1):
        assert ndimage.label(found.labels == number)[1] == 1
    assert ((found.positions >= 1) & (found.positions < classes)).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert found.scores.dtype == np.float32
    again = segment_objects(maps, objects_by, spacing=(1,) * len(shape), size=size)
    np.testing.assert_array_equal(found.labels, again.labels)


@pytest.mark.parametrize("objects_by", ALL)
def test_a_part_of_the_image_holds_the_same_objects(objects_by):
    """Away from where it was cut."""
    maps = _noise(3, (200, 200), count_outputs(objects_by, 2), background=0.05)
    whole = segment_objects(maps, objects_by, spacing=(1, 1), size=12.0).labels[37:170, 41:180]
    part = segment_objects(maps[:, 37:170, 41:180], objects_by, spacing=(1, 1), size=12.0).labels
    inner = np.s_[40:-40, 40:-40]
    pairs = np.unique(np.stack([whole[inner].ravel(), part[inner].ravel()], axis=1), axis=0)
    assert len(pairs) > 5
    assert len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1])) == len(pairs)
