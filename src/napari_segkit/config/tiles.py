"""How an image is cut into tiles."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked


@dataclass(frozen=True)
class TileConfig(Checked):
    """How an image is cut into tiles.

    Tile size and overlap belong to a model: they are chosen when it is trained and kept in its
    file. A number given here for a prediction replaces the model's own and is recorded with the
    result.

    Parameters
    ----------
    tile_size : int or None
        Edge of a tile in pixels, rounded up to what the network can take; along coarse axes of a
        volume less. None: the model's own.
    overlap : int or None
        Pixels that neighbouring tiles share, at most half a tile; rounded as the size is. None:
        the model's own.
    batch_size : int
        Tiles predicted together. More is faster on a GPU and needs more memory.
    """

    tile_size: Annotated[int | None, {"min": 16, "max": 8192, "step": 16}] = None
    overlap: Annotated[int | None, {"min": 0, "max": 4096, "step": 16}] = None
    batch_size: Annotated[int, {"min": 1, "max": 1024}] = 4

    def __post_init__(self) -> None:
        """Check that two tiles at most cover a pixel along an axis."""
        super().__post_init__()
        if None not in (self.tile_size, self.overlap) and 2 * self.overlap > self.tile_size:  # type: ignore[operator]
            raise ValueError(
                f"TileConfig.overlap is {self.overlap} with a tile_size of {self.tile_size}; "
                f"it must be at most half of it, {self.tile_size // 2}."  # type: ignore[operator]
            )
