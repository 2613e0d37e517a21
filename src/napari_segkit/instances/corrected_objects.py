"""What of predicted objects becomes instance labels: those corrected by painting, or accepted."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.corrections import (
    LabelPatch,
    patch_of,
    planes,
    require_shape,
)
from napari_segkit.images.regions import Box, Region
from napari_segkit.images.types import AnyArray

Ids = dict[int, int]  # id in the labels of each object of the prediction


def corrected_objects(
    prediction: AnyArray,
    labels: AnyArray,
    painted: Sequence[LabelPatch],
    before: Sequence[LabelPatch],
    unlabelled: int | None,
) -> list[LabelPatch]:
    """Objects whose shape was changed by painting, whole, as patches of instance labels.

    `painted` are the pixels of the prediction that are not as predicted, `before` is what was
    predicted there. They are taken in any case, 0 where an object was erased; the rest of an object
    where no other lies.
    """
    require_shape(labels, prediction, "labels")
    patches = [*painted, *before]
    changed = {int(v) for p in patches for v in np.unique(p.values[p.mask])} - {0}
    ids = _ids(prediction, labels, changed, unlabelled)
    by_plane = {_plane_of(patch.box): patch for patch in painted}
    return _patches(prediction, labels, ids, unlabelled, by_plane)


def accepted_objects(
    prediction: AnyArray, labels: AnyArray, inside: Region, unlabelled: int | None
) -> list[LabelPatch]:
    """Objects of which most lies inside some shapes, whole, where no other object is labelled."""
    require_shape(labels, prediction, "labels")
    whole: Counter[int] = Counter()
    within: Counter[int] = Counter()
    for box in planes(prediction.shape):
        values = np.asarray(prediction[box])
        whole.update(_counted(values))
        within.update(_counted(values[inside.within(box)]))
    chosen = {v for v, pixels in within.items() if v and 2 * pixels > whole[v]}
    ids = _ids(prediction, labels, chosen, unlabelled)
    return _patches(prediction, labels, ids, unlabelled, {})


def _patches(
    prediction: AnyArray,
    labels: AnyArray,
    ids: Ids,
    unlabelled: int | None,
    painted: dict[str, LabelPatch],
) -> list[LabelPatch]:
    """Patches of the objects with these ids where nothing else is labelled, and what is painted."""
    largest = max([0, *ids.values()])
    patches = []
    for box in planes(prediction.shape):
        values, before = np.asarray(prediction[box]), np.asarray(labels[box])
        mask = _is_free(before, unlabelled) & np.isin(values, list(ids))
        if (patch := painted.get(_plane_of(box))) is not None:
            mask[_relative(patch.box, box)] |= patch.mask
        if mask.any():
            new = np.zeros(values.shape, np.min_scalar_type(largest))
            for value in np.unique(values[mask]).tolist():
                new[values == value] = ids.get(value, 0)
            patches.append(patch_of(box, mask & (new != before), new))
    return [p for p in patches if p.pixels]


def _ids(
    prediction: AnyArray, labels: AnyArray, chosen: Collection[int], unlabelled: int | None
) -> Ids:
    """The id of each chosen object: that of the labelled one mostly inside it, or a free one."""
    shared: Counter[tuple[int, int]] = Counter()
    sizes: Counter[int] = Counter()
    for box in planes(prediction.shape):
        values, before = np.asarray(prediction[box]), np.asarray(labels[box])
        sizes.update(_counted(before))
        mask = np.isin(values, list(chosen)) & ~_is_free(before, unlabelled)
        pairs, pixels = np.unique(
            np.stack([values[mask].astype(np.int64), before[mask].astype(np.int64)]),
            axis=1,
            return_counts=True,
        )
        shared.update(dict(zip(map(tuple, pairs.T.tolist()), pixels.tolist(), strict=True)))
    ids: Ids = {}
    for (value, own), common in shared.most_common():
        if 2 * common > sizes[own] and value not in ids:
            ids[value] = own
    fresh = (i for i in count(1) if i not in sizes and i != unlabelled)
    return ids | {value: next(fresh) for value in sorted(set(chosen) - ids.keys())}


def _is_free(labels: AnyArray, unlabelled: int | None) -> NDArray[np.bool_]:
    """Where no object is labelled."""
    free: NDArray[np.bool_] = labels == 0
    return free if unlabelled is None else free | (labels == unlabelled)


def _counted(values: AnyArray) -> dict[int, int]:
    found, pixels = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), pixels.tolist(), strict=True))


def _plane_of(box: Iterable[slice]) -> str:
    """Names the plane that a box lies in."""
    return ",".join(str(side.start) for side in [*box][:-2])


def _relative(box: Box, plane: Box) -> Box:
    pairs = zip(box, plane, strict=True)
    return tuple([slice(a.start - b.start, a.stop - b.start) for a, b in pairs])
