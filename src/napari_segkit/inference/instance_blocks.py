"""Object masks of tiles, merged, and drawn block by block."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.block_objects import ObjectSums, cut_block
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.instances.object_rows import ObjectRows
from napari_segkit.instances.visible_masks import VisibleMasks
from napari_segkit.io.array_files import read_arrays, write_arrays
from napari_segkit.label_result import LabelResult

from .local_runner import LOCAL
from .masks import class_probabilities, merged_masks
from .object_blocks import (
    BlockResult,
    Found,
    ObjectBlock,
    choose_objects,
    in_image,
    number_objects,
    object_blocks,
    partial_result,
    write_block,
)
from .plan import TilePlan
from .progress import Progress, TileStep
from .request import PredictRequest
from .runner import Runner
from .sink import ObjectSink
from .uncertainty import uncertainty_in


def predict_blocks(
    request: PredictRequest, sink: ObjectSink, runner: Runner = LOCAL
) -> Generator[TileStep, object, LabelResult]:
    """Predict the masks of all tiles, which stay in memory, and draw them block by block."""
    plan = request.plan
    sink.start(plan)
    blocks, frames = object_blocks(plan, sink.block_lengths), list(plan.frames())
    progress = Progress(plan.steps + 2 * len(blocks))
    before, kept = 0, []
    for frame in frames:
        of_tiles = yield from _tile_masks(plan, frame, sink, runner, progress)
        if of_tiles is None:
            return partial_result(plan, sink)
        masks = yield from merged_masks(plan, frame, of_tiles, progress)
        visible = VisibleMasks(masks, plan.frame_shape, request.objects)
        for block in [block for block in blocks if block.frame == frame]:
            if not sink.is_finished(frame, block.cell):
                keep = sink.probabilities is not None
                write_block(sink, block, _drawn(plan, block, masks, visible, before, keep=keep))
            progress.heed((yield progress.step(1)))
            if progress.is_finishing:
                return partial_result(plan, sink)
        kept.append(masks.take(np.asarray(visible.kept, np.intp)))
        before += len(visible.kept)
    join = partial(_join, plan, request.objects, sink, blocks, kept)
    return (yield from number_objects(plan, request.objects, sink, blocks, join, progress))


def _tile_masks(
    plan: TilePlan, frame: dict[str, int], sink: ObjectSink, runner: Runner, progress: Progress
) -> Generator[TileStep, object, dict[tuple[int, ...], SoftMasks] | None]:
    """Masks of the tiles of a frame, by start of tile; None if it is ended before.

    Those of each row of tiles are kept in a file.
    """
    masks: dict[tuple[int, ...], SoftMasks] = {}
    for first, group in groupby(plan.context(plan.box(frame)).cell.tiles, lambda t: t.start[0]):
        row = list(group)
        file = sink.folder / f"masks-{'-'.join(map(str, [*frame.values(), first]))}.npz"
        if not file.exists():
            found = yield from runner.tile_masks(plan, frame, row, progress)
            if found is None:
                return None
            write_arrays(file, _to_arrays([found[tile.start] for tile in row]))
        else:
            progress.heed((yield progress.step(len(row))))
        if progress.is_finishing:
            return None
        masks |= zip([tile.start for tile in row], _to_masks(read_arrays(file)), strict=True)
    return masks


def _drawn(
    plan: TilePlan,
    block: ObjectBlock,
    masks: SoftMasks,
    visible: VisibleMasks,
    before: int,
    *,
    keep: bool,
) -> BlockResult:
    """The masks that are seen in a block; `before` are kept in the frames before.

    `keep` says whether probabilities are kept.
    """
    frame, box, shape = block.frame, block.cell.region, plan.frame_shape
    labels, outside = visible.labels(box), plan.outside(frame, box)
    if outside is not None:
        labels[outside] = 0
    cut = cut_block(labels, [], box, box, divided=box, shape=shape)
    numbers = np.unique(labels[labels > 0]).astype(np.int64) - 1 + before
    cut = replace(cut, sums=replace(in_image(plan, block, cut.sums), first=numbers))
    how = plan.settings.uncertainty
    if not (keep or how):
        return BlockResult(cut, None, None)
    maps = class_probabilities(masks, len(plan.model.classes), shape, box)
    uncertainty = uncertainty_in(plan, frame, box, maps, how) if how else None
    if outside is not None:
        maps[:, outside] = 0
    return BlockResult(cut, maps, uncertainty)


def _join(
    plan: TilePlan,
    config: ObjectConfig,
    sink: ObjectSink,
    blocks: Sequence[ObjectBlock],
    kept: Sequence[SoftMasks],
    found: Sequence[Found],
) -> tuple[NDArray[np.int32], ObjectRows]:
    """Objects of all blocks, which know the number of each mask."""
    positions = np.concatenate([masks.positions for masks in kept])
    scores = np.concatenate([masks.scores for masks in kept])
    parts = ObjectSums.concatenate([sums for sums, _ in found])
    joined = parts.added_up(parts.first, len(scores))
    rows = ObjectRows(positions, scores, joined.pixels, joined.boxes)
    numbers = (parts.first + 1).astype(np.int32)
    return choose_objects(plan, config, sink, blocks, found, numbers, rows)


def _to_arrays(masks: Sequence[SoftMasks]) -> dict[str, AnyArray]:
    """Masks of several tiles, and how many each of these has."""
    names = ("boxes", "masks", "positions", "scores")
    arrays = {name: np.concatenate([getattr(each, name) for each in masks]) for name in names}
    return arrays | {"counts": np.array([len(each) for each in masks])}


def _to_masks(arrays: dict[str, AnyArray]) -> list[SoftMasks]:
    ends = np.cumsum(arrays.pop("counts"))
    every = SoftMasks(**arrays)
    return [every.take(np.arange(*span)) for span in pairwise([0, *ends.tolist()])]
