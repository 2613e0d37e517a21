"""Clean-up compared with footprints, flood fills and plain counting."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import morphology

from napari_segkit import CleanConfig
from napari_segkit.refinement.cleanup import clean, clean_mask

SPACINGS = st.sampled_from([(1.0, 1.0), (0.3, 0.7), (2.0, 0.5), (1.0, 1.0, 1.0), (3.0, 1.0, 0.7)])


@st.composite
def masks(draw):
    """A mask and its spacing."""
    spacing = draw(SPACINGS)
    shape = draw(st.tuples(*[st.integers(1, 11)] * len(spacing)))
    return draw(arrays(bool, shape)), spacing


def ball(radius, spacing):
    """Footprint of all offsets within the radius, in world units."""
    reach = [int(radius / s + 1e-9) for s in spacing]
    steps = product(*(range(-r, r + 1) for r in reach))
    inside = [np.linalg.norm(np.multiply(s, spacing)) <= radius * (1 + 1e-9) for s in steps]
    return np.reshape(inside, [2 * r + 1 for r in reach])


@given(given_=masks(), radius=st.sampled_from([0.5, 0.7, 1.0, 1.5, 2.1, 3.0]))
@settings(max_examples=80, deadline=None)
def test_opening_is_that_by_a_ball(given_, radius):
    mask, spacing = given_
    footprint = ball(radius, spacing)
    eroded = ndimage.binary_erosion(mask, footprint, border_value=1)
    wanted = ndimage.binary_dilation(eroded, footprint)
    if not mask.all():
        found = clean_mask(mask, CleanConfig(open=radius), spacing)
        np.testing.assert_array_equal(found, wanted)


@given(given_=masks(), radius=st.sampled_from([0.5, 0.7, 1.0, 1.5, 2.1, 3.0]))
@settings(max_examples=80, deadline=None)
def test_closing_is_that_by_a_ball(given_, radius):
    """Gaps at the image border stay open."""
    mask, spacing = given_
    places = np.argwhere(mask) * spacing
    assume(len(places) and 2 * radius <= np.ptp(places, axis=0).max())
    footprint = ball(radius, spacing)
    wide = np.pad(mask, [(n, n) for n in footprint.shape])
    closed = ndimage.binary_closing(wide, footprint)
    wanted = closed[tuple(slice(n, -n) for n in footprint.shape)]
    found = clean_mask(mask, CleanConfig(close=radius), spacing)
    np.testing.assert_array_equal(found, wanted)


@given(given_=masks(), least=st.sampled_from([0.5, 1.0, 2.0, 4.2, 9.0]), largest=st.booleans())
@settings(max_examples=100, deadline=None)
def test_component_sizes_are_in_world_units(given_, least, largest):
    mask, spacing = given_
    components, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    volumes = [(components == p).sum() * np.prod(spacing) for p in range(1, count + 1)]
    kept = [p + 1 for p, v in enumerate(volumes) if v >= least - 1e-9]
    kept = sorted(kept, key=lambda p: -volumes[p - 1])[: 1 if largest else None]
    found = clean_mask(mask, CleanConfig(min_size=least, largest=largest), spacing)
    np.testing.assert_array_equal(found, np.isin(components, kept))


@given(given_=masks(), most=st.sampled_from([0.5, 1.0, 2.0, 4.2, 1e9]))
@settings(max_examples=100, deadline=None)
def test_holes_are_filled_up_to_a_size(given_, most):
    mask, spacing = given_
    gaps, count = ndimage.label(~mask)
    wanted = mask.copy()
    for gap in range(1, count + 1):
        places = np.argwhere(gaps == gap)
        ends = (places == 0).any() or (places == np.array(mask.shape) - 1).any()
        if not ends and len(places) * np.prod(spacing) <= most + 1e-9:
            wanted |= gaps == gap
    np.testing.assert_array_equal(clean_mask(mask, CleanConfig(fill_holes=most), spacing), wanted)


def test_a_ball_larger_than_the_image():
    """It closes like one of half the mask's width, and needs no more memory."""
    mask = np.zeros((6, 40, 50), bool)
    mask[:, 5:35, 5:15] = mask[:, 5:35, 25:45] = True
    spacing = (2.0, 1.0, 1.0)
    closed = clean_mask(mask, CleanConfig(close=1e6), spacing)
    np.testing.assert_array_equal(closed, clean_mask(mask, CleanConfig(close=21.0), spacing))
    assert closed[3, 20, 5:45].all()
    assert not clean_mask(mask, CleanConfig(open=1e6), spacing).any()


def test_all_holes_are_those_of_scipy():
    mask = np.random.default_rng(0).random((20, 24, 24)) < 0.7
    found = clean_mask(mask, CleanConfig(fill_holes=1e12), (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(found, ndimage.binary_fill_holes(mask))


def scene():
    """Background 0, a disc of 2 with a hole of 5, a speck of 2 in a block of 5."""
    labels = np.zeros((40, 60), np.uint16)
    labels[morphology.disk(10).nonzero()[0] + 8, morphology.disk(10).nonzero()[1] + 5] = 2
    labels[17:20, 14:17] = 5
    labels[10:30, 35:55] = 5
    labels[20, 45] = 2
    return labels


def test_a_pixel_that_loses_its_class_takes_the_nearest_one():
    labels = scene()
    cleaned = clean(labels, [CleanConfig(2, min_size=2)], spacing=(1.0, 1.0))
    assert cleaned.dtype == np.uint16
    assert cleaned[20, 45] == 5
    changed = labels.copy()
    changed[20, 45] = 5
    np.testing.assert_array_equal(cleaned, changed)


def test_a_pixel_that_loses_its_class_takes_the_next_likeliest():
    labels = scene()
    probabilities = np.full((3, *labels.shape), 0.1, np.float32)
    for position, value in enumerate((0, 2, 5)):
        probabilities[position][labels == value] = 0.8
    probabilities[:, 20, 45] = 0.3, 0.6, 0.1
    given = {"probabilities": probabilities, "values": (0, 2, 5), "spacing": (1.0, 1.0)}
    assert clean(labels, [CleanConfig(2, min_size=2)], **given)[20, 45] == 0


def test_a_class_that_was_lost_does_not_come_back():
    """The speck of 2 becomes 5, and where that is dropped, 0: not 2 again."""
    labels = np.zeros((9, 9), np.uint8)
    labels[4, 4] = 2
    probabilities = np.zeros((3, 9, 9), np.float32)
    probabilities[0] = 1
    probabilities[:, 4, 4] = 0.1, 0.5, 0.4
    steps = [CleanConfig(2, min_size=2), CleanConfig(5, min_size=2)]
    given = {"probabilities": probabilities, "values": (0, 2, 5), "spacing": (1.0, 1.0)}
    assert not clean(labels, steps, **given).any()
    every = [*steps, CleanConfig(0, threshold=0.2)]
    assert clean(labels, every, **given)[4, 4] == 2  # all are lost: the likeliest but the last


def test_a_threshold():
    rng = np.random.default_rng(0)
    probabilities = np.moveaxis(rng.dirichlet(np.ones(3), (12, 13)), -1, 0)
    labels = probabilities.argmax(axis=0)
    cleaned = clean(
        labels, [CleanConfig(1, threshold=0.7)], probabilities=probabilities, spacing=(1.0, 1.0)
    )
    unsure = (labels == 1) & (probabilities[1] < 0.7)
    others = probabilities[[0, 2]].argmax(axis=0) * 2
    np.testing.assert_array_equal(cleaned, np.where(unsure, others, labels))


def test_holes_take_in_any_other_class():
    cleaned = clean(scene(), [CleanConfig(2, fill_holes=9)], spacing=(1.0, 1.0))
    assert cleaned[18, 15] == 2
    same = clean(scene(), [CleanConfig(2, fill_holes=9)], spacing=(1.1, 1.0))
    np.testing.assert_array_equal(same, scene())


def test_the_order_within_a_class():
    """Opened first, a thin bridge falls before only the largest component is kept."""
    labels = np.zeros((20, 40), np.uint8)
    labels[3:17, 3:17] = labels[5:15, 25:35] = 1
    labels[10, 17:25] = 1
    steps = [CleanConfig(1, open=1.5, largest=True)]
    cleaned = clean(labels, steps, spacing=(1.0, 1.0))
    assert cleaned[:, :17].any()
    assert not cleaned[:, 17:].any()


@given(
    labels=arrays(np.uint8, (6, 7), elements=st.integers(0, 2)),
    steps=st.lists(
        st.builds(
            CleanConfig,
            value=st.integers(0, 2),
            threshold=st.none() | st.floats(0, 1),
            open=st.sampled_from([0.0, 1.0, 3.0]),
            close=st.sampled_from([0.0, 1.0, 3.0]),
            fill_holes=st.sampled_from([0.0, 3.0]),
            min_size=st.sampled_from([0.0, 4.0, 1e6]),
            largest=st.booleans(),
        ),
        max_size=4,
    ),
    certain=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_every_pixel_keeps_one_of_the_classes(labels, steps, certain):
    given = labels.copy()
    probabilities = np.stack([labels == v for v in range(3)]).astype(np.float32)
    probabilities = probabilities if certain else probabilities * 0.7 + 0.1
    before = probabilities.copy()
    cleaned = clean(labels, steps, probabilities=probabilities, spacing=(1.0, 1.0))
    assert cleaned.dtype == np.uint8
    assert set(np.unique(cleaned)) <= {0, 1, 2}
    np.testing.assert_array_equal(labels, given)
    np.testing.assert_array_equal(probabilities, before)


@pytest.mark.parametrize("value", [0, 3])
def test_the_only_class(value):
    """Where it is dropped, background is left."""
    labels = np.full((5, 6), value, np.int32)
    config = CleanConfig(value, min_size=100, open=50, close=50, fill_holes=3)
    cleaned = clean(labels, [config], spacing=(1.0, 1.0))
    assert not cleaned.any()
    assert cleaned.dtype == np.int32


def test_an_absent_class_stays_absent():
    labels = np.zeros((4, 5), np.uint8)
    np.testing.assert_array_equal(
        clean(labels, [CleanConfig(300, close=3, largest=True)], spacing=(1, 1)), labels
    )


@pytest.mark.parametrize(("config", "given", "words"), [
    (CleanConfig(1, threshold=0.5), {}, "threshold needs the class probabilities"),
    (CleanConfig(7), {"probabilities": np.ones((2, 4, 4))}, "no class 7 .* 0, 1"),
    (CleanConfig(1), {"probabilities": np.ones((2, 4, 5))}, r"labels have \(4, 4\)"),
    (CleanConfig(1), {"probabilities": np.ones((2, 4, 4)), "values": (1, 2, 3)}, "of 2 classes"),
    (CleanConfig(1), {"probabilities": np.ones((2, 4, 4)), "values": (1, 300)}, "type uint8"),
    (CleanConfig(1), {"spacing": (1.0, 1.0, 1.0)}, "one number for each"),
])  # fmt: skip
def test_mismatches_are_refused(config, given, words):
    labels = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match=words):
        clean(labels, [config], **{"spacing": (1.0, 1.0)} | given)
