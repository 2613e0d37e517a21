import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import disk

from napari_segkit import ObjectConfig
from napari_segkit.instances.candidates import SoftMasks, render_labels
from napari_segkit.instances.merge_tiles import merge_tiles
from napari_segkit.instances.roi_masks import extract_mask
from napari_segkit.tiling import Grid


def tile_candidates(labels, tile, size, score=0.9):
    """What a perfect network would find in a tile: the visible part of each object."""
    part = labels[tile.region]
    boxes, masks = [], []
    for number in np.unique(part[part > 0]):
        rows, cols = np.nonzero(part == number)
        box = [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
        boxes.append(box)
        masks.append(extract_mask((part == number).astype(np.float32), box, (0, 0)))
    count = len(boxes)
    return SoftMasks(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(masks, np.float16).reshape(-1, 28, 28),
        np.ones(count, np.intp),
        np.full(count, score, np.float32),
    )


def merge_and_render(labels, size=64, overlap=24):
    grid = Grid(labels.shape, (size, size), (overlap, overlap), blended=False)
    candidates = merge_tiles(grid, [(tile, tile_candidates(labels, tile, size)) for tile in grid])
    return render_labels(candidates, labels.shape, ObjectConfig())[0]


def assert_same_objects(found, labels):
    """Each true object is covered by one found object, and none is left over."""
    assert found.max() == len(np.unique(labels)) - 1
    for number in np.unique(labels[labels > 0]):
        mask = labels == number
        best = np.bincount(found[mask]).argmax()
        assert best > 0
        assert (mask & (found == best)).sum() / (mask | (found == best)).sum() > 0.8


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(100, 210), st.integers(100, 210))
def test_each_object_is_found_once_and_whole(seed, height, width):
    random = np.random.default_rng(seed)
    labels, number = np.zeros((height, width), np.int32), 0
    for _ in range(60):
        radius = int(random.integers(4, 11))
        rows, cols = disk(
            (random.integers(radius, height - radius), random.integers(radius, width - radius)),
            radius,
        )
        if not labels[rows, cols].any():
            number += 1
            labels[rows, cols] = number
    assert_same_objects(merge_and_render(labels), labels)


def test_an_object_larger_than_the_overlap_is_united():
    labels = np.zeros((200, 200), np.int32)
    labels[20:170, 40:150] = 1
    labels[180:190, 10:20] = 2
    assert_same_objects(merge_and_render(labels), labels)


def test_an_object_found_only_at_a_tile_edge_is_dropped():
    """A tile takes the cut edge of nothing for an object that its neighbour would see whole."""
    grid = Grid((64, 104), (64, 64), (24, 24), blended=False)
    first, second = grid
    ghost = SoftMasks(
        np.array([[52, 20, 64, 30]], np.float32),
        np.ones((1, 28, 28), np.float16),
        np.ones(1, np.intp),
        np.ones(1, np.float32),
    )
    nothing = SoftMasks.concatenate([])
    assert len(merge_tiles(grid, [(first, ghost), (second, nothing)])) == 0


def test_objects_of_different_classes_are_not_merged():
    grid = Grid((64, 104), (64, 64), (24, 24), blended=False)
    labels = np.zeros((64, 104), np.int32)
    labels[20:40, 45:60] = 1
    parts = [(tile, tile_candidates(labels, tile, 64)) for tile in grid]
    other = parts[1][1]
    parts[1] = parts[1][0], SoftMasks(other.boxes, other.masks, other.positions + 1, other.scores)
    assert len(merge_tiles(grid, parts)) == 2


def test_an_uncertain_candidate_does_not_replace_a_certain_one():
    """A network also finds, less surely, most of what it finds: both tiles see both."""
    grid = Grid((64, 104), (64, 64), (24, 24), blended=False)
    first, second = grid
    boxes = np.array([[46, 20, 58, 40], [48, 20, 58, 40]], np.float32)

    def candidates(start):
        masks = np.ones((2, 28, 28), np.float16)
        scores = np.array([0.8, 0.5], np.float32)
        return SoftMasks(boxes - [start, 0, start, 0], masks, np.ones(2, np.intp), scores)

    found = merge_tiles(grid, [(first, candidates(0)), (second, candidates(40))])
    np.testing.assert_allclose(found.scores, [0.8, 0.5])
    np.testing.assert_allclose(found.boxes, boxes)
