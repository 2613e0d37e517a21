"""Distances between the boundaries of classes, in world units."""

from collections import Counter
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from math import inf, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import neighbours
from napari_segkit.images.types import AnyArray, Labels

from .confusion import Floats
from .metric import ImageInfo, Index, Metric, Values, require_equal

SLACK = 1 + 1e-9  # three pixels of 0.1 lie within 0.3, although their sum is larger

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]  # flat indices of pixels, rising


class ClassDistances(NamedTuple):
    """How well the boundaries of one class agree in one image."""

    boundary_f1: float
    surface_dice: float
    assd: float
    hausdorff_95: float
    hausdorff: float


ONE_SIDED = ClassDistances(0, 0, inf, inf, inf)


class BoundaryDistances(Metric):
    """Distances between the boundaries of each class in prediction and truth.

    The boundary of a class is its pixels that share a face with a labelled pixel of another class;
    the end of the image is none. Images, and the time points in them, are measured one by one.
    """

    halo = 1

    def __init__(self, image: ImageInfo) -> None:
        self._unlabelled = image.unlabelled
        self._spacing = image.spacing[-image.spatial_axes :]
        self._spacings = {self._spacing}  # of all images
        self.tolerance = image.tolerance
        self._rows = 0  # of the slabs so far
        self._plane: tuple[int, ...] = ()  # their other axes
        self._sides = _Boundaries(), _Boundaries()  # prediction and truth

    def update(self, prediction: Labels, truth: Labels, core: Index) -> None:
        labelled = None if self._unlabelled is None else truth != self._unlabelled
        rows, *plane = truth[core].shape
        before = self._rows * prod(plane)
        for labels, side in zip((prediction, truth), self._sides, strict=True):
            mask = boundary(labels, labelled, len(self._spacing))[core]
            side.add(np.flatnonzero(mask) + before, labels[core][mask])
        self._rows, self._plane = self._rows + rows, tuple(plane)

    def finish(self) -> None:
        _ = self.samples

    @cached_property
    def samples(self) -> tuple[dict[int, ClassDistances], ...]:
        """Class value -> distances, of each image or time point; read after the last slab."""
        axes, shape = len(self._spacing), (self._rows, *self._plane)
        frame = shape[-axes:]
        predicted, true = (side.by_frame(prod(frame)) for side in self._sides)
        self._sides = _Boundaries(), _Boundaries()  # frees the memory
        nothing = np.zeros(0, np.int64)
        samples: list[dict[int, ClassDistances]] = [{} for _ in range(prod(shape[:-axes]))]
        for number, value in sorted({*predicted, *true}):
            places, targets = (side.get((number, value), nothing) for side in (predicted, true))
            samples[number][value] = self._measure(places, targets, frame)
        return tuple(samples)

    def _measure(self, predicted: Places, true: Places, frame: tuple[int, ...]) -> ClassDistances:
        if not (predicted.size and true.size):
            return ONE_SIDED
        to_truth = _distances(predicted, true, frame, self._spacing)
        to_prediction = _distances(true, predicted, frame, self._spacing)
        both = np.concatenate([to_truth, to_prediction])
        tolerance = max(self._spacing) if self.tolerance is None else self.tolerance
        precision, recall, dice = (
            float(np.mean(d <= SLACK * tolerance)) for d in (to_truth, to_prediction, both)
        )
        return ClassDistances(
            2 * precision * recall / (precision + recall) if precision and recall else 0.0,
            dice,
            float(both.mean()),
            float(max(np.percentile(d, 95) for d in (to_truth, to_prediction))),
            float(both.max()),
        )

    def __add__(self, other: "BoundaryDistances") -> "BoundaryDistances":
        require_equal("tolerance", self.tolerance, other.tolerance)
        pooled = copy(self)
        pooled.samples = self.samples + other.samples
        pooled._spacings = self._spacings | other._spacings
        return pooled

    def compute(self) -> dict[str, Values]:
        """Means over the images that have the class; infinite if one side lacks it in any."""
        of_class: dict[int, list[ClassDistances]] = {}
        for sample in self.samples:
            for value, distances in sample.items():
                of_class.setdefault(value, []).append(distances)
        means = {value: np.mean(found, axis=0).tolist() for value, found in of_class.items()}
        return {
            name: {value: means[value][position] for value in sorted(means)}
            for position, name in enumerate(ClassDistances._fields)
        }

    @property
    def notes(self) -> Sequence[str]:
        images = len(self.samples)
        sizes = " or ".join(sorted(" x ".join(map("{:g}".format, s)) for s in self._spacings))
        tolerance = "one pixel" if self.tolerance is None else f"{self.tolerance:g}"
        means = f"; means over {images} images or time points" if images > 1 else ""
        about = f"Distances in world units (pixels of {sizes}, tolerance {tolerance}{means})."
        one_sided = Counter(v for s in self.samples for v, found in s.items() if found == ONE_SIDED)
        return (about, *(_one_sided_note(*each, images) for each in sorted(one_sided.items())))


def _one_sided_note(value: int, count: int, images: int) -> str:
    where = f" in {count} of {images} images" if images > 1 else ""
    return (
        f"Class {value} has a boundary in only one of prediction and truth{where}: its distances "
        "are infinite."
    )


class _Boundaries:
    """Boundary pixels in the order of the image, and their classes."""

    def __init__(self) -> None:
        self._places: list[Places] = []
        self._classes: list[AnyArray] = []

    def add(self, places: Places, classes: AnyArray) -> None:
        self._places.append(places)
        self._classes.append(classes)

    def by_frame(self, pixels: int) -> dict[tuple[int, int], Places]:
        """Frame and class -> places in a frame of so many pixels."""
        if not any(map(len, self._places)):
            return {}
        frame, place = np.divmod(np.concatenate(self._places), pixels)
        classes = np.concatenate(self._classes)
        order = np.lexsort((classes, frame))
        frame, place, classes = frame[order], place[order], classes[order]
        starts = np.flatnonzero((frame[1:] != frame[:-1]) | (classes[1:] != classes[:-1])) + 1
        first = np.append(0, starts)
        keys = zip(frame[first].tolist(), classes[first].tolist(), strict=True)
        return dict(zip(keys, np.split(place, starts), strict=True))


def boundary(labels: Labels, labelled: Mask | None, ndim: int) -> Mask:
    """Pixels that share a face with one of another label, along the last `ndim` axes.

    Pixels that are not `labelled` neither are nor make a boundary.
    """
    found = np.zeros(labels.shape, bool)
    masks = found if labelled is None else labelled
    pairs = zip(*map(neighbours, (labels, masks, found)), strict=True)
    for (before, after), (one, other), (first, second) in list(pairs)[-ndim:]:
        differs = before != after
        if labelled is not None:
            differs &= one & other
        first |= differs
        second |= differs
    return found


def _distances(
    places: Places, targets: Places, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> Floats:
    """Distance of each place to the nearest target, in any order: first those that are not 0."""
    from scipy.spatial import cKDTree

    apart = np.setdiff1d(places, targets, assume_unique=True)
    distances = np.zeros(len(places))
    if len(apart):
        tree = cKDTree(_points(targets, shape, spacing), balanced_tree=False, compact_nodes=False)
        distances[: len(apart)] = tree.query(_points(apart, shape, spacing))[0]
    return distances


def _points(places: Places, shape: tuple[int, ...], spacing: tuple[float, ...]) -> Floats:
    points: Floats = np.column_stack(np.unravel_index(places, shape)) * np.array(spacing)
    return points
