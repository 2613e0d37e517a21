"""Combine objects of one model with classes (stuff) of another."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import without_pixels
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.candidates import Candidates
from napari_segkit.instances.panoptic_candidates import PanopticCandidates
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import map_steps
from napari_segkit.trained_model import TrainedModel

from . import instance, semantic, watershed
from .plan import unmeasured_plan
from .progress import TileStep
from .request import PredictRequest
from .uncertainty import uncertainty_of

Maps: TypeAlias = NDArray[np.float32]  # (classes, *labels)


def predict_tiles(request: PredictRequest) -> Generator[TileStep, object, LabelResult]:
    """Predict with both models, each with its own refinement; labels are segment ids."""
    model, second, image = request.model, request.model.stuff, request.image
    if second is None:
        raise ValueError("This model holds one model only: merge two with merge_panoptic.")
    how = request.config.uncertainty
    of_parts = replace(request.config, uncertainty=None)
    parts = replace(request, probabilities=True, config=of_parts)
    statistics = request.statistics if _share_statistics(model, second) else None
    first, following = [
        unmeasured_plan(m, image, request.tile, request.config, request.region).steps
        for m in (model, second)
    ]
    predict_things = instance.predict_tiles if model.info.has_masks else watershed.predict_tiles
    steps = predict_things(replace(parts))  # whose plan goes with it
    things = yield from map_steps(steps, lambda step: TileStep(step.done, step.total + following))
    thing_candidates = _candidates(things)
    occurring = thing_candidates.positions.tolist()
    compact = _compact(np.asarray(things.probabilities), occurring)
    if not (request.probabilities or how):
        things = replace(things, probabilities=None)
    steps = semantic.predict_tiles(
        replace(parts, model=second, statistics=statistics, region=things.predicted)
    )
    stuff = yield from map_steps(
        steps, lambda step: TileStep(first + step.done, first + step.total)
    )
    stuff_maps = np.asarray(stuff.probabilities)
    if stuff.is_partial and stuff.predicted is not None:
        compact[:, ~stuff.predicted.mask] = 0
    positions = tuple(range(len(model.classes), len(model.all_classes)))
    most_likely = _most_likely(stuff_maps, second, model.stuff_values)
    template = without_pixels(image)
    candidates = PanopticCandidates(
        thing_candidates, occurring, compact, positions, *most_likely, template
    )
    provenance = {**things.provenance, "uncertainty": how, "stuff": stuff.provenance}
    predicted = stuff.predicted if stuff.is_partial else things.predicted
    if not (request.probabilities or how):
        return request.object_result(candidates, provenance, None, predicted, None)
    maps = _combine(np.asarray(things.probabilities), stuff_maps, second, model.stuff_values)
    uncertainty = uncertainty_of(maps, how) if how else None
    if uncertainty is not None and predicted is not None:
        uncertainty[~predicted.mask] = 0
    kept = maps if request.probabilities else None
    return request.object_result(candidates, provenance, kept, predicted, uncertainty)


def _candidates(result: LabelResult) -> Candidates:
    if result.objects is None:
        raise TypeError("the first model of a merged one must predict objects")
    return result.objects.candidates


def _share_statistics(model: TrainedModel, second: TrainedModel) -> bool:
    """Whether normalisation statistics measured for one model are valid for the other."""
    measured = model.config.normalise == second.config.normalise == "image"
    return measured and model.nonzero == second.nonzero


def _compact(maps: Maps, positions: Sequence[int]) -> NDArray[np.float16]:
    """Probabilities of some classes as float16."""
    compact = np.empty((len(positions), *maps.shape[1:]), np.float16)
    for index, position in enumerate(positions):
        compact[index] = maps[position]
    return compact


def _most_likely(
    maps: Maps, second: TrainedModel, values: tuple[int, ...]
) -> tuple[AnyArray, NDArray[np.float16]]:
    """Index of the most likely stuff class, and its probability; 0 where a thing is more likely."""
    is_stuff = np.isin(second.values, values)
    numbers = np.where(is_stuff, np.cumsum(is_stuff) - 1, 0)
    best = maps.argmax(axis=0)
    probability = np.where(is_stuff[best], maps.max(axis=0), 0).astype(np.float16)
    return numbers.astype(np.min_scalar_type(len(numbers)))[best], probability


def _combine(
    things: Maps, semantic_maps: Maps, second: TrainedModel, values: tuple[int, ...]
) -> NDArray[np.float32]:
    """Probabilities of all classes; stuff classes share the background of the objects."""
    stuff = semantic_maps[np.isin(second.values, values)] * things[:1]
    void = things[:1] - stuff.sum(axis=0, keepdims=True)
    combined: NDArray[np.float32] = np.concatenate([void.clip(0), things[1:], stuff])
    return combined
