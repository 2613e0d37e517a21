"""Settings of the tiles."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked


@dataclass(frozen=True)
class TileConfig(Checked):
    """How an image is divided into tiles.

    Tile size and overlap of predictions are chosen when a model is trained and stored with it.
    Values set here for a prediction replace them and are recorded with the result.

    Parameters
    ----------
    tile_size : int or None
        Edge of a tile in pixels, rounded up to a multiple that the network accepts; shorter along
        coarse axes of a volume. In a training, of the patches that it draws; predictions of the
        model may then use longer tiles, see `TrainConfig.tile`. None: chosen for the method in
        training, and the tile size stored with the model in prediction.
    overlap : int or None
        Pixels shared by neighbouring tiles, at most half a tile; rounded like the tile size. None:
        chosen for the method in training, and the overlap stored with the model in prediction.
    batch_size : int or None
        Tiles predicted together. More may be faster on a GPU and needs more memory. None: 1 on a
        CPU, whose memory is fastest in small pieces, and 4 on a GPU.
    """

    tile_size: Annotated[int | None, {"min": 16, "max": 8192, "step": 16}] = None
    overlap: Annotated[int | None, {"min": 0, "max": 4096, "step": 16}] = None
    batch_size: Annotated[int | None, {"min": 1, "max": 1024}] = None

    def __post_init__(self) -> None:
        """Check that the overlap is at most half a tile."""
        super().__post_init__()
        if None not in (self.tile_size, self.overlap) and 2 * self.overlap > self.tile_size:  # type: ignore[operator]
            raise ValueError(
                f"TileConfig.overlap is {self.overlap} with a tile_size of {self.tile_size}; "
                f"it must be at most half of it, {self.tile_size // 2}."  # type: ignore[operator]
            )
