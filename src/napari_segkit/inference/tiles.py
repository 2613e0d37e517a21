"""What the network of a model predicts for the tiles of a plan."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.models.finite import require_finite
from napari_segkit.models.logits import probabilities_of
from napari_segkit.models.precision import autocast
from napari_segkit.tiling import Tile

from .plan import TilePlan


@torch.inference_mode()
def tile_probabilities(
    plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]
) -> NDArray[np.float32]:
    """Probabilities ``(tiles, outputs, *grid.size)`` of the classes, or of boundary levels."""
    with autocast(plan.precision, plan.device):
        logits: torch.Tensor = plan.model.network(_read(plan, frame, tiles))
    require_finite("outputs of the network", [logits])
    return np.asarray(probabilities_of(logits).cpu())


@torch.inference_mode()
def tile_masks(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> list[SoftMasks]:
    """Object masks of each tile, in pixels of the tile."""
    with autocast(plan.precision, plan.device):
        outputs: list[dict[str, torch.Tensor]] = plan.model.network(_read(plan, frame, tiles))
    for output in outputs:
        require_finite("outputs of the network", output.values())
    return [_to_arrays(output) for output in outputs]


def _read(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> torch.Tensor:
    pixels = np.stack([plan.read(frame, tile) for tile in tiles])
    return torch.from_numpy(pixels).to(plan.device)


def _to_arrays(output: dict[str, torch.Tensor]) -> SoftMasks:
    """Convert network outputs of a tile to arrays."""
    boxes, masks, labels, scores = [
        output[name].float().cpu().numpy() for name in ("boxes", "masks", "labels", "scores")
    ]
    return SoftMasks(boxes, masks.astype(np.float16), labels.astype(np.intp), scores)
