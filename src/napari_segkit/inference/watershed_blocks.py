"""Boundary or distance levels and their watershed, block by block."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.regions import relative
from napari_segkit.instances.block_objects import cut_block
from napari_segkit.instances.join_blocks import BlockLinks, join_blocks
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.instances.object_rows import ObjectRows
from napari_segkit.instances.watershed import separate_objects, uncertain_area
from napari_segkit.label_result import LabelResult

from .blending import blend_frame
from .levels import refined_levels, typical_size
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
from .plan import TilePlan
from .progress import Progress, TileStep
from .request import PredictRequest
from .shared_tiles import SharedTiles
from .sink import ObjectSink
from .uncertainty import uncertainty_in


def predict_blocks(
    request: PredictRequest, sink: ObjectSink
) -> Generator[TileStep, object, LabelResult]:
    """Predict the objects of blocks, each with what is around it, then join them."""
    plan = request.plan
    sink.start(plan)
    blocks = object_blocks(plan, sink.block_lengths)
    missing = [b for b in blocks if not sink.is_finished(b.frame, b.cell)]
    steps = sum(plan.context(block.cell.region).steps for block in missing)
    progress, shared = Progress(steps + len(blocks)), SharedTiles()
    following = [(block.frame, block.cell.tiles) for block in missing[1:]]
    for block, next_tiles in zip(missing, [*following, ({}, ())], strict=False):
        shared.keep_for(*next_tiles)
        result = yield from predict_block(plan, block, shared, progress)
        if result is not None:
            write_block(sink, block, result)
        if progress.is_finishing:
            break
    if not is_complete(sink, blocks):
        return partial_result(request, sink)
    join = partial(_join, request, blocks)
    return (yield from number_objects(request, sink, blocks, join, progress))


def _join(
    request: PredictRequest, blocks: Sequence[ObjectBlock], found: Sequence[Found]
) -> tuple[NDArray[np.int32], ObjectRows]:
    """Objects that blocks continue; those that are left out as in memory get the number 0."""
    plan, before = request.plan, 0
    links = BlockLinks(components=plan.model.spec.objects == "components")
    for block, (sums, faces) in zip(blocks, found, strict=True):
        links.add(block.key, before, faces)
        before += len(sums)
    least = uncertain_area(plan.original.spacing[-plan.model.ndim :], typical_size(plan))
    return join_blocks(links, [sums for sums, _ in found], least, request.objects.score)


def predict_block(
    plan: TilePlan, block: ObjectBlock, shared: SharedTiles, progress: Progress
) -> Generator[TileStep, object, BlockResult | None]:
    """Predict the objects of a block from what is around it; None if it is ended before."""
    frame, box = block.frame, block.cell.region
    context = plan.context(box)
    predict = shared.probabilities
    levels = yield from blend_frame(plan, frame, context, progress, predict=predict)
    if levels is None:
        return None
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
