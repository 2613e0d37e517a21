"""Objects of one model and classes (stuff) of another, predicted into files and merged by block."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.types import Labels
from napari_segkit.instances.block_objects import ObjectSums, cut_block
from napari_segkit.instances.candidates import pixel_size
from napari_segkit.instances.object_rows import ObjectRows, numbers_of
from napari_segkit.instances.panoptic_merge import are_kept, are_large, segments_of, won_pixels
from napari_segkit.instances.stored_objects import StoredObjects
from napari_segkit.label_result import LabelResult
from napari_segkit.trained_model import TrainedModel

from . import instance_blocks, watershed_blocks
from .object_blocks import (
    BlockResult,
    Found,
    ObjectBlock,
    in_image,
    is_complete,
    number_objects,
    object_blocks,
    partial_result,
    write_block,
)
from .panoptic_maps import combined_maps, most_likely_stuff, share_statistics
from .part_sink import PartSink
from .plan import TilePlan
from .progress import Progress, TileStep
from .request import PredictRequest
from .runner import Runner
from .sink import ObjectSink
from .uncertainty import uncertainty_of


@dataclass(frozen=True)
class Parts:
    """What the two models predicted."""

    things: PartSink
    class_of: NDArray[np.intp]  # class position of each thing, from id 0 on
    stuff: PartSink
    second: TrainedModel

    @property
    def last(self) -> int:
        """The last id of a thing."""
        return len(self.class_of) - 1


@dataclass(frozen=True)
class BlockParts:
    """What the two models predicted of a block."""

    ids: NDArray[np.int32]
    confidence: NDArray[np.float32]  # of the class of the thing there
    most_likely: Labels  # index of the most likely stuff class
    probability: NDArray[np.float16]  # of that class

    @property
    def won(self) -> NDArray[np.bool_]:
        """Pixels where things win."""
        return won_pixels(self.ids, self.confidence, self.probability)


def predict_blocks(
    request: PredictRequest, second: TrainedModel, sink: ObjectSink, runner: Runner
) -> Generator[TileStep, object, LabelResult]:
    """Predict with both models, each into a file of its own, then merge these block by block."""
    of_things, of_stuff = _requests(request, second)
    plan = replace(
        of_things.plan, model=request.model, settings=request.config, stuff=of_stuff.plan
    )
    sink.start(plan)
    blocks = object_blocks(plan, sink.block_lengths)
    progress = Progress(of_stuff.plan.steps + 3 * len(blocks))
    things_sink = PartSink(sink.folder, "things", request.image, objects=request.objects)
    stuff_sink = PartSink(sink.folder, "stuff", request.image)
    with closing(things_sink), closing(stuff_sink):
        of_masks = of_things.model.info.has_masks
        predict_things = (instance_blocks if of_masks else watershed_blocks).predict_blocks
        things = yield from progress.part(predict_things(of_things, things_sink, runner))
        progress.total -= of_stuff.plan.steps
        if not progress.is_finishing:
            yield from progress.part(runner.predict_plan(of_stuff.plan, stuff_sink))
        if progress.is_finishing:
            return partial_result(plan, sink)
        parts = Parts(things_sink, _classes_of(things), stuff_sink, second)
        yield from _merge_blocks(plan, blocks, parts, sink, progress)
    if not is_complete(sink, blocks):
        return partial_result(plan, sink)
    join = partial(_join, plan, request.objects, parts.class_of)
    return (yield from number_objects(plan, request.objects, sink, blocks, join, progress))


def _requests(
    request: PredictRequest, second: TrainedModel
) -> tuple[PredictRequest, PredictRequest]:
    """What is asked of the model of things and of that of stuff."""
    model = request.model
    alone = replace(model, stuff=None, stuff_values=())
    config = replace(request.config, uncertainty=None)
    of_things = replace(request, model=alone, config=config)
    statistics = request.statistics if share_statistics(model, second) else None
    return of_things, replace(of_things, model=second, statistics=statistics)


def _merge_blocks(
    plan: TilePlan,
    blocks: Sequence[ObjectBlock],
    parts: Parts,
    sink: ObjectSink,
    progress: Progress,
) -> Generator[TileStep, object, None]:
    """Write the segments of each block, with numbers that `_join` changes."""
    kept = yield from _kept_things(plan, blocks, parts, progress)
    for block in blocks:
        if not sink.is_finished(block.frame, block.cell):
            keep = sink.probabilities is not None
            write_block(sink, block, _merged(plan, block, parts, kept, keep=keep))
        progress.heed((yield progress.step(1)))
        if progress.is_finishing:
            return


def _kept_things(
    plan: TilePlan, blocks: Sequence[ObjectBlock], parts: Parts, progress: Progress
) -> Generator[TileStep, object, NDArray[np.bool_]]:
    """Which things keep enough of their area in all blocks together."""
    areas, left = np.zeros((2, parts.last + 1), np.int64)
    for block in blocks:
        each = _block_parts(plan, block, parts)
        areas += np.bincount(each.ids[each.ids > 0], minlength=len(areas))
        left += np.bincount(each.ids[each.won], minlength=len(areas))
        progress.heed((yield progress.step(1)))
    return are_kept(areas, left)


def _block_parts(plan: TilePlan, block: ObjectBlock, parts: Parts) -> BlockParts:
    """What the two models predicted of a block, in the precision of a merging in memory."""
    frame, cell = block.frame, block.cell
    ids = parts.things.read_labels(frame, cell).astype(np.int32)
    maps = parts.things.read_probabilities(frame, cell.region).astype(np.float16)
    confidence = np.take_along_axis(maps, parts.class_of[ids][None], axis=0)[0]
    confidence = np.where(ids > 0, confidence, 0).astype(np.float32)
    stuff = parts.stuff.read_probabilities(frame, cell.region)
    return BlockParts(
        ids, confidence, *most_likely_stuff(stuff, parts.second, plan.model.stuff_values)
    )


def _merged(
    plan: TilePlan, block: ObjectBlock, parts: Parts, kept: NDArray[np.bool_], *, keep: bool
) -> BlockResult:
    """The segments of a block; `keep` says whether probabilities are kept."""
    box, shape = block.cell.region, plan.frame_shape
    each = _block_parts(plan, block, parts)
    of_things = each.won & kept[each.ids]
    segments, scores = segments_of(
        each.ids, each.confidence, each.most_likely, each.probability, of_things, parts.last
    )
    cut = cut_block(segments, [scores], box, box, divided=box, shape=shape)
    numbers = np.unique(segments[segments > 0]).astype(np.int64) - 1
    cut = replace(cut, sums=replace(in_image(plan, block, cut.sums), first=numbers))
    how = plan.settings.uncertainty
    if not (keep or how):
        return BlockResult(cut, None, None)
    maps = combined_maps(
        parts.things.read_probabilities(block.frame, box),
        parts.stuff.read_probabilities(block.frame, box),
        parts.second,
        plan.model.stuff_values,
    )
    uncertainty = uncertainty_of(maps, how) if how else None
    outside = plan.outside(block.frame, box)
    if uncertainty is not None and outside is not None:
        uncertainty[outside] = 0
    return BlockResult(cut, maps, uncertainty)


def _join(
    plan: TilePlan,
    config: ObjectConfig,
    class_of: NDArray[np.intp],
    found: Sequence[Found],
) -> tuple[NDArray[np.int32], ObjectRows]:
    """Segments of all blocks, which know their numbers: things, then stuff of enough pixels."""
    things, model = len(class_of) - 1, plan.model
    positions = np.append(class_of[1:], np.arange(len(model.classes), len(model.all_classes)))
    blocks = ObjectSums.concatenate([sums for sums, _ in found])
    sums = blocks.added_up(blocks.first, len(positions))
    scores = (sums.probabilities[:, 0] / sums.pixels.clip(1)).astype(np.float32)
    is_stuff = np.arange(len(positions)) >= things
    rows = ObjectRows(positions, scores, sums.pixels, sums.boxes, is_stuff)
    kept = are_large(sums.pixels, things, ceil(config.min_size / pixel_size(plan.original)))
    return numbers_of(kept)[blocks.first + 1], rows.take(kept)


def _classes_of(things: LabelResult) -> NDArray[np.intp]:
    """Class position of each thing, from id 0 on."""
    if not isinstance(things.objects, StoredObjects):
        raise TypeError("the first model of a merged one must predict objects")
    return np.append(0, things.objects.candidates.rows.positions).astype(np.intp)
