"""What is predicted of the levels of an image, in memory and in a temporary zarr."""

import numpy as np
import pytest

from napari_segkit.inference.view_cache import ViewCache

SHAPES = [(2, 60, 80), (2, 30, 40), (2, 8, 10)]  # the last one of a quarter, rounded up
VALUES = (0, 3, 300)
RNG = np.random.default_rng(0)
LABELS = RNG.choice([3, 300], SHAPES[0]).astype(np.uint16)
WHOLE = slice(0, 2), slice(0, 60), slice(0, 80)


@pytest.fixture
def cache():
    with_little_memory = ViewCache(SHAPES, (1, 16, 16), VALUES, memory=3000)
    yield with_little_memory
    with_little_memory.close()


def cells():
    for frame in range(2):
        for row in range(0, 60, 16):
            for column in range(0, 80, 16):
                yield (
                    slice(frame, frame + 1),
                    slice(row, min(row + 16, 60)),
                    slice(column, min(column + 16, 80)),
                )


def sampled(shape):
    """The pixel of the finest level in the middle of each pixel of a level."""
    axes = [
        ((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(shape, SHAPES[0], strict=True)
    ]
    return LABELS[np.ix_(*axes)]


def test_every_level_has_what_is_predicted_though_memory_is_full(cache):
    for box in cells():
        cache.write(box, LABELS[box])
    assert cache.folder is not None
    cache.reads_disk = True
    for level, shape in enumerate(SHAPES):
        np.testing.assert_array_equal(np.asarray(cache.views()[level]), sampled(shape))


def test_what_was_moved_to_disk_is_shown_once_it_is_loaded(cache):
    for box in cells():
        cache.write(box, LABELS[box])
    view, part = cache.views()[0], (slice(0, 1), slice(0, 16), slice(0, 16))
    assert (np.asarray(view[part]) != LABELS[part]).any()
    cache.load(0, part)
    np.testing.assert_array_equal(view[part], LABELS[part])
    folder = cache.folder
    cache.close()
    assert not folder.exists()
    assert not np.asarray(view[part]).any()


def test_a_preview_is_shown_until_its_pixels_are_predicted():
    cache = ViewCache(SHAPES, (1, 16, 16), VALUES)
    whole, part = tuple(slice(0, n) for n in SHAPES[2]), (slice(0, 1), slice(0, 30), slice(0, 80))
    cache.write_preview(2, whole, np.full(SHAPES[2], 3, np.uint16))
    assert (np.asarray(cache.views()[0]) == 3).all()
    assert cache.shows_preview(0, WHOLE)
    assert not cache.is_predicted(0, WHOLE)
    cache.write(part, LABELS[part])
    cache.write_preview(0, WHOLE, np.full(SHAPES[0], 300, np.uint16))
    expected = np.full(SHAPES[0], 300)
    expected[part] = LABELS[part]
    np.testing.assert_array_equal(np.asarray(cache.views()[0]), expected)
    assert cache.is_predicted(0, part)
    assert not cache.shows_preview(0, part)


def test_labels_of_no_class_are_known():
    cache = ViewCache(SHAPES, (1, 16, 16), (3, 300))
    cache.write(WHOLE, np.zeros(SHAPES[0], np.uint16))
    assert cache.is_predicted(0, WHOLE)
    assert not np.asarray(cache.views()[0]).any()


@pytest.mark.parametrize(
    "indices",
    [
        [(slice(None), slice(5, 20), slice(60, 99)), (1, slice(None), slice(None))],  # napari's
        [0],
        [(1, -1, slice(-7, None))],
        [(0, 3, 4)],
        [(slice(1, 1),)],
        [(slice(None), slice(0, 60, 7))],
    ],
)
def test_views_are_indexed_as_arrays_are(indices):
    cache = ViewCache(SHAPES, (1, 16, 16), VALUES)
    cache.write(WHOLE, LABELS)
    view, expected = cache.views()[0], LABELS
    for index in indices:
        view, expected = view[index], expected[index]
    assert (view.shape, view.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(np.asarray(view), expected)
