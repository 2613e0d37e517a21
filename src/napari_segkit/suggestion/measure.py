"""Measure images and labels, of which a bounded part is read."""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

import numpy as np

from napari_segkit.images.array_cache import ArrayCache
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.channel_sources import as_one_image
from napari_segkit.images.labels import (
    connected_components,
    looks_like_instance_ids,
    neighbours,
    require_no_negatives,
)
from napari_segkit.images.notes import without_notes
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.images.value_counts import count_values
from napari_segkit.instances.diameters import diameters
from napari_segkit.io.training_files import ImageFile
from napari_segkit.steps import Step
from napari_segkit.training.open_row import colours_as_classes, open_row
from napari_segkit.training_set import TrainingRow

from .facts import Facts, ObjectFacts
from .label_edges import Edges, edge_contrast, plane_edges, planes
from .whole_regions import are_whole_regions

MAX_IMAGES = 16  # that are opened, evenly chosen
MAX_WHOLE = 2**24  # pixels of an image that is read as a whole
WINDOW = (32, 512, 512)  # Z, Y, X, of the parts of larger ones
MAX_WINDOWS = 8  # of one image that hold labels
MAX_LOOKS = 256  # windows of labels that are not in memory
MAX_PLANES = 6  # of a window whose edges are compared with those of the image

Frame = dict[str, int]
Region = tuple[slice, ...]


@dataclass
class _Found:
    """What was read so far."""

    images: list[AxesImage] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    edges: dict[int, Edges] = field(default_factory=dict)
    ids: list[bool] = field(default_factory=list)
    diameters: list[AnyArray] = field(default_factory=list)
    touching: int = 0
    is_partial: bool = False
    of_objects: bool = False  # whether classes of objects or complete regions are given


def measure(
    rows: Sequence[TrainingRow],
    *,
    axes: str | None,
    spacing: Sequence[float] | None,
    of_objects: bool = False,
) -> Generator[Step, None, Facts]:
    """Open up to `MAX_IMAGES` of the rows and look at their labels, with a step after each part.

    Rows may have no labels. `of_objects`: what touches and has one value is an object. ValueError
    if an image or its labels cannot be read.
    """
    chosen = [rows[n] for n in _evenly(len(rows), MAX_IMAGES)]
    chosen = (
        colours_as_classes(chosen, axes) if all(r.labels is not None for r in chosen) else chosen
    )
    of_objects |= any(r.object_classes is not None or r.regions is not None for r in rows)
    found = _Found(of_objects=of_objects)
    for done, row in enumerate(chosen, 1):
        for _ in _read(row, axes, spacing, found):
            yield Step(done - 1, len(chosen))
        yield Step(done, len(chosen))
    return _facts(found, len(rows))


def _evenly(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))


def _read(
    row: TrainingRow, axes: str | None, spacing: Sequence[float] | None, found: _Found
) -> Iterator[None]:
    """Read a row; it can be stopped between the windows of its labels."""
    if row.labels is None:
        found.images.append(_image_alone(row.image, axes, spacing))
        return
    names = found.images[0].channel_names if found.images else ()
    with without_notes():
        opened = open_row(row, axes, spacing, ArrayCache(), names)
    found.images.append(opened.image)
    yield from _look(opened.image, opened.values, found)


def _image_alone(source: Any, axes: str | None, spacing: Sequence[float] | None) -> AxesImage:
    with without_notes():
        is_file = isinstance(source, ImageFile)
        return source.open() if is_file else as_one_image(source, axes, spacing)


def _look(image: AxesImage, values: LazyArray, found: _Found) -> Iterator[None]:
    """Look at windows at fixed places in a fixed random order, until enough hold labels.

    Yields before each further one.
    """
    windows = _windows(image)
    looks = len(windows) if isinstance(values, np.ndarray) else MAX_LOOKS
    order = np.random.default_rng(0).permutation(len(windows))[:looks]
    labels, seen = AxesImage(values, image.label_axes), 0
    for place, number in enumerate(order):
        if place:
            yield
        frame, region = windows[number]
        with without_notes():
            (pixels,) = labels.read(frame, region)
        require_no_negatives(pixels)
        present, counts = count_values(pixels)
        found.counts.update(dict(zip(present.tolist(), counts.tolist(), strict=True)))
        if present.any():
            _measure_labels(image, frame, region, pixels, found)
            seen += 1
        if seen == MAX_WINDOWS:
            break
    found.is_partial |= len(order) < len(windows) or seen == MAX_WINDOWS < len(windows)


def _windows(image: AxesImage) -> list[tuple[Frame, Region]]:
    """The frames of an image along T, or parts of them if they are large."""
    ndim = 3 if image.length("Z") > 1 else 2
    shape = image.spatial_shape(ndim)
    edges = shape if prod(shape) <= MAX_WHOLE else WINDOW[-ndim:]
    starts = product(*(range(0, n, edge) for n, edge in zip(shape, edges, strict=True)))
    regions = [
        tuple(slice(s, min(s + e, n)) for s, e, n in zip(start, edges, shape, strict=True))
        for start in starts
    ]
    return list(product(image.frames(ndim), regions))


def _measure_labels(
    image: AxesImage, frame: Frame, region: Region, labels: AnyArray, found: _Found
) -> None:
    is_ids = looks_like_instance_ids(labels, 0) or are_whole_regions(labels)
    found.ids.append(is_ids)
    if is_ids or found.of_objects:
        ids = labels if is_ids else connected_components(labels)
        found.diameters.append(diameters(ids, image.spacing[-ids.ndim :]))
        found.touching += _touching(ids)
        return
    with without_notes():
        with_labels = list(planes(image.read(frame, region), labels))
    for number in _evenly(len(with_labels), MAX_PLANES):
        for value, sums in plane_edges(*with_labels[number]).items():
            found.edges[value] = found.edges.get(value, 0) + sums


def _touching(ids: AnyArray) -> int:
    """Number of ids next to another one."""
    touching: set[int] = set()
    for before, after in neighbours(ids):
        meet = (before != after) & (before != 0) & (after != 0)
        touching.update(np.unique(before[meet]).tolist(), np.unique(after[meet]).tolist())
    return len(touching)


def _facts(found: _Found, rows: int) -> Facts:
    first = found.images[0]
    z, y, x = np.max([image.spatial_shape(3) for image in found.images], axis=0).tolist()
    return Facts(
        images=rows,
        images_read=len(found.images),
        is_partial=found.is_partial,
        shape=(z, y, x),
        channels=first.channels,
        is_rgb=first.is_rgb,
        spacing=first.spacing,
        spacings=tuple({image.spacing: None for image in found.images}),
        counts=dict(sorted(found.counts.items())),
        are_ids=any(found.ids),
        edge_contrast=edge_contrast(found.edges),
        objects=_objects(found),
    )


def _objects(found: _Found) -> ObjectFacts | None:
    if not found.diameters:
        return None
    sizes, total = np.concatenate(found.diameters), found.counts.total()
    cover = 1 - found.counts[0] / total
    return ObjectFacts(len(sizes), float(np.median(sizes)), found.touching / len(sizes), cover)
