"""Predict object masks tile by tile and merge them across tiles."""

from collections.abc import Generator
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import without_pixels
from napari_segkit.instances.candidates import MaskCandidates, SoftMasks
from napari_segkit.instances.merge_tiles import merge_tiles
from napari_segkit.instances.roi_masks import paste
from napari_segkit.label_result import LabelResult
from napari_segkit.refinement.instances import smooth_objects

from .plan import TilePlan
from .progress import Progress, TileStep
from .request import PredictRequest
from .tiles import tile_masks
from .uncertainty import FrameUncertainty


def predict_tiles(request: PredictRequest) -> Generator[TileStep, object, LabelResult]:
    """Predict objects tile by tile; a smoothing refines each mask in its box."""
    plan = request.plan
    model, image, progress = plan.model, plan.original, Progress(plan.steps)
    all_tiles = list(plan.grid)
    shape = (len(model.classes), *image.label_shape)
    maps = np.zeros(shape, np.float32) if request.probabilities else None
    uncertainty = FrameUncertainty(plan)
    whole, none = [slice(0, n) for n in plan.frame_shape], SoftMasks.concatenate([])
    found = {tuple(frame.values()): none for frame in image.frames(2)}
    done: list[dict[str, int]] = []
    for frame in plan.frames():
        masks: list[SoftMasks] = []
        for tiles in plan.batches(all_tiles):
            masks += tile_masks(plan, frame, tiles)
            progress.heed((yield progress.step(len(tiles))))
            if progress.is_finishing:
                break
        if len(masks) < len(all_tiles):
            break
        merged = merge_tiles(plan.grid, list(zip(all_tiles, masks, strict=True)))
        scaled = _scale_boxes(merged, plan)
        smoothed = yield from _smooth_masks(scaled, plan, frame, progress)
        found[tuple(frame.values())] = smoothed
        done.append(frame)
        make_maps = partial(class_probabilities, smoothed, shape[0], plan.frame_shape)
        uncertainty.add(frame, make_maps)
        if maps is not None:
            frame_maps = make_maps()
            if (outside := plan.outside(frame, whole)) is not None:
                frame_maps[:, outside] = 0
            image.write(maps, frame, frame_maps)
        if progress.is_finishing:
            break
    candidates = MaskCandidates(list(found.values()), without_pixels(image), plan.region)
    predicted = plan.predicted(done)
    return request.object_result(candidates, plan.provenance(), maps, predicted, uncertainty.values)


def class_probabilities(
    candidates: SoftMasks, classes: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Probability of each class at every pixel, float32 ``(classes, *shape)``, from object masks.

    For a class, the maximum of score times mask probability among its candidates; for background,
    the probability that there is no object; normalised to sum to one.
    """
    maps = np.zeros((classes, *shape), np.float32)
    for number in range(len(candidates)):
        mask, region = paste(candidates.masks[number], candidates.boxes[number], shape)
        target = maps[candidates.positions[number]][region]
        np.maximum(target, candidates.scores[number] * mask, out=target)
    maps[0] = (1 - maps[1:]).prod(axis=0)
    return maps / maps.sum(axis=0)


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
