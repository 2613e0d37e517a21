"""A region, or a prediction that was ended, gives the pixels that the whole one gives there."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Shapes
from skimage.data import coins

from napari_segkit import (
    CleanConfig,
    ModelSpec,
    MRFConfig,
    RefineConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
)
from napari_segkit.inference.plan import TilePlan
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
    seen, before = [], TilePlan.read

    def read(plan, frame, tile):
        seen.append((*frame.values(), *tile.start))
        return before(plan, frame, tile)

    monkeypatch.setattr(TilePlan, "read", read)
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
    predicted = True if found.predicted is None else found.predicted.mask
    np.testing.assert_array_equal(predicted, inside)
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


SMOOTH = RefineConfig("mrf", mrf=MRFConfig(1.0, intensity_sigma=0.2, iterations=4))
REFINED = [
    SMOOTH,
    RefineConfig("crf"),
    RefineConfig("superpixels"),
    RefineConfig(clean=(CleanConfig(4, open=1, close=2, fill_holes=30, min_size=40),)),
    RefineConfig(clean=(CleanConfig(4, largest=True),)),
]


@pytest.mark.parametrize("refine", REFINED, ids=lambda r: r.method or "clean")
def test_a_region_is_refined_with_a_margin_around_it(segmenter, tiles, refine):
    image, region = np.tile(coins(), (1, 2))[:, :700], np.s_[150:180, 301:340]
    whole = drain(segmenter.predict_tiles(image, refine=refine, probabilities=True))
    expected, labels, every = whole.probabilities, whole.labels, len(tiles)
    tiles.clear()
    steps = segmenter.predict_tiles(image, refine=refine, region=region, probabilities=True)
    found = drain(steps)
    inside = (slice(None), *region)
    assert (found.labels[region] == labels[region]).mean() > 0.999
    assert np.abs(found.probabilities[inside] - expected[inside]).max() < 0.01
    assert not found.labels[:, :300].any()
    assert not found.probabilities[:, :150].any()
    whole_frame = any(step.largest for step in refine.clean) or refine.method == "superpixels"
    assert whole_frame or len(tiles) < every / 2


@pytest.mark.parametrize("change", [{"resize": (150, 250)}, {"voxel_size": 1.5}])
def test_a_region_of_a_resampled_image_is_that_of_the_whole(tiles, change):
    one = Segmenter(ModelSpec(), device="cpu")
    one.trained = make_model(1, config=TrainConfig(**change), tile_size=(64, 64), overlap=(16, 16))
    image, region = coins(), np.s_[150:180, 301:340]
    expected, every = one.predict(image), len(tiles)
    tiles.clear()
    found = one.predict(image, region=region)
    np.testing.assert_array_equal(found[region], expected[region])
    assert len(tiles) < every / 2
    assert not found[:, :300].any()


def discs(count, shape, seed):
    """A noisy picture of discs, some of which touch, and their ids."""
    rng = np.random.default_rng(seed)
    ids, (rows, columns) = np.zeros(shape, int), np.indices(shape)
    for number in range(1, count + 1):
        y, x, radius = *rng.integers(0, shape), rng.integers(6, 10)
        ids[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number
    return ((ids > 0) * 120 + rng.normal(40, 4, shape)).clip(0, 255).astype(np.uint8), ids


@pytest.fixture(scope="module")
def finds_discs():
    """A model that separates objects."""
    one = Segmenter(ModelSpec("pixels", objects="distance"), device="cpu")
    return one.fit(*discs(40, (128, 128), 0), TrainConfig(unlabelled=None))


def test_objects_of_a_region_are_those_of_the_whole_cut_at_its_edge(finds_discs):
    (image, _), region = discs(400, (400, 500), 1), np.s_[200:360, 330:500]
    tile = TileConfig(tile_size=128)
    expected = finds_discs.predict(image, tile)[region]
    steps = finds_discs.predict_tiles(image, tile, region=region)
    found = drain(steps)
    inside = found.labels[region]
    assert (found.labels > 0).sum() == (inside > 0).sum()
    np.testing.assert_array_equal(inside > 0, expected > 0)
    pairs = np.unique(np.stack([inside, expected])[:, inside > 0], axis=1)
    assert len(pairs[0]) == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))
    assert set(found.objects.table["index"]) == set(range(1, inside.max() + 1))
    assert found.objects.table["x0"].min() >= 330


@pytest.mark.parametrize(
    ("region", "said"),
    [
        (np.s_[0:10], "region has 1 dimension, but the labels have 3 (axes ZYX"),
        (np.s_[0, 0:5, 0:5, 0:5], "region has 4 dimensions"),
        (np.s_[7, ..., :], "region is 7 along Z, where the image has 2 pixels"),
        (np.s_[0, 500:600, :], "region is 500:600 along Y, where the image has 190 pixels"),
        (np.s_[0, 5:5, :], "region is 5:5 along Y"),
        (np.s_[0, ::2, :], "give a whole number or a slice without a step"),
        ({"T": 3}, "region names the axis 'T', but the labels have the axes ZYX"),
        (np.zeros(STACK.shape), "region is a mask that is 0 everywhere"),
        (np.ones((5, 5)), "region is an array of shape (5, 5), but the labels have the shape"),
        ([], "region holds no pixel"),
        ([[(500, 0), (500, 9), (520, 9)]], "Region 1 of 1 lies outside the image"),
        ("0:5", "region is '0:5': give a slice or number for each of the axes ZYX"),
    ],
)
def test_what_is_no_region_is_said_before_any_work(segmenter, tiles, require_said, region, said):
    with pytest.raises((ValueError, TypeError)) as error:
        segmenter.predict(STACK, axes="ZYX", region=region)
    require_said(error.value, said)
    assert not tiles


def test_polygons_and_shapes_are_the_pixels_inside(segmenter, whole):
    square = np.array([(10, 20), (10, 60), (50, 60), (50, 20)])
    other = np.c_[np.ones(4), square + 20]  # in slice 1
    found = drain(segmenter.predict_tiles(STACK, axes="ZYX", region=[square, other]))
    inside = np.zeros(STACK.shape, bool)
    inside[:, 10:50, 20:60] = inside[1, 30:70, 40:80] = True
    np.testing.assert_array_equal(found.labels, np.where(inside, whole.labels, 0))
    assert json.loads(json.dumps(found.provenance))["region"] == {
        "axes": "ZYX",
        "box": [[0, 2], [10, 70], [20, 80]],
        "pixels": int(inside.sum()),
    }


def test_a_shapes_layer_is_placed_by_world_coordinates(segmenter, whole):
    image = Image(STACK, scale=(2, 0.5, 0.5), translate=(0, 3, 0), axis_labels=("z", "y", "x"))
    corners = [(8, 5), (8, 15), (18, 15), (18, 5)]  # in the world
    found = segmenter.predict(image, region=Shapes([np.array(corners)]))
    inside = np.zeros(STACK.shape, bool)
    inside[:, 10:30, 10:30] = True
    np.testing.assert_array_equal(found, np.where(inside, whole.labels, 0))
