"""What of a prediction becomes labels: what was painted on it, or what was accepted of it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .regions import Box, Region
from .types import AnyArray, Labels


class LabelPatch(NamedTuple):
    """Label values for some pixels of a box of labels."""

    box: Box
    mask: NDArray[np.bool_]  # which of the pixels of the box
    values: Labels  # of the box's shape

    @property
    def pixels(self) -> int:
        """Number of its pixels."""
        return int(self.mask.sum())

    def on(self, labels: AnyArray, only: int | None = None) -> Labels:
        """The box of labels with the patch on it; `only` where labels have this value."""
        before = labels[self.box]
        mask = self.mask if only is None else self.mask & (before == only)
        return np.where(mask, self.values.astype(labels.dtype), before)


def painted_corrections(
    prediction: AnyArray,
    predicted: AnyArray,
    known: Region | None,
    *,
    unlabelled: int | None,
    region: Region | None = None,
) -> list[LabelPatch]:
    """What a person painted on a prediction: the pixels that are not as predicted, by planes.

    `predicted` is what the model gave where it is `known` (None: everywhere), and 0 elsewhere.
    What was painted with the value `unlabelled` says no class and is left out. `region` limits
    the pixels (None: all).
    """
    require_shape(predicted, prediction, "predicted")
    patches = []
    for box in planes(prediction.shape):
        values = np.asarray(prediction[box])
        mask = values != _known_values(predicted, known, box)
        if mask.any():
            patches.append(patch_of(box, _limited(mask, values, box, unlabelled, region), values))
    return [p for p in patches if p.pixels]


def accepted_inside(
    prediction: AnyArray,
    labels: AnyArray,
    inside: Region,
    known: Region | None,
    *,
    unlabelled: int | None,
    region: Region | None = None,
) -> list[LabelPatch]:
    """A prediction inside some shapes, by planes, where the labels have the value `unlabelled`.

    Where the prediction is not `known` (None: it is everywhere) only what is not 0 is taken, which
    a person has painted.
    """
    require_shape(labels, prediction, "labels")
    if unlabelled is None:
        raise ValueError(
            "unlabelled is None, so that every pixel has a label and none can be accepted: give "
            "the value of pixels that have none, such as 0."
        )
    patches = []
    for box in planes(prediction.shape):
        mask = inside.within(box)
        if not mask.any():
            continue
        values = np.asarray(prediction[box])
        mask &= np.asarray(labels[box]) == unlabelled
        if known is not None:
            mask &= known.within(box) | (values != 0)
        patches.append(patch_of(box, _limited(mask, values, box, unlabelled, region), values))
    return [p for p in patches if p.pixels]


def as_predicted(
    patches: Sequence[LabelPatch], predicted: AnyArray, known: Region | None
) -> list[LabelPatch]:
    """Patches that give a prediction back what it was where `patches` are."""
    return [p._replace(values=_known_values(predicted, known, p.box)) for p in patches]


def shifted(patches: Sequence[LabelPatch], start: Sequence[int]) -> list[LabelPatch]:
    """Patches of a part of some labels, in the place of that part."""
    return [
        p._replace(
            box=tuple([slice(s.start + a, s.stop + a) for s, a in zip(p.box, start, strict=True)])
        )
        for p in patches
    ]


def require_fitting(patches: Sequence[LabelPatch], dtype: DTypeLike, name: str) -> None:
    """ValueError if labels of this dtype cannot hold a value of the patches."""
    limits = np.iinfo(dtype)
    values = [int(v) for p in patches for v in (p.values[p.mask].min(), p.values[p.mask].max())]
    beyond = [v for v in values if not limits.min <= v <= limits.max]
    if beyond:
        raise ValueError(
            f"{name} is {np.dtype(dtype).name} and holds values from {limits.min} to {limits.max}, "
            f"but the prediction has the value {beyond[0]}: convert {name} to a larger integer "
            "type first."
        )


def planes(shape: tuple[int, ...]) -> Iterator[Box]:
    """The boxes of the planes along the last two axes."""
    rest = tuple([slice(0, n) for n in shape[-2:]])
    for index in np.ndindex(shape[:-2]):
        yield (*[slice(i, i + 1) for i in index], *rest)


def _known_values(predicted: AnyArray, known: Region | None, box: Box) -> Labels:
    """What was predicted in a box; 0 where nothing was."""
    values: Labels = np.asarray(predicted[box])
    return values if known is None else np.where(known.within(box), values, values.dtype.type(0))


def _limited(
    mask: NDArray[np.bool_],
    values: Labels,
    box: Box,
    unlabelled: int | None,
    region: Region | None,
) -> NDArray[np.bool_]:
    """The pixels of a mask that say a class and are in a region."""
    if unlabelled is not None:
        mask = mask & (values != unlabelled)
    return mask if region is None else mask & region.within(box)


def patch_of(box: Box, mask: NDArray[np.bool_], values: Labels) -> LabelPatch:
    """A patch of the smallest box around its pixels; it shares no memory with `values`."""
    sides = []
    for axis, side in enumerate(box):
        others = tuple([other for other in range(mask.ndim) if other != axis])
        places = np.flatnonzero(mask.any(axis=others))
        first, last = (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)
        sides.append((slice(first, last), slice(side.start + first, side.start + last)))
    own, outer = zip(*sides, strict=True)
    return LabelPatch(outer, mask[own], values[own].copy())


def require_shape(array: AnyArray, prediction: AnyArray, name: str) -> None:
    """ValueError if an array has not the shape of a prediction."""
    if array.shape != prediction.shape:
        raise ValueError(
            f"{name} has the shape {array.shape}, but the prediction has {prediction.shape}: give "
            "those of the same image, at the same level."
        )
