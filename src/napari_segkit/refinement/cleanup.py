"""Classes tidied one by one: thresholds, specks, holes, spurs and gaps, in world units."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure, morphology

from napari_segkit.config import CleanConfig

Mask = NDArray[np.bool_]
Labels = NDArray[np.integer[Any]]
ROUNDING = 1e-6  # share by which a distance may exceed a radius and count as the same


def clean(
    labels: Labels,
    steps: Sequence[CleanConfig],
    *,
    probabilities: NDArray[np.floating[Any]] | None = None,
    values: Sequence[int] | None = None,
    spacing: Sequence[float],
) -> Labels:
    """Tidy the classes of one image or volume.

    Parameters
    ----------
    labels : ndarray of int
        ``(Y, X)`` or ``(Z, Y, X)``: the class of each pixel.
    steps : sequence of CleanConfig
        What is done, one class after the other. Within a class the order is: threshold, open,
        close, fill holes, smallest size, largest piece. Pixels that touch by a corner are of one
        piece; what is enclosed but for a corner is a hole.
    probabilities : ndarray of float, optional
        ``(classes, *labels.shape)``. A pixel that loses its class takes the likeliest of those that
        it has not lost. Without them it takes the class of the nearest pixel of another one.
    values : sequence of int, optional
        The label value of each class of the probabilities. None: 0, 1, 2, ...
    spacing : sequence of float
        World units between pixels along each axis.

    Returns
    -------
    ndarray
        A new array of the labels' shape and type.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, a class is not among the values, or there is a
        threshold without probabilities.
    """
    _check(labels, steps, probabilities, values, spacing)
    cleaned = labels.copy()
    order = _Likeliest(probabilities, values) if probabilities is not None else None
    for step in steps:
        mask = cleaned == step.value
        if not mask.any():
            continue
        kept = mask
        if step.threshold is not None and order is not None:
            kept = mask & (order.of(step.value) >= step.threshold)
        kept = tidied(kept, step, spacing)
        lost = mask & ~kept
        cleaned[kept] = step.value
        if order is not None:
            cleaned[lost] = order.instead(lost, step.value)
        elif lost.any():
            cleaned[lost] = _nearest(cleaned, lost, step.value, spacing)
    return cleaned


def tidied(mask: Mask, step: CleanConfig, spacing: Sequence[float]) -> Mask:
    """Tidy one mask: all of a step but its threshold.

    Parameters
    ----------
    mask : ndarray of bool
        Where the class is.
    step : CleanConfig
        What is done.
    spacing : sequence of float
        World units between pixels along each axis.

    Returns
    -------
    ndarray of bool
        Where the class is afterwards.
    """
    if not mask.any():
        return mask
    # Within a pixel around the class all is as in the whole image: distances to what is not of the
    # class, what is enclosed, and what touches the end of the image.
    (box,) = ndimage.find_objects(mask.view(np.int8))
    wide = tuple(slice(max(0, b.start - 1), b.stop + 1) for b in box)
    unit, part = float(np.prod(spacing)), mask[wide]
    if step.open:
        part = _opened(part, step.open, spacing)
    if step.close and part.any():
        part = _closed(part, step.close, spacing)
    if step.fill_holes:
        part = _without_holes(part, step.fill_holes / unit)
    if step.min_size or step.largest:
        part = _without_pieces(part, step.min_size / unit, largest=step.largest)
    tidy = np.zeros_like(mask)
    tidy[wide] = part
    return tidy


def _check(
    labels: Labels,
    steps: Sequence[CleanConfig],
    probabilities: NDArray[Any] | None,
    values: Sequence[int] | None,
    spacing: Sequence[float],
) -> None:
    if len(spacing) != labels.ndim:
        raise ValueError(
            f"spacing is {list(spacing)}, and the labels have {labels.ndim} dimensions: give one "
            "number for each."
        )
    if probabilities is None:
        if any(step.threshold is not None for step in steps):
            raise ValueError(
                "A threshold needs the probabilities of the classes, and there are only labels: "
                "give them, or leave the threshold out."
            )
        return
    if probabilities.shape[1:] != labels.shape:
        raise ValueError(
            f"The probabilities have the shape {probabilities.shape}, and the labels have "
            f"{labels.shape}: give (classes, *shape of the labels)."
        )
    _check_values(_known(probabilities, values), len(probabilities), labels, steps)


def _check_values(
    known: list[int], classes: int, labels: Labels, steps: Sequence[CleanConfig]
) -> None:
    if len(known) != classes or max(known) > np.iinfo(labels.dtype).max:
        raise ValueError(
            f"values={known} cannot be the label values of {classes} classes in labels of type "
            f"{labels.dtype}: give one value for each class, and labels of a type that holds them."
        )
    unknown = sorted({step.value for step in steps} - set(known))
    if unknown:
        raise ValueError(
            f"There is no class {', '.join(map(str, unknown))} to be tidied; choose among "
            f"{', '.join(map(str, known))}."
        )


def _known(probabilities: NDArray[Any], values: Sequence[int] | None) -> list[int]:
    return list(range(len(probabilities))) if values is None else [int(v) for v in values]


class _Likeliest:
    """Which class a pixel takes once it has lost others."""

    def __init__(self, probabilities: NDArray[Any], values: Sequence[int] | None) -> None:
        self._probabilities = probabilities
        self._values = _known(probabilities, values)
        self._lost: dict[int, Mask] = {}  # class position -> where it was taken away

    def of(self, value: int) -> NDArray[Any]:
        """The probabilities of a class."""
        found: NDArray[Any] = self._probabilities[self._values.index(value)]
        return found

    def instead(self, lost: Mask, value: int) -> NDArray[Any]:
        """The next likeliest values where a class is lost; never one that was lost before."""
        position = self._values.index(value)
        self._lost[position] = self._lost.get(position, np.zeros_like(lost)) | lost
        left = self._probabilities[:, lost]
        for gone, where in self._lost.items():
            left[gone, where[lost]] -= 2  # below all that are left; the order stays where none is
        left[position] = -np.inf
        return np.asarray(self._values)[left.argmax(axis=0)]


def _nearest(labels: Labels, lost: Mask, value: int, spacing: Sequence[float]) -> NDArray[Any]:
    """The class of the nearest pixel of another one; 0 where there is no other."""
    other = labels != value
    if not other.any():
        return np.zeros(int(lost.sum()), labels.dtype)
    places = ndimage.distance_transform_edt(
        ~other, sampling=spacing, return_distances=False, return_indices=True
    )
    found: NDArray[Any] = labels[tuple(place[lost] for place in places)]
    return found


def _opened(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    """Without what no ball inside covers; the end of the image cuts nothing off."""
    return _dilated(_eroded(mask, radius, spacing), radius, spacing)


def _closed(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    """With what no ball outside reaches; nothing is bridged to the end of the image.

    No ball wider than the mask is taken: that would change little and need much memory.
    """
    radius = min(radius, max(n * s for n, s in zip(mask.shape, spacing, strict=True)) / 2)
    margin = [int(radius / s) + 2 for s in spacing]
    wide = np.pad(mask, [(m, m) for m in margin])
    closed = _eroded(_dilated(wide, radius, spacing), radius, spacing)
    return closed[tuple(slice(m, -m) for m in margin)]


# the distance to what is nowhere would be a number all the same: hence `all` and `any`
def _eroded(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    if mask.all():
        return mask
    eroded: Mask = morphology.isotropic_erosion(mask, radius * (1 + ROUNDING), spacing=spacing)  # type: ignore[no-untyped-call]
    return eroded


def _dilated(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    if not mask.any():
        return mask
    dilated: Mask = morphology.isotropic_dilation(mask, radius * (1 + ROUNDING), spacing=spacing)  # type: ignore[no-untyped-call]
    return dilated


def _without_holes(mask: Mask, largest: float) -> Mask:
    """Fill what is enclosed and small; a gap at the end of the image may go on there."""
    gaps: NDArray[np.int32] = ndimage.label(~mask)[0]
    filled = np.bincount(gaps.ravel()) <= largest * (1 + ROUNDING)
    for axis in range(gaps.ndim):
        filled[gaps.take([0, -1], axis)] = False
    filled[0] = True
    return filled[gaps]


def _without_pieces(mask: Mask, least: float, *, largest: bool) -> Mask:
    """Drop what is small, or all but the largest piece."""
    pieces: NDArray[Any] = measure.label(mask, connectivity=mask.ndim)  # type: ignore[no-untyped-call]
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    kept = sizes >= max(least * (1 - ROUNDING), 1)
    if largest:
        kept &= np.arange(len(sizes)) == sizes.argmax()
    return kept[pieces]
