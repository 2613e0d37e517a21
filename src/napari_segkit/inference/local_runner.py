"""Gives what networks say, computed in this process."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from napari_segkit.label_result import LabelResult
from napari_segkit.tiling import Tile

from .blending import blend_frame
from .context import Context
from .masks import TileMasks
from .plan import TilePlan
from .progress import Progress, TileStep
from .runner import Levels
from .semantic import predict_plan
from .sink import Sink
from .tiles import tile_masks

if TYPE_CHECKING:
    from napari_segkit.instances.candidates import SoftMasks


class LocalRunner:
    """Computes in this process."""

    def predict_plan(self, plan: TilePlan, sink: Sink) -> Generator[TileStep, object, LabelResult]:
        """Predict classes that a sink does not have of a plan."""
        return predict_plan(plan, sink)

    def blend_frame(
        self, plan: TilePlan, frame: dict[str, int], context: Context, progress: Progress
    ) -> Generator[TileStep, object, Levels | None]:
        """The levels of the box of a context; None if it is ended before."""
        return blend_frame(plan, frame, context, progress)

    def tile_masks(
        self, plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile], progress: Progress
    ) -> Generator[TileStep, object, TileMasks | None]:
        """Object masks of tiles, by start of tile; None if it is ended before."""
        masks: dict[tuple[int, ...], SoftMasks] = {}
        for batch in plan.batches(tiles):
            starts = [tile.start for tile in batch]
            masks |= zip(starts, tile_masks(plan, frame, batch), strict=True)
            progress.heed((yield progress.step(len(batch))))
            if progress.is_finishing and len(masks) < len(tiles):
                return None
        return masks


LOCAL = LocalRunner()
