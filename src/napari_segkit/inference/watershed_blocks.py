"""Boundary or distance levels of all tiles, and their watershed, block by block."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.regions import relative
from napari_segkit.instances.block_objects import cut_block
from napari_segkit.instances.join_blocks import BlockLinks, join_blocks
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.instances.object_rows import ObjectRows
from napari_segkit.instances.watershed import separate_objects, uncertain_area
from napari_segkit.label_result import LabelResult

from .level_maps import level_plan
from .levels import refined_levels, typical_size
from .local_runner import LOCAL
from .object_blocks import (
    BlockResult,
    Found,
    ObjectBlock,
    choose_objects,
    in_image,
    is_complete,
    number_objects,
    object_blocks,
    partial_result,
    write_block,
)
from .part_sink import PartSink
from .plan import TilePlan
from .progress import Progress, TileStep
from .request import PredictRequest
from .runner import Runner
from .sink import ObjectSink
from .uncertainty import uncertainty_in

LEVELS = "levels"


def predict_blocks(
    request: PredictRequest, sink: ObjectSink, runner: Runner = LOCAL
) -> Generator[TileStep, object, LabelResult]:
    """Predict the levels of all tiles into a file, then the objects of each block, and join these.

    A block needs levels far around it, of which no tile is predicted twice so.
    """
    plan = request.plan
    sink.start(plan)
    blocks = object_blocks(plan, sink.block_lengths)
    missing = [b for b in blocks if not sink.is_finished(b.frame, b.cell)]
    refined = sum(len(plan.context(block.cell.region).blocks) for block in missing)
    progress = Progress(len(missing) + refined + len(blocks))
    if missing:
        with closing(PartSink(sink.folder, LEVELS, plan.original)) as levels:
            yield from progress.part(runner.predict_plan(level_plan(plan), levels))
            yield from _separate_blocks(plan, missing, levels, sink, progress)
    if not is_complete(sink, blocks):
        return partial_result(plan, sink)
    join = partial(_join, plan, request.objects, sink, blocks)
    return (yield from number_objects(plan, request.objects, sink, blocks, join, progress))


def _separate_blocks(
    plan: TilePlan,
    blocks: Sequence[ObjectBlock],
    levels: PartSink,
    sink: ObjectSink,
    progress: Progress,
) -> Generator[TileStep, object, None]:
    plan.look_for_missing()
    for block in blocks:
        if progress.is_finishing:
            return
        result = yield from _separated(plan, block, levels, progress)
        write_block(sink, block, result)
        progress.heed((yield progress.step(1)))


def _join(
    plan: TilePlan,
    config: ObjectConfig,
    sink: ObjectSink,
    blocks: Sequence[ObjectBlock],
    found: Sequence[Found],
) -> tuple[NDArray[np.int32], ObjectRows]:
    """Objects that blocks continue; those that are left out as in memory get the number 0."""
    before, links = 0, BlockLinks(components=plan.model.spec.objects == "components")
    for block, (sums, faces) in zip(blocks, found, strict=True):
        links.add(block.key, before, faces)
        before += len(sums)
    least = uncertain_area(plan.original.spacing[-plan.model.ndim :], typical_size(plan))
    joined = join_blocks(links, [sums for sums, _ in found], least, config.score)
    return choose_objects(plan, config, sink, blocks, found, *joined)


def _separated(
    plan: TilePlan, block: ObjectBlock, maps: PartSink, progress: Progress
) -> Generator[TileStep, object, BlockResult]:
    """The objects of a block, from the levels around it."""
    frame, box = block.frame, block.cell.region
    context = plan.context(box)
    levels = maps.read_probabilities(frame, context.box)
    own, method = (slice(None), *relative(box, context.box)), str(plan.model.spec.objects)
    uncertainty = None
    if how := plan.settings.uncertainty:
        uncertainty = uncertainty_in(plan, frame, box, levels_to_classes(levels[own], method), how)
    levels = yield from refined_levels(plan, frame, context, levels, progress)
    spacing = plan.original.spacing[-plan.model.ndim :]
    labels, classes = separate_objects(
        levels,
        method,
        spacing=spacing,
        size=typical_size(plan),
        separation=plan.model.separation,
    )
    if (outside := plan.outside(frame, context.box)) is not None:
        labels[outside] = classes[:, outside] = 0
    divided, shape = plan.box(frame), plan.frame_shape
    cut = cut_block(labels, list(classes[1:]), context.box, box, divided=divided, shape=shape)
    cut = replace(cut, sums=in_image(plan, block, cut.sums))
    return BlockResult(cut, classes[own], uncertainty)
