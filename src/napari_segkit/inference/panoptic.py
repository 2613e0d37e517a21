"""Combine objects of one model with classes (stuff) of another."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import without_pixels
from napari_segkit.instances.candidates import Candidates
from napari_segkit.instances.panoptic_candidates import PanopticCandidates
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import map_steps
from napari_segkit.trained_model import TrainedModel

from . import instance, watershed
from .local_runner import LOCAL
from .panoptic_blocks import predict_blocks
from .panoptic_maps import Maps, combined_maps, most_likely_stuff, share_statistics
from .plan import unmeasured_plan
from .progress import TileStep
from .request import PredictRequest
from .runner import Runner
from .sink import MemorySink, ObjectSink
from .uncertainty import uncertainty_of


def predict_tiles(
    request: PredictRequest, runner: Runner = LOCAL
) -> Generator[TileStep, object, LabelResult]:
    """Predict with both models, each with its own refinement; labels are segment ids."""
    second = request.model.stuff
    if second is None:
        raise ValueError("This model holds one model only: merge two with merge_panoptic.")
    if isinstance(request.sink, ObjectSink):
        return (yield from predict_blocks(request, second, request.sink, runner))
    return (yield from _predict_in_memory(request, second, runner))


def _predict_in_memory(
    request: PredictRequest, second: TrainedModel, runner: Runner
) -> Generator[TileStep, object, LabelResult]:
    model, image = request.model, request.image
    how = request.config.uncertainty
    of_parts = replace(request.config, uncertainty=None)
    parts = replace(request, probabilities=True, config=of_parts)
    statistics = request.statistics if share_statistics(model, second) else None
    first, following = [
        unmeasured_plan(m, image, request.tile, request.config, request.region).steps
        for m in (model, second)
    ]
    predict_things = instance.predict_tiles if model.info.has_masks else watershed.predict_tiles
    steps = predict_things(replace(parts), runner)  # whose plan goes with it
    things = yield from map_steps(steps, lambda step: TileStep(step.done, step.total + following))
    thing_candidates = _candidates(things)
    occurring = thing_candidates.positions.tolist()
    compact = _compact(np.asarray(things.probabilities), occurring)
    if not (request.probabilities or how):
        things = replace(things, probabilities=None)
    of_stuff = replace(parts, model=second, statistics=statistics, region=things.predicted).plan
    steps = runner.predict_plan(of_stuff, MemorySink(keep_probabilities=True))
    stuff = yield from map_steps(
        steps, lambda step: TileStep(first + step.done, first + step.total)
    )
    stuff_maps = np.asarray(stuff.probabilities)
    if stuff.is_partial and stuff.predicted is not None:
        compact[:, ~stuff.predicted.mask] = 0
    positions = tuple(range(len(model.classes), len(model.all_classes)))
    most_likely = most_likely_stuff(stuff_maps, second, model.stuff_values)
    template = without_pixels(image)
    candidates = PanopticCandidates(
        thing_candidates, occurring, compact, positions, *most_likely, template
    )
    provenance = {**things.provenance, "uncertainty": how, "stuff": stuff.provenance}
    predicted = stuff.predicted if stuff.is_partial else things.predicted
    if not (request.probabilities or how):
        return request.object_result(candidates, provenance, None, predicted, None)
    maps = combined_maps(np.asarray(things.probabilities), stuff_maps, second, model.stuff_values)
    uncertainty = uncertainty_of(maps, how) if how else None
    if uncertainty is not None and predicted is not None:
        uncertainty[~predicted.mask] = 0
    kept = maps if request.probabilities else None
    return request.object_result(candidates, provenance, kept, predicted, uncertainty)


def _candidates(result: LabelResult) -> Candidates:
    if result.objects is None:
        raise TypeError("the first model of a merged one must predict objects")
    return result.objects.candidates


def _compact(maps: Maps, positions: Sequence[int]) -> NDArray[np.float16]:
    """Probabilities of some classes as float16."""
    compact = np.empty((len(positions), *maps.shape[1:]), np.float16)
    for index, position in enumerate(positions):
        compact[index] = maps[position]
    return compact
