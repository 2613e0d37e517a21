"""What the network of a model predicts for the tiles of a plan."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.error_messages import is_out_of_memory
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.models.finite import require_finite
from napari_segkit.models.logits import probabilities_of
from napari_segkit.tiling import Tile

from .copies import Predict, mean_over_passes, mean_over_symmetries
from .plan import TilePlan

Output = TypeVar("Output")


def tile_probabilities(
    plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]
) -> NDArray[np.float32]:
    """Probabilities ``(tiles, outputs, *extent)`` of the classes, or of boundary levels.

    They are the mean over mirrored copies and passes with dropout, if these are asked for.
    """
    parts = _in_parts(plan, frame, tiles, _mean_probabilities)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def tile_masks(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> list[SoftMasks]:
    """Object masks of each tile, in pixels of the tile."""
    return [masks for part in _in_parts(plan, frame, tiles, _masks) for masks in part]


def _in_parts(
    plan: TilePlan,
    frame: dict[str, int],
    tiles: Sequence[Tile],
    predict: Callable[[TilePlan, dict[str, int], Sequence[Tile]], Output],
) -> list[Output]:
    """Predict a batch, in halves each time memory runs out; so are all batches after it."""
    parts: list[Output] = []
    while tiles:
        part = tiles[: plan.at_once]
        failed = None
        try:
            parts.append(predict(plan, frame, part))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            failed = len(part)  # what holds the memory goes with the error
        if failed is None:
            tiles = tiles[len(part) :]
            continue
        plan.halve(failed)
        if plan.device.type == "cuda":
            torch.cuda.empty_cache()
    return parts


@torch.inference_mode()
def _mean_probabilities(
    plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]
) -> NDArray[np.float32]:
    images = _read(plan, frame, tiles)
    predict: Predict = partial(_probabilities, plan)
    if plan.symmetries:
        predict = partial(mean_over_symmetries, predict, copies=plan.symmetries)
    if plan.settings.passes == 1:
        return np.asarray(predict(images).cpu())
    seeds = [plan.pass_seeds(frame, tile) for tile in tiles]
    return np.asarray(mean_over_passes(predict, images, seeds).cpu())


@torch.inference_mode()
def _masks(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> list[SoftMasks]:
    outputs: list[dict[str, torch.Tensor]] = plan.network(_read(plan, frame, tiles))
    for output in outputs:
        require_finite("outputs of the network", output.values())
    return [_to_arrays(output) for output in outputs]


def _probabilities(plan: TilePlan, images: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = plan.network(images)
    require_finite("outputs of the network", [logits])
    return probabilities_of(logits.contiguous())


def _read(plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile]) -> torch.Tensor:
    pixels = [plan.read(frame, tile) for tile in tiles]
    batch = pixels[0][None] if len(pixels) == 1 else np.stack(pixels)  # which is a copy
    return torch.from_numpy(batch).to(plan.device)


def _to_arrays(output: dict[str, torch.Tensor]) -> SoftMasks:
    """Convert network outputs of a tile to arrays."""
    boxes, masks, labels, scores = [
        output[name].float().cpu().numpy() for name in ("boxes", "masks", "labels", "scores")
    ]
    return SoftMasks(boxes, masks.astype(np.float16), labels.astype(np.intp), scores)
