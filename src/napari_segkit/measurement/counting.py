"""Counting of label values block by block."""

from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from napari_segkit.config import MeasureConfig
from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.blocks import blocks, chunk_of
from napari_segkit.images.labels import read_label_arrays, require_countable
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.steps import Step

from .neighbours import Pairs, join_pairs, touching_pairs
from .shapes import shape_columns
from .sources import OpenLabels
from .sums import Sums, add_up, nothing_of, sums_of

BLOCK = 2**22  # pixels that are counted at once

Frame = dict[str, int]
Region = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class Block:
    """Labels of a part of a frame, with what follows them beyond the `core`, and its image."""

    place: Frame  # T, and Z of a slice
    labels: Labels
    core: tuple[int, ...]
    start: tuple[int, ...]
    pixels: AnyArray  # (C, *core)

    def slices(self) -> "Iterator[Block]":
        """The slices of a part of a volume."""
        z, *start = self.start
        for i in range(self.core[0]):
            yield Block(
                self.place | {"Z": z + i},
                self.labels[i : i + 1],
                (1, *self.core[1:]),
                (z + i, *start),
                self.pixels[:, i : i + 1],
            )


@dataclass(frozen=True, eq=False)
class FrameCounts:
    """What was counted of a frame, or of a slice of it."""

    opened: OpenLabels  # without pixels
    place: Frame
    sums: Sums
    pairs: Pairs
    shape: dict[str, AnyArray]  # of the values in `sums`

    def with_classes(self, classes: Collection[int]) -> "FrameCounts":
        """The same with a row for each of these values; those that are absent have no pixels."""
        absent = nothing_of(classes, self.opened.ndim, self.opened.channels)
        sums = add_up([self.sums, absent])
        rows = np.searchsorted(sums.values, self.sums.values)
        shape = {name: np.full(len(sums.values), np.nan) for name in self.shape}
        for name, column in shape.items():
            column[rows] = self.shape[name]
        return replace(self, sums=sums, shape=shape)


def block_counts(
    opened: OpenLabels, config: MeasureConfig
) -> Generator[Step, None, list[FrameCounts]]:
    """Count the labels of one image block by block."""
    regions = list(regions_of(opened))
    parts: dict[tuple[int, ...], _Parts] = {}
    for done, (frame, region) in enumerate(regions, 1):
        for block in _read(opened, frame, region, config):
            own = parts.setdefault(tuple(block.place.values()), _Parts(block.place, [], []))
            _count(block, own, config)
        yield Step(done, len(regions))
    return [_add_up(opened, each, config) for each in parts.values()]


class _Parts(NamedTuple):
    """Counts of the blocks of a frame."""

    place: Frame
    sums: list[Sums]
    pairs: list[Pairs]


def _count(block: Block, parts: _Parts, config: MeasureConfig) -> None:
    unlabelled: dict[str, set[int | None]] = {
        "class": {config.unlabelled},
        "object": {0, config.unlabelled},
        "component": {0},  # these are numbered, those of the unlabelled value left out
    }
    left_out = [value for value in unlabelled[config.by] if value is not None]
    core = block.labels[tuple(slice(0, length) for length in block.core)]
    parts.sums.append(sums_of(core, block.pixels, block.start, left_out))
    if config.neighbours:
        parts.pairs.append(touching_pairs(block.labels, block.core, left_out))


def _add_up(opened: OpenLabels, parts: _Parts, config: MeasureConfig) -> FrameCounts:
    sums, place = add_up(parts.sums), parts.place
    ndim = 2 if "Z" in place else opened.ndim
    shape = shape_columns(opened.labels, place, ndim, sums) if config.shape else {}
    return FrameCounts(opened.without_pixels(), place, sums, join_pairs(parts.pairs), shape)


def regions_of(opened: OpenLabels) -> Iterator[tuple[Frame, Region]]:
    """The frames of labels, and their regions of whole chunks."""
    labels, ndim = opened.labels, opened.ndim
    lengths = dict(zip(labels.axes, chunk_of(labels.data), strict=True))
    chunk = [lengths[axis] for axis in SPATIAL[-ndim:]]
    for frame in labels.frames(ndim):
        for region in blocks(labels.spatial_shape(ndim), chunk, BLOCK):
            yield frame, region


def _read(
    opened: OpenLabels, frame: Frame, region: Region, config: MeasureConfig
) -> Iterator[Block]:
    """A region of a frame, with a pixel more at its ends if neighbours are asked for; by slices."""
    shape = opened.labels.spatial_shape(opened.ndim)
    stops = [min(s.stop + config.neighbours, n) for s, n in zip(region, shape, strict=True)]
    outer = [slice(s.start, stop) for s, stop in zip(region, stops, strict=True)]
    (labels,) = read_label_arrays([opened.labels.read(frame, outer)[0]])
    require_countable(labels)
    core, start = tuple(s.stop - s.start for s in region), tuple(s.start for s in region)
    image = opened.image
    pixels = np.zeros((0, *core)) if image is None else image.read(frame, region)
    block = Block(frame, labels, core, start, pixels)
    if config.slices and opened.ndim == 3:
        yield from block.slices()
    else:
        yield block
