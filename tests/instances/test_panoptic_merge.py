from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segkit.instances.panoptic_merge import merge_segments


class Segment(NamedTuple):
    id: int
    position: int
    kind: str
    score: float
    pixels: int


CLASS_OF = np.array([0, 3, 1, 2, 2])
POSITIONS = [5, 2, 9]


@st.composite
def scenes(draw):
    shape = draw(st.sampled_from([(6, 7), (2, 4, 5)]))
    numbers = st.sampled_from(np.float32([0, 0.2, 0.5, 0.8]).tolist())
    ids = draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 4)))
    confidence = draw(hnp.arrays(np.float32, shape, elements=numbers)) * (ids > 0)
    count = draw(st.integers(0, 3))
    stuff = draw(hnp.arrays(np.float32, (count, *shape), elements=numbers))
    return ids, confidence, stuff, draw(st.integers(0, 6))


def merged(ids, confidence, stuff, min_area=0, class_of=CLASS_OF):
    """Segments, and a row for each, where `stuff` holds the probabilities of each stuff class."""
    positions = POSITIONS[: len(stuff)]
    most_likely = stuff.argmax(axis=0) if len(stuff) else np.zeros(stuff.shape[1:], np.uint8)
    best = stuff.max(axis=0, initial=0)
    found = merge_segments(
        ids, confidence, class_of, most_likely, best, stuff_positions=positions, min_area=min_area
    )
    numbers = range(1, len(found.scores) + 1)
    kinds = ["stuff" if stuff else "thing" for stuff in found.stuff]
    pixels = np.bincount(found.labels.ravel(), minlength=len(numbers) + 1)[1:]
    rows = zip(numbers, found.positions, kinds, found.scores, pixels, strict=True)
    return found.labels, [Segment(*row) for row in rows]


@settings(deadline=None, max_examples=50)
@given(scenes())
def test_every_pixel_is_in_one_segment_or_in_none(scene):
    ids, confidence, stuff, min_area = scene
    segments, table = merged(*scene)
    assert segments.dtype == np.int32
    assert segments.shape == ids.shape
    assert [s.id for s in table] == list(range(1, len(table) + 1))
    counts = np.bincount(segments.ravel(), minlength=len(table) + 1)
    assert counts[1:].tolist() == [s.pixels for s in table]
    assert all(s.pixels > 0 for s in table)
    assert [s.kind for s in table] == sorted((s.kind for s in table), reverse=True)
    for row in table:
        where = segments == row.id
        if row.kind == "thing":
            (owner,) = set(ids[where])
            assert row.position == CLASS_OF[owner]
            assert where.sum() * 2 >= (ids == owner).sum()
            assert row.score == pytest.approx(confidence[where].mean())
        else:
            of_class = stuff[POSITIONS.index(row.position)]
            assert (of_class[where] == stuff.max(axis=0)[where]).all()
            assert row.pixels >= min_area
            assert row.score == pytest.approx(of_class[where].mean())


@settings(deadline=None, max_examples=50)
@given(scenes())
def test_the_rule_pixel_by_pixel(scene):
    ids, confidence, stuff, min_area = scene
    best = stuff.max(axis=0, initial=0)
    kept_pixels = (ids > 0) & (confidence > 0) & (confidence >= best)
    for one in range(1, 5):
        if kept_pixels[ids == one].sum() * 2 < (ids == one).sum():
            kept_pixels[ids == one] = False
    expected = np.where(kept_pixels, ids, 0)
    for number in range(len(stuff)):
        of_class = ~kept_pixels & (stuff.argmax(axis=0) == number) & (best > 0)
        if of_class.sum() >= min_area:
            expected[of_class] = 10 + number
    segments, table = merged(*scene)
    kept = np.unique(expected[expected > 0])
    assert len(table) == len(kept)
    np.testing.assert_array_equal(np.concatenate([[0], kept])[segments], expected)


def test_the_more_confident_wins_and_objects_win_ties():
    ids = np.array([[1, 1, 1, 0, 0]], np.int32)
    confidence = np.float32([[0.9, 0.5, 0.3, 0, 0]])
    stuff = np.float32([[[0.1, 0.5, 0.6, 0.7, 0]]])
    segments, table = merged(ids, confidence, stuff)
    assert segments.tolist() == [[1, 1, 2, 2, 0]]
    assert table == [
        Segment(1, 3, "thing", pytest.approx(0.7), 2),
        Segment(2, 5, "stuff", pytest.approx(0.65), 2),
    ]


@pytest.mark.parametrize(("lost", "stays"), [(5, True), (6, False)])
def test_objects_that_lose_more_than_half_are_dropped(lost, stays):
    ids = np.full((1, 10), 2, np.int32)
    confidence = np.full((1, 10), 0.5, np.float32)
    stuff = np.full((1, 1, 10), 0.1, np.float32)
    stuff[0, 0, :lost] = 0.9
    segments, table = merged(ids, confidence, stuff)
    assert ("thing" in [s.kind for s in table]) == stays
    assert (segments == 1).sum() == (10 - lost if stays else 10)


def test_small_stuff_is_void():
    stuff = np.zeros((2, 3, 4), np.float32)
    stuff[0], stuff[1, 0, :3] = 0.5, 0.6
    ids, confidence = np.zeros((3, 4), np.int32), np.zeros((3, 4), np.float32)
    segments, table = merged(ids, confidence, stuff, min_area=4)
    assert [(s.id, s.position, s.pixels) for s in table] == [(1, 5, 9)]
    assert segments[0].tolist() == [0, 0, 0, 1]
    assert len(merged(ids, confidence, stuff, min_area=3)[1]) == 2


def test_stuff_in_several_components_is_one_segment():
    stuff = np.zeros((1, 1, 9), np.float32)
    stuff[0, 0, [0, 8]] = 1
    segments, table = merged(np.zeros((1, 9), np.int32), np.zeros((1, 9), np.float32), stuff)
    assert [s.pixels for s in table] == [2]
    assert segments.max() == 1


def test_images_without_stuff_or_objects():
    ids = np.array([[0, 4, 4, 2]], np.int32)
    none = np.zeros((0, 1, 4), np.float32)
    segments, table = merged(ids, np.float32(ids > 0), none)
    assert segments.tolist() == [[0, 2, 2, 1]]
    assert [(s.id, s.position) for s in table] == [(1, 1), (2, 2)]
    segments, table = merged(np.zeros_like(ids), np.zeros((1, 4), np.float32), none)
    assert not segments.any()
    assert table == []


def test_unannotated_pixels_are_no_objects():
    segments, table = merged(
        np.array([[-1, 1]], np.int32), np.float32([[0.9, 0.9]]), np.float32([[[0, 0.1]]])
    )
    assert segments.tolist() == [[0, 1]]
    assert [s.kind for s in table] == ["thing"]


def test_shapes_must_fit():
    ids, confidence = np.zeros((3, 4), np.int32), np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match=r"stuff of \(2, 4\) and \(2, 4\): give the same shape"):
        merged(ids, confidence, np.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match=r"confidence of \(3, 3\)"):
        merged(ids, confidence[:, :3], np.zeros((1, 3, 4), np.float32))
