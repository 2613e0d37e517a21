"""What a network gave for the tiles that neighbouring blocks share, so that it is asked once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.tiling import Tile

from .plan import TilePlan
from .tiles import tile_probabilities

MAX_KEPT = 2**29  # bytes

Name = tuple[int, ...]  # of a tile: its frame and start


class SharedTiles:
    """Predicts the tiles of one block after the other; what the next block needs, too, is kept."""

    def __init__(self) -> None:
        self._kept: dict[Name, NDArray[np.float32]] = {}
        self._wanted: set[Name] = set()

    def keep_for(self, frame: dict[str, int], tiles: Sequence[Tile]) -> None:
        """Say which tiles the block after this one needs."""
        self._wanted = {_name(frame, tile) for tile in tiles}

    def probabilities(
        self, plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]
    ) -> NDArray[np.float32]:
        """As `tile_probabilities`, of a batch of which some may be known."""
        names = [_name(frame, tile) for tile in tiles]
        known = {name: self._kept.pop(name) for name in names if name in self._kept}
        pairs = zip(names, tiles, strict=True)
        if missing := {name: tile for name, tile in pairs if name not in known}:
            fresh = tile_probabilities(plan, frame, list(missing.values()))
            known |= zip(missing, fresh, strict=True)
        outputs = np.stack([known[name] for name in names])
        self._keep(frame, tiles, outputs)
        return outputs

    def _keep(
        self, frame: dict[str, int], tiles: Sequence[Tile], outputs: NDArray[np.float32]
    ) -> None:
        most = MAX_KEPT // outputs[0].nbytes
        for tile, output in zip(tiles, outputs, strict=True):
            name = _name(frame, tile)
            if name in self._wanted and len(self._kept) < most:
                self._kept[name] = output.copy()


def _name(frame: dict[str, int], tile: Tile) -> Name:
    return (*frame.values(), *tile.start)
