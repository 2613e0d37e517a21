"""What the network of a model predicts for the tiles of a plan."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.models.finite import require_finite
from napari_segkit.models.logits import probabilities_of
from napari_segkit.models.precision import autocast
from napari_segkit.tiling import Tile

from .copies import Predict, mean_over_passes, mean_over_symmetries
from .plan import TilePlan


@torch.inference_mode()
def tile_probabilities(
    plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]
) -> NDArray[np.float32]:
    """Probabilities ``(tiles, outputs, *grid.size)`` of the classes, or of boundary levels.

    They are the mean over mirrored copies and passes with dropout, if these are asked for.
    """
    images = _read(plan, frame, tiles)
    predict: Predict = partial(_probabilities, plan)
    if plan.symmetries:
        predict = partial(mean_over_symmetries, predict, copies=plan.symmetries)
    if plan.settings.passes == 1:
        return np.asarray(predict(images).cpu())
    seeds = [plan.pass_seeds(frame, tile) for tile in tiles]
    return np.asarray(mean_over_passes(predict, images, plan.model.network, seeds).cpu())


@torch.inference_mode()
def tile_masks(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> list[SoftMasks]:
    """Object masks of each tile, in pixels of the tile."""
    with autocast(plan.precision, plan.device):
        outputs: list[dict[str, torch.Tensor]] = plan.model.network(_read(plan, frame, tiles))
    for output in outputs:
        require_finite("outputs of the network", output.values())
    return [_to_arrays(output) for output in outputs]


def _probabilities(plan: TilePlan, images: torch.Tensor) -> torch.Tensor:
    with autocast(plan.precision, plan.device):
        logits: torch.Tensor = plan.model.network(images)
    require_finite("outputs of the network", [logits])
    return probabilities_of(logits)


def _read(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> torch.Tensor:
    pixels = np.stack([plan.read(frame, tile) for tile in tiles])
    return torch.from_numpy(pixels).to(plan.device)


def _to_arrays(output: dict[str, torch.Tensor]) -> SoftMasks:
    """Convert network outputs of a tile to arrays."""
    boxes, masks, labels, scores = [
        output[name].float().cpu().numpy() for name in ("boxes", "masks", "labels", "scores")
    ]
    return SoftMasks(boxes, masks.astype(np.float16), labels.astype(np.intp), scores)
