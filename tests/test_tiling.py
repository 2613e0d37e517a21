from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit.tiling import Grid, margin, mirrored_indices, read_mirrored


@st.composite
def grids(draw, ndims=3):
    ndim = draw(st.integers(1, ndims))
    size = draw(st.lists(st.integers(8, 40), min_size=ndim, max_size=ndim))
    overlap = [draw(st.integers(0, n // 2)) for n in size]
    shape = draw(st.lists(st.integers(1, 90), min_size=ndim, max_size=ndim))
    strides = draw(st.sampled_from([(), (1,) * ndim]))
    return Grid(tuple(shape), tuple(size), tuple(overlap), strides=strides)


@settings(max_examples=100, deadline=None)
@given(grids())
def test_weights_add_up_to_one_at_every_pixel(grid):
    total = np.zeros(grid.shape, np.float32)
    for tile in grid:
        total[tile.region] += grid.weights(tile)
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(deadline=None)
@given(grids())
def test_the_grid_starts_at_the_origin_with_equal_steps_and_equal_tiles(grid):
    tiles = list(grid)
    assert len(tiles) == len(grid)
    for axis, (size, overlap) in enumerate(zip(grid.size, grid.overlap, strict=True)):
        starts = sorted({t.start[axis] for t in tiles})
        assert starts == list(range(0, len(starts) * (size - overlap), size - overlap))
        beyond = 0 if grid.strides else margin(overlap)
        assert starts[-1] + size >= grid.shape[axis] + beyond
        assert starts[-1] < grid.shape[axis]


@settings(max_examples=30, deadline=None)
@given(grids(ndims=2))
def test_each_pixel_is_in_one_cell_which_lists_the_tiles_that_cover_it(grid):
    count, tiles = np.zeros(grid.shape, int), list(grid)
    cells = grid.cells()
    assert [cell.start for cell in cells] == [tile.start for tile in tiles]
    for cell in [*cells, grid.single_cell()]:
        covering = np.zeros(grid.shape, bool)
        covering[cell.region] = True
        assert covering[cell.region].size
        assert list(cell.tiles) == [tile for tile in tiles if covering[tile.region].any()]
        count += covering
    assert (count == 2).all()


@settings(deadline=None)
@given(grids(), st.integers(1, 60))
def test_a_larger_image_has_the_same_tiles_at_the_same_places(grid, more):
    larger = replace(grid, shape=tuple(n + more for n in grid.shape))
    assert {t.start for t in grid} <= {t.start for t in larger}


def test_the_last_tiles_are_cut_to_what_the_image_needs():
    grid = Grid((1000, 100), (512, 512), (128, 128), strides=(32, 32))
    assert [grid.extent(tile) for tile in grid] == [(512, 128), (512, 128), (256, 128)]
    whole = replace(grid, strides=())
    assert {whole.extent(tile) for tile in whole} == {(512, 512)}


def test_the_outer_quarter_of_an_overlap_has_no_weight():
    grid = Grid((200,), (64,), (32,))
    second = list(grid)[1]
    weights = grid.weights(second)
    assert (weights[:8] == 0).all()
    assert (np.diff(weights[8:24]) > 0).all()
    assert (weights[24:40] == 1).all()
    assert grid.weights(next(iter(grid)))[0] == 1


@given(st.integers(1, 12), st.integers(-40, 40), st.integers(1, 40))
def test_mirrored_indices_match_numpys_reflection(length, start, count):
    values = np.arange(length)
    padded = np.pad(values, 100, mode="reflect") if length > 1 else np.zeros(240, int)
    expected = padded[100 + start : 100 + start + count]
    np.testing.assert_array_equal(mirrored_indices(start, start + count, length), expected)


@pytest.mark.parametrize("start", [(0, 0), (-3, 5), (6, 10)])
def test_a_window_past_the_end_reads_only_the_pixels_it_needs(start):
    image = np.arange(2 * 8 * 12).reshape(2, 8, 12)
    requested = []

    def read(region):
        requested.append(region)
        return image[(slice(None), *region)]

    window = read_mirrored(read, start, (6, 7), (8, 12))
    padded = np.pad(image, ((0, 0), (20, 20), (20, 20)), mode="reflect")
    np.testing.assert_array_equal(
        window, padded[:, 20 + start[0] : 26 + start[0], 20 + start[1] : 27 + start[1]]
    )
    assert all(0 <= s.start < s.stop <= n for s, n in zip(requested[0], (8, 12), strict=True))


@pytest.mark.parametrize(
    ("shape", "strides", "extent"),
    [
        ((40, 3), (32, 32), (64, 64)),
        ((200, 60), (32, 32), (224, 64)),
        ((5, 3, 40), (8,) * 3, (8, 16, 40)),
    ],
)
def test_a_cut_tile_has_the_two_strides_that_networks_need(shape, strides, extent):
    grid = Grid(shape, (512,) * len(shape), (128,) * len(shape), strides=strides)
    assert grid.extent(next(iter(grid))) == extent
