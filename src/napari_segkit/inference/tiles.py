"""What the network of a model predicts for the tiles of a plan."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.tiling import Tile

from .plan import TilePlan


@torch.inference_mode()
def tile_probabilities(
    plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]
) -> NDArray[np.float32]:
    """Probabilities ``(tiles, outputs, *grid.size)`` of the classes, or of boundary levels."""
    logits: torch.Tensor = plan.model.network(_read(plan, frame, tiles))
    return _require_finite(plan, np.asarray(logits.float().softmax(dim=1).cpu()))


@torch.inference_mode()
def tile_masks(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> list[SoftMasks]:
    """Object masks of each tile, in pixels of the tile."""
    outputs: list[dict[str, torch.Tensor]] = plan.model.network(_read(plan, frame, tiles))
    return [_to_arrays(plan, output) for output in outputs]


def _read(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> torch.Tensor:
    pixels = np.stack([plan.read(frame, tile) for tile in tiles])
    return torch.from_numpy(pixels).to(plan.device)


def _require_finite(plan: TilePlan, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Refuse NaN: the most likely class would be the first one, without a word."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"The model predicts NaN for {plan.image.name}: the intensities are far from those of "
            "its training, or the model is damaged; compare the image with the training images, "
            "or train again."
        )
    return values


def _to_arrays(plan: TilePlan, output: dict[str, torch.Tensor]) -> SoftMasks:
    """Convert network outputs of a tile to arrays."""
    boxes, masks, labels, scores = [
        _require_finite(plan, output[name].float().cpu().numpy())
        for name in ("boxes", "masks", "labels", "scores")
    ]
    return SoftMasks(boxes, masks.astype(np.float16), labels.astype(np.intp), scores)
