"""A region, or a prediction that was ended, gives the pixels that the whole one gives there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import coins

from napari_segkit import ModelSpec, Segmenter
from napari_segkit.inference import semantic
from napari_segkit.inference.sink import MemorySink
from napari_segkit.steps import Finish, drain

from .conftest import make_model

STACK = np.stack([coins()[:190, :200], coins()[-190:, -200:]])


@pytest.fixture(scope="module")
def segmenter():
    one = Segmenter(ModelSpec(), device="cpu")
    one.trained = make_model(1)
    return one


@pytest.fixture(scope="module")
def whole(segmenter):
    """Labels and probabilities of the stack."""
    return drain(segmenter.predict_tiles(STACK, axes="ZYX", probabilities=True))


@pytest.fixture
def tiles(monkeypatch):
    """The tiles that are predicted: frame and start."""
    seen, before = [], semantic.tile_probabilities

    def tile_probabilities(plan, frame, tiles):
        seen.extend((*frame.values(), *tile.start) for tile in tiles)
        return before(plan, frame, tiles)

    monkeypatch.setattr(semantic, "tile_probabilities", tile_probabilities)
    return seen


@st.composite
def boxes(draw, shape=STACK.shape):
    """A slice or number along each axis, and the mask of the pixels."""
    index = []
    for length in shape:
        start = draw(st.integers(0, length - 1))
        index.append(
            draw(st.just(start) | st.builds(slice, st.just(start), st.integers(start + 1, length)))
        )
    mask = np.zeros(shape, bool)
    mask[tuple(index)] = True
    return tuple(index), mask


@st.composite
def masks(draw, shape=STACK.shape):
    seed, share = draw(st.integers(0, 99)), draw(st.floats(1e-5, 1))
    mask = np.random.default_rng(seed).random(shape) < share
    mask[draw(st.tuples(*[st.integers(0, n - 1) for n in shape]))] = True
    return mask, mask


@settings(max_examples=8, deadline=None)
@given(region=boxes() | masks(), axes=st.sampled_from(["ZYX", "TYX", "YXZ", "XTY"]))
def test_any_region_has_the_pixels_of_the_whole(segmenter, whole, region, axes):
    given_region, inside = region
    order = ["ZYX".index(a) for a in axes.replace("T", "Z")]
    if isinstance(given_region, tuple):
        given_region = tuple(given_region[axis] for axis in order)
    else:
        given_region = given_region.transpose(order)
    steps = segmenter.predict_tiles(
        STACK.transpose(order), axes=axes, probabilities=True, region=given_region
    )
    found = drain(steps)
    inside = inside.transpose(order)
    np.testing.assert_array_equal(found.labels, np.where(inside, whole.labels.transpose(order), 0))
    expected = whole.probabilities.transpose(0, *(1 + np.array(order)))
    np.testing.assert_allclose(found.probabilities, np.where(inside, expected, 0), atol=1e-6)
    np.testing.assert_array_equal(found.predicted.mask, inside)
    assert not found.is_partial
    assert found.provenance["region"]["pixels"] == inside.sum()


def test_only_the_tiles_of_a_region_are_predicted(segmenter, tiles):
    steps = segmenter.predict_tiles(STACK, axes="ZYX", region=np.s_[1, 40:60, 70:90])
    (step, *_) = list(steps)
    assert set(tiles) == {(1, 0, 0), (1, 0, 64)}
    assert step.total == 2


def finished_after(steps, count):
    """The result of a prediction that is ended after so many steps, or at its end."""
    try:
        for _ in range(count):
            next(steps)
        while True:
            steps.send(Finish())
    except StopIteration as end:
        return end.value


@settings(max_examples=8, deadline=None)
@given(stop=st.integers(1, 7), region=st.none() | boxes() | masks())
def test_what_was_finished_early_goes_on_where_it_was(segmenter, whole, stop, region):
    region, inside = region or (None, np.ones(STACK.shape, bool))
    sink = MemorySink()
    steps = segmenter.predict_tiles(STACK, axes="ZYX", region=region, sink=sink)
    part = finished_after(steps, stop)
    done = np.ones(STACK.shape, bool) if part.predicted is None else part.predicted.mask
    assert part.is_partial == (done != inside).any() == ("partial" in part.provenance)
    assert (done <= inside).all()
    np.testing.assert_array_equal(part.labels, np.where(done, whole.labels, 0))
    rest = segmenter.predict_tiles(STACK, axes="ZYX", region=region, sink=sink)
    complete = drain(rest)
    np.testing.assert_array_equal(complete.labels, np.where(inside, whole.labels, 0))
    assert not complete.is_partial
    everything = drain(segmenter.predict_tiles(STACK, axes="ZYX", sink=sink))
    np.testing.assert_array_equal(everything.labels, whole.labels)
    assert everything.predicted is None


def test_views_add_up_in_one_sink(segmenter, whole, tiles):
    sink = MemorySink()
    for region in (np.s_[0, 20:60, 20:60], np.s_[0, 30:80, 30:80]):
        result = drain(segmenter.predict_tiles(STACK, axes="ZYX", region=region, sink=sink))
    inside = np.zeros(STACK.shape, bool)
    inside[0, 20:60, 20:60] = inside[0, 30:80, 30:80] = True
    np.testing.assert_array_equal(result.predicted.mask, inside)
    np.testing.assert_array_equal(result.labels, np.where(inside, whole.labels, 0))
