"""What labels of objects hold, seen before anything is learned from them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre, ObjectsBy
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.label_stats import LabelStats, ObjectStats
from napari_segkit.images.labels import LabelsError, as_values, count

from .diameters import Floats, diameters, each_frame, learned_lengths, occurrences
from .label_ids import Ids, ObjectLabels, read_objects

SPECK = 4  # pixels: what is smaller was hardly meant


def instance_stats(
    labels: Any,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    image: AxesImage | None = None,
    object_classes: Any = None,
    regions: Any = None,
    how: ObjectsBy | None = None,
    ndim: int = 2,
    voxel_size: float | None = None,
    fitted: Callable[[Floats], str] | None = None,
) -> LabelStats:
    """Count objects per class and say what looks wrong.

    Parameters
    ----------
    labels, unlabelled, labels_are, image, object_classes, regions
        As in `read_objects`, of one image. What cannot be read gives a survey with that problem.
    how : {"components", "boundary", "distance"}, optional
        How a method that gives a class for every pixel is to part objects.
    ndim : int
        Spatial dimensions of the method: 2 looks slice by slice.
    voxel_size : float, optional
        World units to which pixels are resampled for the method; None: as they are.
    fitted : callable, optional
        From heights and widths of the objects' boxes, in pixels of the method, to what it chooses
        by them, in words.

    Returns
    -------
    LabelStats
        Its counts are pixels of each class, background among them; `unlabelled` those that are not
        annotated.
    """
    try:
        found = read_objects(
            [labels],
            unlabelled=unlabelled,
            labels_are=labels_are,
            images=None if image is None else [image],
            ndim=ndim,
            object_classes=None if object_classes is None else [object_classes],
            regions=None if regions is None else [regions],
        )
    except (ValueError, TypeError) as error:
        remedies = getattr(error, "remedies", ())
        return LabelStats(_painted(object_classes), 0, (), str(error), remedies)
    (ids,) = found.ids
    image = image or AxesImage(ids, "TZYX"[-ids.ndim :])
    frames = list(each_frame(ids, image, min(ndim, ids.ndim)))
    notes, remedies = list(_odd(found, frames, by_number=labels_are != "classes")), ()
    touching = len(_touching(found, frames)) if how == "components" else 0
    if touching:
        remedies = ("objects='distance'",)
        notes.append(
            f"{_number(touching)} touching another of the class, and pieces that touch become one: "
            "choose objects='distance' to learn to part them."
        )
    occurring = occurrences(ids, image)
    objects = tuple(_objects(found, frames, occurring, image.spacing[-frames[0].ndim :]))
    chosen = fitted(learned_lengths(ids, image, frames[0].ndim, voxel_size)) if fitted else ""
    return LabelStats(*_pixels(found), tuple(notes), None, remedies, objects, chosen)


def _painted(object_classes: Any) -> dict[int, int]:
    """The classes painted so far, while labels and classes do not go together yet."""
    if object_classes is None:
        return {}
    try:
        values, pixels = count(as_values([object_classes])[0])
    except LabelsError:
        return {}
    return {int(v): int(n) for v, n in zip(values, pixels, strict=True) if v != 0}


def _pixels(found: ObjectLabels) -> tuple[dict[int, int], int]:
    """Pixels of each class, and those that are not annotated."""
    pixels = np.bincount(found.ids[0].ravel() + 1, minlength=len(found.class_of) + 1)
    per_class = np.bincount(found.class_of, pixels[1:], len(found.classes)).astype(int)
    values = [c.value for c in found.classes]
    return dict(zip(values, per_class.tolist(), strict=True)), int(pixels[0])


def _objects(
    found: ObjectLabels,
    frames: Sequence[Ids],
    occurring: NDArray[np.intp],
    spacing: tuple[float, ...],
) -> Iterator[ObjectStats]:
    """The objects of each class, and how wide those are that no region cuts off."""
    owners = [np.unique(ids[ids > 0]) for ids in frames]
    number = np.bincount(found.class_of[occurring], minlength=len(found.classes))
    wide = np.concatenate([diameters(ids, spacing) for ids in frames])
    whole = np.concatenate([~np.isin(o, _cut(i)) for o, i in zip(owners, frames, strict=True)])
    position = found.class_of[np.concatenate(owners)]
    for place, known in enumerate(found.classes[1:], 1):
        own = wide[(position == place) & whole]
        own = own if len(own) else wide[position == place]
        extremes = float(np.median(own)), float(own.min()), float(own.max())
        yield ObjectStats(known, int(number[place]), *extremes)


def _odd(found: ObjectLabels, frames: Sequence[Ids], *, by_number: bool) -> Iterator[str]:
    """What may have been painted by mistake."""
    pixels = np.bincount(np.maximum(found.ids[0], 0).ravel())
    whole = np.setdiff1d(_present(found), np.concatenate([_cut(ids) for ids in frames]))
    specks, single = int((pixels[whole] < SPECK).sum()), int((pixels[whole] == 1).sum())
    if specks:
        of_one = f" ({single} of one pixel)" if single else ""
        yield (
            f"{_number(specks)} smaller than {SPECK} pixels{of_one}: erase what was painted by "
            "mistake."
        )
    parted = set().union(*map(_parted, frames)) if by_number else ()
    if parted:
        yield (
            f"{_number(len(parted))} in several pieces: give each piece that is an object a number "
            "of its own."
        )


def _present(found: ObjectLabels) -> NDArray[np.int32]:
    present = np.unique(found.ids[0])
    return present[present > 0]


def _cut(ids: Ids) -> NDArray[np.int32]:
    """Objects beside pixels that are not annotated."""
    low, high = np.sort(_beside(ids), axis=0)
    return np.unique(high[(low < 0) & (high > 0)])


def _beside(ids: Ids) -> NDArray[np.int32]:
    """Neighbours along any axis that are not alike, ``(2, pairs)``."""
    pairs = []
    for axis in range(ids.ndim):
        before, after = (np.moveaxis(ids, axis, 0)[s] for s in (np.s_[:-1], np.s_[1:]))
        pairs.append(np.stack([before[before != after], after[before != after]]))
    return np.concatenate(pairs, axis=1)


def _parted(ids: Ids) -> set[int]:
    """Objects in several pieces, of which corners may join."""
    from skimage.measure import label

    known = np.maximum(ids, 0)
    pieces = label(known, background=0)  # type: ignore[no-untyped-call]
    _, first = np.unique(pieces, return_index=True)
    owner, number = np.unique(known.ravel()[first], return_counts=True)
    return set(owner[(owner > 0) & (number > 1)].tolist())


def _touching(found: ObjectLabels, frames: Sequence[Ids]) -> NDArray[np.int32]:
    """Objects beside another one of their class."""
    pairs = np.concatenate([_beside(ids) for ids in frames], axis=1)
    pairs = pairs[:, (pairs > 0).all(axis=0)]
    first, second = found.class_of[pairs]
    return np.unique(pairs[:, first == second])


def _number(objects: int) -> str:
    return f"{objects} objects are" if objects > 1 else "1 object is"
