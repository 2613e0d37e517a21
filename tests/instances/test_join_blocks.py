"""Objects of blocks against those of the whole image."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_segkit.config import ObjectConfig
from napari_segkit.instances.block_objects import cut_block
from napari_segkit.instances.candidates import SoftMasks, render_labels
from napari_segkit.instances.join_blocks import BlockLinks, join_blocks
from napari_segkit.instances.level_targets import encode_levels
from napari_segkit.instances.visible_masks import VisibleMasks
from napari_segkit.instances.watershed import segment_objects, separate_objects, uncertain_area
from napari_segkit.refinement.blocks import add_margin


def _blocks(shape, edges):
    """Boxes that divide a frame into blocks of these edges, each with its place."""
    starts = [[*range(0, n, edge), n] for n, edge in zip(shape, edges, strict=True)]
    sides = [[slice(*ends) for ends in pairwise(axis)] for axis in starts]
    numbers = product(*[range(len(axis)) for axis in sides])
    return zip(numbers, product(*sides), strict=True)


def _by_block(maps, objects_by, edges, halo, size, order=None):
    """Labels, positions, scores, pixels and boxes of objects that were separated by block."""
    shape, ndim = maps.shape[1:], maps.ndim - 1
    whole, spacing = tuple(slice(0, n) for n in shape), (1,) * ndim
    links, sums, raw, before = BlockLinks(components=objects_by == "components"), [], [], 0
    blocks = list(_blocks(shape, edges))
    for number in order(len(blocks)) if order else range(len(blocks)):
        key, block = blocks[number]
        around, _ = add_margin(block, [halo] * ndim, shape)
        found, classes = separate_objects(
            maps[(slice(None), *around)], objects_by, spacing=spacing, size=size
        )
        cut = cut_block(found, classes[1:], around, block, divided=whole, shape=shape)
        links.add(key, before, cut.faces)
        raw.append((block, cut.labels, before))
        sums.append(cut.sums)
        before += len(cut.sums)
    numbers, rows = join_blocks(links, sums, uncertain_area(spacing, size), 0)
    numbers, labels = np.append(0, numbers), np.zeros(shape, np.int32)
    for block, ids, start in raw:
        labels[block] = numbers[np.where(ids > 0, ids + start, 0)]
    return labels, rows


def _assert_same_objects(labels, rows, expected):
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_array_equal(rows.positions, expected.positions)
    np.testing.assert_allclose(rows.scores, expected.scores, rtol=1e-5)
    np.testing.assert_array_equal(rows.pixels, np.bincount(labels.ravel())[1:])
    for box, found in zip(rows.boxes, ndimage.find_objects(labels), strict=True):
        assert [tuple(ends) for ends in box] == [(s.start, s.stop) for s in found]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from([(23, 31), (1, 17), (5, 12, 9)]),
    edge=st.integers(2, 12),
    density=st.floats(0.2, 0.7),
    classes=st.integers(1, 2),
)
def test_components_are_those_of_the_whole_image(seed, shape, edge, density, classes):
    random = np.random.default_rng(seed)
    target = (random.random(shape) < density) * random.integers(1, classes + 1, shape)
    maps = np.moveaxis(np.eye(classes + 1, dtype=np.float32)[target], -1, 0)
    expected = segment_objects(maps, "components", spacing=(1,) * len(shape), size=1.0)
    labels, rows = _by_block(maps, "components", [edge] * len(shape), 2, 1.0, random.permutation)
    _assert_same_objects(labels, rows, expected)


def test_one_component_through_all_blocks_is_one_object():
    """As SciPy finds it; a snake that enters most blocks several times."""
    snake = np.zeros((40, 41), bool)
    snake[::4], snake[:, ::40] = True, False
    for row in range(0, 36, 4):
        snake[row : row + 4, 39 if row % 8 else 1] = True
    count = ndimage.label(snake)[1]
    maps = np.stack([~snake, snake]).astype(np.float32)
    _, rows = _by_block(maps, "components", (8, 8), 2, 1.0)
    assert len(rows) == count == 1


def _cells(shape, radius, count, seed=0):
    """Discs or balls that touch, those painted later cut the others."""
    random, ids = np.random.default_rng(seed), np.zeros(shape, np.int32)
    grid = np.indices(shape)
    for number, centre in enumerate(random.uniform(0, shape, (count, len(shape))), 1):
        offset = grid - centre.reshape(-1, *[1] * len(shape))
        ids[(offset**2).sum(axis=0) <= radius**2] = number
    return ids


@pytest.mark.parametrize("objects_by", ["distance", "boundary"])
@pytest.mark.parametrize(("shape", "edge"), [((120, 140), 48), ((20, 44, 40), 20)])
def test_separated_objects_are_those_of_the_whole_image(objects_by, shape, edge):
    ids = _cells(shape, 7, 30)
    encoded = encode_levels(
        ids, [0] + [1] * ids.max(), objects_by, spacing=(1,) * ids.ndim, size=14.0
    )
    outputs = encoded.max() + 1
    hot = np.moveaxis(np.eye(outputs, dtype=np.float32)[encoded], -1, 0)
    maps = ndimage.gaussian_filter(hot, (0, *[1.0] * len(shape)))
    expected = segment_objects(maps, objects_by, spacing=(1,) * ids.ndim, size=14.0)
    labels, rows = _by_block(maps, objects_by, [edge] * len(shape), 42, 14.0)
    _assert_same_objects(labels, rows, expected)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 40), threshold=st.floats(0.05, 0.9))
def test_masks_of_boxes_are_those_of_the_whole_image(seed, count, threshold):
    random, shape = np.random.default_rng(seed), (70, 90)
    corners = random.uniform(-5, 80, (count, 2, 2))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1)
    masks = ndimage.gaussian_filter(random.random((count, 28, 28)), (0, 4, 4)) > 0.5
    candidates = SoftMasks.concatenate(
        [
            SoftMasks(
                boxes.astype(np.float32),
                masks.astype(np.float16),
                np.ones(count, int),
                random.random(count, np.float32),
            )
        ]
    )
    config = ObjectConfig(score=0.2, mask_threshold=threshold)
    expected, kept = render_labels(candidates, shape, config)
    visible = VisibleMasks(candidates, shape, config)
    assert visible.kept == kept.tolist()
    for _, box in _blocks(shape, (33, 28)):
        np.testing.assert_array_equal(visible.labels(box), expected[box])
