"""Predict object masks tile by tile and merge them across tiles."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.instances.candidates import MaskCandidates, SoftMasks, without_pixels
from napari_segkit.instances.merge_tiles import merge_tiles
from napari_segkit.instances.results import Objects
from napari_segkit.instances.roi_masks import paste
from napari_segkit.label_result import LabelResult
from napari_segkit.refinement.instances import smooth_objects
from napari_segkit.steps import map_steps
from napari_segkit.trained_model import TrainedModel

from .tiled import TiledInference, TileStep, start_inference


@torch.inference_mode()
def predict_tiles(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    device: torch.device,
    *,
    probabilities: bool = False,
    statistics: Statistics | None = None,
    objects: ObjectConfig | None = None,
) -> Generator[TileStep, None, LabelResult]:
    """Predict objects tile by tile; a smoothing refines each mask in its box."""
    inference = start_inference(model, image, config, device, statistics)
    shape = (len(model.classes), *image.label_shape)
    maps = np.zeros(shape, np.float32) if probabilities else None
    frames: list[SoftMasks] = []
    for frame in inference.frames():
        outputs = yield from inference.outputs(frame)
        merged = merge_tiles(inference.grid, [(tile, _to_arrays(masks)) for tile, masks in outputs])
        frames.append((yield from _smooth_masks(_scale_boxes(merged, inference), inference, frame)))
        if maps is not None:
            frame_maps = class_probabilities(frames[-1], len(model.classes), image.spatial_shape(2))
            image.write(maps, frame, frame_maps)
    template = without_pixels(image)
    candidates = MaskCandidates(frames, template)
    result = Objects(candidates, objects or ObjectConfig(), model.classes, template)
    return LabelResult(
        result.labels, image.label_axes, model.all_classes, inference.provenance(), maps, result
    )


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


def _to_arrays(output: dict[str, torch.Tensor]) -> SoftMasks:
    """Convert network outputs of a tile to arrays."""
    arrays: Any = {name: tensor.float().cpu().numpy() for name, tensor in output.items()}
    return SoftMasks(
        arrays["boxes"],
        arrays["masks"].astype(np.float16),
        arrays["labels"].astype(np.intp),
        arrays["scores"],
    )


def _smooth_masks(
    candidates: SoftMasks, inference: TiledInference, frame: dict[str, int]
) -> Generator[TileStep, None, SoftMasks]:
    """Smooth each mask, if the model has a smoothing."""
    smoother = inference.model.refine.smoother
    if smoother is None:
        return candidates
    steps = smooth_objects(
        candidates,
        inference.original,
        frame,
        smoother,
        statistics=inference.intensities,
        device=str(inference.device),
    )
    smoothed = yield from map_steps(steps, lambda _: inference.step(0))
    yield inference.step(1)
    return smoothed


def _scale_boxes(candidates: SoftMasks, inference: TiledInference) -> SoftMasks:
    """Scale boxes to pixels of the original image."""
    height, width = np.divide(inference.original.spatial_shape(2), inference.image.spatial_shape(2))
    scale = np.array([width, height] * 2, np.float32)
    return replace(candidates, boxes=candidates.boxes * scale)
