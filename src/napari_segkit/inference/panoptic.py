"""Combine objects of one model with classes (stuff) of another."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.resample import resampled_template
from napari_segkit.instances.candidates import without_pixels
from napari_segkit.instances.panoptic_candidates import PanopticCandidates
from napari_segkit.instances.results import Objects
from napari_segkit.label_result import LabelResult
from napari_segkit.models import kind_of
from napari_segkit.steps import map_steps
from napari_segkit.trained_model import TrainedModel

from . import instance, semantic, watershed
from .tiled import TileStep, count_steps, plan_tiles

THINGS = {"instance": instance.predict_tiles, "objects": watershed.predict_tiles}


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
    """Predict with both models, each with its own refinement; labels are segment ids."""
    second = model.stuff
    if second is None:
        raise ValueError("This model holds one model only: merge two with merge_panoptic.")
    counts = [_count_steps(m, image, config) for m in (model, second)]
    steps = THINGS[kind_of(model.spec)](
        model, image, config, device, probabilities=True, statistics=statistics, objects=objects
    )
    things: Any = yield from map_steps(steps, lambda step: TileStep(step.done, sum(counts)))
    occurring = things.objects.candidates.positions.tolist()
    compact = _compact(things.probabilities, occurring)
    if not probabilities:
        things = replace(things, probabilities=None)
    shared = statistics if _share_statistics(model, second) else None
    steps = semantic.predict_tiles(
        second, image, config, device, probabilities=True, statistics=shared
    )
    stuff = yield from map_steps(steps, lambda step: TileStep(counts[0] + step.done, sum(counts)))
    positions = tuple(range(len(model.classes), len(model.all_classes)))
    most_likely = _most_likely(stuff.probabilities, second, model.stuff_values)
    template = without_pixels(image)
    candidates = PanopticCandidates(
        things.objects.candidates, occurring, compact, positions, *most_likely, template
    )
    result = Objects(candidates, objects or ObjectConfig(), model.all_classes, template)
    maps = None
    if probabilities:
        maps = _combine(things.probabilities, stuff.probabilities, second, model.stuff_values)
    provenance = {**things.provenance, "stuff": stuff.provenance}
    return LabelResult(result.labels, image.label_axes, model.all_classes, provenance, maps, result)


def _count_steps(model: TrainedModel, image: AxesImage, config: TileConfig) -> int:
    """Number of steps of a model; reads no pixels."""
    empty, size = without_pixels(image), model.config.voxel_size
    if size is not None:
        empty = resampled_template(empty, size, model.ndim)
    return count_steps(model, plan_tiles(model, empty, config), image)


def _share_statistics(model: TrainedModel, second: TrainedModel) -> bool:
    """Whether normalisation statistics measured for one model are valid for the other."""
    measured = model.config.normalise == second.config.normalise == "image"
    return measured and model.nonzero == second.nonzero


def _compact(maps: Any, positions: Sequence[int]) -> NDArray[np.float16]:
    """Probabilities of some classes as float16."""
    compact = np.empty((len(positions), *maps.shape[1:]), np.float16)
    for index, position in enumerate(positions):
        compact[index] = maps[position]
    return compact


def _most_likely(
    maps: Any, second: TrainedModel, values: tuple[int, ...]
) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.float16]]:
    """Index of the most likely stuff class, and its probability; 0 where a thing is more likely."""
    is_stuff = np.isin(second.values, values)
    numbers = np.where(is_stuff, np.cumsum(is_stuff) - 1, 0)
    best = maps.argmax(axis=0)
    probability = np.where(is_stuff[best], maps.max(axis=0), 0).astype(np.float16)
    return numbers.astype(np.min_scalar_type(len(numbers)))[best], probability


def _combine(
    things: Any, semantic_maps: Any, second: TrainedModel, values: tuple[int, ...]
) -> NDArray[np.float32]:
    """Probabilities of all classes; stuff classes share the background of the objects."""
    stuff = semantic_maps[np.isin(second.values, values)] * things[:1]
    void = things[:1] - stuff.sum(axis=0, keepdims=True)
    combined: NDArray[np.float32] = np.concatenate([void.clip(0), things[1:], stuff])
    return combined
