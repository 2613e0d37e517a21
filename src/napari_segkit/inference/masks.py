"""Object masks of a frame, of those that its tiles hold."""

from collections.abc import Generator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.regions import Box, intersection, lengths, relative
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.instances.merge_tiles import merge_tiles
from napari_segkit.instances.roi_masks import paste
from napari_segkit.refinement.instances import smooth_objects

from .plan import TilePlan
from .progress import Progress, TileStep

TileMasks = Mapping[tuple[int, ...], SoftMasks]  # by start of tile


def merged_masks(
    plan: TilePlan, frame: dict[str, int], masks: TileMasks, progress: Progress
) -> Generator[TileStep, object, SoftMasks]:
    """Masks of a frame in pixels of the original image, smoothed if the model does that."""
    none = SoftMasks.concatenate([])
    merged = merge_tiles(plan.grid, [(tile, masks.get(tile.start, none)) for tile in plan.grid])
    return (yield from _smooth_masks(_scale_boxes(merged, plan), plan, frame, progress))


def class_probabilities(
    candidates: SoftMasks, classes: int, shape: tuple[int, ...], box: Box
) -> NDArray[np.float32]:
    """Probability of each class in a box, float32 ``(classes, *box)``, from object masks.

    For a class, the maximum of score times mask probability among its candidates; for background,
    the probability that there is no object; normalised to sum to one.
    """
    maps = np.zeros((classes, *lengths(box)), np.float32)
    for number in _masks_near(candidates, box):
        mask, place = paste(candidates.masks[number], candidates.boxes[number], shape)
        if (shared := intersection(place, box)) is not None:
            target = maps[candidates.positions[number]][relative(shared, box)]
            own = mask[relative(shared, place)]
            np.maximum(target, candidates.scores[number] * own, out=target)
    maps[0] = (1 - maps[1:]).prod(axis=0)
    return maps / maps.sum(axis=0)


def _masks_near(candidates: SoftMasks, box: Box) -> list[int]:
    """Masks that may reach into a box."""
    rows, columns = box
    x0, y0, x1, y1 = candidates.boxes.T
    near = (x0 <= columns.stop) & (x1 >= columns.start - 1)
    return np.flatnonzero(near & (y0 <= rows.stop) & (y1 >= rows.start - 1)).tolist()


def _smooth_masks(
    candidates: SoftMasks, plan: TilePlan, frame: dict[str, int], progress: Progress
) -> Generator[TileStep, object, SoftMasks]:
    """Smooth each mask, if the model has a smoothing."""
    smoother = plan.model.refine.smoother
    if smoother is None:
        return candidates
    steps = smooth_objects(
        candidates,
        plan.original,
        frame,
        smoother,
        statistics=plan.intensities,
        device=str(plan.device),
    )
    smoothed = yield from progress.follow(steps, 0)
    progress.heed((yield progress.step(1)))
    return smoothed


def _scale_boxes(candidates: SoftMasks, plan: TilePlan) -> SoftMasks:
    """Scale boxes to pixels of the original image."""
    height, width = np.divide(plan.frame_shape, plan.grid.shape)
    scale = np.array([width, height] * 2, np.float32)
    return replace(candidates, boxes=candidates.boxes * scale)
