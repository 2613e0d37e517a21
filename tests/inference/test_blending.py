import numpy as np

from napari_segkit.inference.blending import Blending
from napari_segkit.tiling import Grid

GRID = Grid((300, 260), (64, 64), (32, 32))


def blended(blending, outputs):
    """The cells that the tiles complete one by one, in this order."""
    cells = {}
    for tile in blending.tiles:
        for cell, maps in blending.add([tile], outputs[tile.start][None]):
            cells[cell.start] = maps
    return cells


def test_the_middle_comes_first_and_changes_no_bit():
    draw = np.random.default_rng(0)
    outputs = {tile.start: draw.random((3, 64, 64), np.float32) for tile in GRID}
    in_order = blended(Blending(GRID, GRID.cells()), outputs)
    from_middle = blended(Blending(GRID, GRID.cells(), [150, 130]), outputs)
    assert next(iter(in_order)) == (0, 0)
    assert next(iter(from_middle)) == (128, 128)
    assert in_order.keys() == from_middle.keys()
    for start, maps in in_order.items():
        np.testing.assert_array_equal(from_middle[start], maps)


def test_cells_are_the_weighted_sums_of_their_tiles():
    draw = np.random.default_rng(0)
    outputs = {tile.start: draw.random((3, 64, 64), np.float32) for tile in GRID}
    sums = np.zeros((3, *GRID.shape))
    for tile in GRID:
        inside = tuple(slice(0, side.stop - side.start) for side in tile.region)
        output = outputs[tile.start][(slice(None), *inside)]
        sums[(slice(None), *tile.region)] += output * GRID.weights(tile)
    whole = GRID.single_cell()
    cells = {cell.start: cell for cell in GRID.cells()}
    for start, maps in blended(Blending(GRID, cells.values()), outputs).items():
        region = (slice(None), *cells[start].region)
        np.testing.assert_allclose(maps, sums[region], rtol=1e-6)
    np.testing.assert_allclose(
        blended(Blending(GRID, [whole]), outputs)[whole.start], sums, rtol=1e-6
    )
