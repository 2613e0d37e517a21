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
