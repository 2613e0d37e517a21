"""Boundary or distance levels and their watershed, block by block."""

from collections.abc import Generator
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import without_pixels
from napari_segkit.images.regions import Box, relative
from napari_segkit.images.types import Floats
from napari_segkit.instances.block_objects import BlockObjects, cut_block
from napari_segkit.instances.join_blocks import BlockLinks
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.instances.stored_objects import StoredCandidates, StoredObjects
from napari_segkit.instances.watershed import separate_objects, uncertain_area
from napari_segkit.label_result import LabelResult

from .blending import blend_frame
from .levels import refined_levels, typical_size
from .object_blocks import BlockStore, ObjectBlock, number_objects, object_blocks
from .plan import TilePlan
from .progress import Progress, TileStep
from .request import PredictRequest
from .sink import ObjectSink, UncertaintySink
from .uncertainty import uncertainty_in


def predict_blocks(
    request: PredictRequest, sink: ObjectSink
) -> Generator[TileStep, object, LabelResult]:
    """Predict the objects of blocks, each with what is around it, then join them."""
    plan, image = request.plan, request.image
    sink.start(plan)
    blocks = object_blocks(plan, sink.block_lengths)
    missing = [b for b in blocks if not sink.is_finished(b.frame, b.cell)]
    steps = sum(plan.context(block.cell.region).steps for block in missing)
    progress = Progress(steps + len(blocks))
    for block in missing:
        yield from _predict_block(plan, block, sink, progress)
        if progress.is_finishing:
            break
    record, partial = plan.record(), not all(sink.is_finished(b.frame, b.cell) for b in blocks)
    if partial:
        return LabelResult(sink.labels, image.label_axes, provenance=record, is_partial=True)
    links = BlockLinks(components=plan.model.spec.objects == "components")
    least = uncertain_area(image.spacing[-plan.model.ndim :], typical_size(plan))
    rows = yield from number_objects(request, sink, blocks, links, least, progress)
    classes, template = plan.model.all_classes, without_pixels(image)
    candidates = StoredCandidates(rows, sink.labels)
    objects = StoredObjects(candidates, request.objects, classes, template)
    return LabelResult(
        sink.labels, image.label_axes, classes, record, objects=objects, predicted=plan.region
    )


def _predict_block(
    plan: TilePlan, block: ObjectBlock, sink: ObjectSink, progress: Progress
) -> Generator[TileStep, object, None]:
    """Predict a block and write its objects with negative numbers, unless it is ended before."""
    frame, box = block.frame, block.cell.region
    context = plan.context(box)
    levels = yield from blend_frame(plan, frame, context, progress)
    if levels is None:
        return
    own, method = (slice(None), *relative(box, context.box)), str(plan.model.spec.objects)
    if plan.settings.uncertainty and isinstance(sink, UncertaintySink):
        classes = levels_to_classes(levels[own], method)
        values = uncertainty_in(plan, frame, box, classes, plan.settings.uncertainty)
        sink.write_uncertainty(frame, block.cell, values)
    levels = yield from refined_levels(plan, frame, context, levels, progress)
    spacing = plan.original.spacing[-plan.model.ndim :]
    labels, classes = separate_objects(levels, method, spacing=spacing, size=typical_size(plan))
    if (outside := plan.outside(frame, context.box)) is not None:
        labels[outside] = classes[:, outside] = 0
    cut = _cut(plan, block, labels, classes[1:], context.box)
    BlockStore(sink.folder).write(block.key, cut)
    sink.write(frame, block.cell, -cut.labels, classes[own])


def _cut(
    plan: TilePlan,
    block: ObjectBlock,
    labels: NDArray[np.int32],
    maps: Floats,
    around: Box,
) -> BlockObjects:
    """The objects of a block, counted through the frames of the image."""
    shape = plan.frame_shape
    cut = cut_block(
        labels, maps, around, block.cell.region, divided=plan.box(block.frame), shape=shape
    )
    axes, before = plan.original.label_axes, block.number * prod(shape)
    return replace(cut, sums=cut.sums.in_image(axes, block.frame, before))
