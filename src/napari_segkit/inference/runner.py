"""Where networks compute while objects are predicted: on this machine, or elsewhere."""

from collections.abc import Generator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.label_result import LabelResult
from napari_segkit.tiling import Tile

from .context import Context
from .masks import TileMasks
from .plan import TilePlan
from .progress import Progress, TileStep
from .sink import Sink

Levels: TypeAlias = NDArray[np.float32]  # (outputs, *box)


class Runner(Protocol):
    """Gives what networks say of tiles; each method ends early when it is told to finish."""

    def predict_plan(self, plan: TilePlan, sink: Sink) -> Generator[TileStep, object, LabelResult]:
        """Predict classes that a sink does not have of a plan."""

    def blend_frame(
        self, plan: TilePlan, frame: dict[str, int], context: Context, progress: Progress
    ) -> Generator[TileStep, object, Levels | None]:
        """The levels of the box of a context; None if it is ended before."""

    def tile_masks(
        self, plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile], progress: Progress
    ) -> Generator[TileStep, object, TileMasks | None]:
        """Object masks of tiles, by start of tile; None if it is ended before."""
