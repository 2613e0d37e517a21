"""Objects of an image that is larger than memory: blocks of it, and what is known of each."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import without_pixels
from napari_segkit.images.regions import intersection, relative
from napari_segkit.images.types import AnyArray, Floats, Labels
from napari_segkit.instances.block_objects import BlockObjects, Face, ObjectSums
from napari_segkit.instances.join_blocks import Key
from napari_segkit.instances.link_slices import count_pairs
from napari_segkit.instances.object_rows import ObjectRows, SliceOverlap, link_rows, numbers_of
from napari_segkit.instances.stored_objects import StoredCandidates, StoredObjects
from napari_segkit.io.array_files import read_arrays, write_arrays
from napari_segkit.label_result import LabelResult
from napari_segkit.tiling import Cell

from .blocks import block_edges, divide
from .memory import BLOCK
from .plan import TilePlan
from .progress import Progress, TileStep
from .sink import ObjectSink, UncertaintySink

Found: TypeAlias = tuple[ObjectSums, Mapping[Face, NDArray[np.int32]]]  # of a block
Join: TypeAlias = Callable[[Sequence[Found]], tuple[NDArray[np.int32], ObjectRows]]

JOINED = "joined.npz"


@dataclass(frozen=True)
class ObjectBlock:
    """A block of a frame, and its place among all blocks."""

    key: Key
    frame: dict[str, int]
    number: int  # of the frame
    cell: Cell


@dataclass(frozen=True)
class BlockResult:
    """What is predicted of a block."""

    objects: BlockObjects
    probabilities: Floats | None  # of the classes; None: not kept
    uncertainty: NDArray[np.float32] | None  # None: not asked for


def object_blocks(plan: TilePlan, lengths: Sequence[int]) -> list[ObjectBlock]:
    """Divide what is asked for into blocks of whole multiples of these lengths."""
    ndim, blocks = plan.model.ndim, []
    edges = block_edges(lengths, plan.frame_shape, BLOCK)
    wanted = list(plan.frames())
    for number, frame in enumerate(plan.original.frames(ndim)):
        if frame not in wanted:
            continue
        box = plan.box(frame)
        for place, block in divide(box, edges):
            if plan.region is not None and not plan.region.touches(frame, block):
                continue
            tiles = plan.context(block).cell.tiles
            blocks.append(ObjectBlock((number, *place), frame, number, Cell(block, tiles)))
    return blocks


def write_block(sink: ObjectSink, block: ObjectBlock, result: BlockResult) -> None:
    """Write a block; its objects have negative numbers until all blocks are known."""
    BlockStore(sink.folder).write(block.key, result.objects)
    if result.uncertainty is not None and isinstance(sink, UncertaintySink):
        sink.write_uncertainty(block.frame, block.cell, result.uncertainty)
    sink.write(block.frame, block.cell, -result.objects.labels, result.probabilities)


class BlockStore:
    """What is known of the objects of each block, in files of the folder of a sink."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, key: Key, objects: BlockObjects) -> None:
        sums = objects.sums
        arrays = {
            "pixels": sums.pixels,
            "probabilities": sums.probabilities,
            "first": sums.first,
            "boxes": sums.boxes,
        }
        faces = {f"face-{axis}-{end}": ids for (axis, end), ids in objects.faces.items()}
        write_arrays(self._file(key), arrays | faces)

    def read(self, key: Key) -> Found:
        arrays = read_arrays(self._file(key))
        faces: dict[Face, NDArray[np.int32]] = {}
        for name in [name for name in arrays if name.startswith("face-")]:
            axis, end = map(int, name.split("-")[1:])
            faces[axis, end] = arrays.pop(name)
        return ObjectSums(**arrays), faces

    @property
    def joined(self) -> Path:
        """File of what is known of all blocks."""
        return self._folder / JOINED

    def _file(self, key: Key) -> Path:
        return self._folder / f"{'-'.join(map(str, key))}.npz"


def number_objects(
    plan: TilePlan,
    config: ObjectConfig,
    sink: ObjectSink,
    blocks: Sequence[ObjectBlock],
    join: Join,
    progress: Progress,
) -> Generator[TileStep, object, LabelResult]:
    """Join the objects of all blocks and give them their final numbers.

    Labels of blocks are negative until they have these, so it can be stopped anywhere.
    """
    store = BlockStore(sink.folder)
    found = [store.read(block.key) for block in blocks]
    if store.joined.exists():
        numbers, rows = _read_joined(store.joined)
    else:
        numbers, rows = join(found)
        _write_joined(store.joined, numbers, rows)
    for block, (before, after) in zip(blocks, pairwise(_befores(found)), strict=True):
        labels = sink.read_labels(block.frame, block.cell)
        if (labels < 0).any():
            replaced = _replaced(labels, numbers[before:after])
            sink.replace_labels(block.frame, block.cell, replaced)
        yield progress.step(1)
    return _result(plan, config, sink, rows)


def partial_result(plan: TilePlan, sink: ObjectSink) -> LabelResult:
    """What is known before all blocks are predicted: no object yet."""
    axes, record = plan.original.label_axes, plan.record()
    return LabelResult(sink.labels, axes, provenance=record, is_partial=True)


def _result(
    plan: TilePlan, config: ObjectConfig, sink: ObjectSink, rows: ObjectRows
) -> LabelResult:
    classes, candidates = plan.model.all_classes, StoredCandidates(rows, sink.labels)
    objects = StoredObjects(candidates, config, classes, without_pixels(plan.original))
    axes, record = plan.original.label_axes, plan.record()
    return LabelResult(sink.labels, axes, classes, record, objects=objects, predicted=plan.region)


def is_complete(sink: ObjectSink, blocks: Sequence[ObjectBlock]) -> bool:
    """Whether all blocks are written."""
    return all(sink.is_finished(block.frame, block.cell) for block in blocks)


def in_image(plan: TilePlan, block: ObjectBlock, sums: ObjectSums) -> ObjectSums:
    """The objects of a block, counted through the frames of the image."""
    axes, before = plan.original.label_axes, block.number * prod(plan.frame_shape)
    return sums.in_image(axes, block.frame, before)


def choose_objects(
    plan: TilePlan,
    config: ObjectConfig,
    sink: ObjectSink,
    blocks: Sequence[ObjectBlock],
    found: Sequence[Found],
    numbers: NDArray[np.int32],
    rows: ObjectRows,
) -> tuple[NDArray[np.int32], ObjectRows]:
    """The objects that are kept, linked through slices, and the number of each before."""
    image, ndim = plan.original, plan.model.ndim
    axes = image.label_axes
    if ndim == 2 and "Z" in axes and config.link is not None and len(rows):
        of_block = [numbers[a:b] for a, b in pairwise(_befores(found))]
        overlaps = _overlaps(sink, blocks, of_block, image.length("Z"))
        starts = dict(zip(axes, rows.boxes[..., 0].T, strict=True))
        slices = _slice_number(starts, image.length("Z"))
        linked, rows = link_rows(rows, slices, overlaps, config.link)
        numbers = linked[numbers]
    kept = rows.are_kept(image, ndim, config)
    return numbers_of(kept)[numbers], rows.take(kept)


def _befores(found: Sequence[Found]) -> list[int]:
    """How many objects all blocks before each have, and all of them in the end."""
    return np.cumsum([0, *(len(sums) for sums, _ in found)]).tolist()


def _overlaps(
    sink: ObjectSink,
    blocks: Sequence[ObjectBlock],
    numbers: Sequence[NDArray[np.int32]],
    depth: int,
) -> list[SliceOverlap]:
    """What objects of each slice share with those of the one before it."""
    of_slice: dict[int, list[tuple[ObjectBlock, NDArray[np.int32]]]] = {}
    for block, own in zip(blocks, numbers, strict=True):
        of_slice.setdefault(_slice_number(block.frame, depth), []).append((block, own))
    overlaps = []
    for number in [n for n in of_slice if n % depth and n - 1 in of_slice]:
        pairs = [
            _shared_pixels(sink, before, after)
            for before, after in product(of_slice[number - 1], of_slice[number])
        ]
        overlaps.append(SliceOverlap(number, _added_up(pairs)))
    return overlaps


def _shared_pixels(
    sink: ObjectSink,
    before: tuple[ObjectBlock, NDArray[np.int32]],
    after: tuple[ObjectBlock, NDArray[np.int32]],
) -> NDArray[np.int64]:
    """Ids of two blocks at the same places of their slices, and the pixels of each pair."""
    shared = intersection(before[0].cell.region, after[0].cell.region)
    if shared is None:
        return np.zeros((0, 3), np.int64)
    one, other = [
        _replaced(sink.read_labels(block.frame, block.cell), own)[
            relative(shared, block.cell.region)
        ]
        for block, own in (before, after)
    ]
    return np.stack(count_pairs(one, other), axis=1).astype(np.int64)


def _added_up(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Pixels of each pair of ids, in rising order."""
    pairs = np.concatenate(parts)
    distinct, which = np.unique(pairs[:, :2], axis=0, return_inverse=True)
    pixels = np.bincount(which.ravel(), pairs[:, 2], len(distinct))
    return np.column_stack([distinct, pixels]).astype(np.int64)


def _slice_number(frame: Mapping[str, Any], depth: int) -> Any:
    """A slice counted through the stacks of a series; of numbers, or of arrays of them."""
    return frame.get("T", 0) * depth + frame["Z"]


def _replaced(labels: Labels, numbers: NDArray[np.int32]) -> Labels:
    """Labels of a block with other numbers in place of its own, which are below 0."""
    table = np.append(0, numbers).astype(labels.dtype)
    return np.where(labels < 0, table[-labels.clip(max=0)], labels)


def _write_joined(file: Path, numbers: NDArray[np.int32], rows: ObjectRows) -> None:
    columns: dict[str, AnyArray] = {"positions": rows.positions, "scores": rows.scores}
    columns |= {"pixels": rows.pixels, "boxes": rows.boxes, "numbers": numbers}
    columns |= {} if rows.stuff is None else {"stuff": rows.stuff}
    write_arrays(file, columns)


def _read_joined(file: Path) -> tuple[NDArray[np.int32], ObjectRows]:
    arrays = read_arrays(file)
    return arrays.pop("numbers"), ObjectRows(**arrays)
