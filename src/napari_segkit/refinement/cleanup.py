"""Clean up classes one by one: threshold, opening, closing, holes and small components."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure, morphology

from napari_segkit.config import CleanConfig
from napari_segkit.images.types import AnyArray, Labels

Mask = NDArray[np.bool_]
TOLERANCE = 1e-6  # relative: distances and sizes this close to a limit count as equal to it


def clean(
    labels: Labels,
    steps: Sequence[CleanConfig],
    *,
    probabilities: AnyArray | None = None,
    values: Sequence[int] | None = None,
    spacing: Sequence[float],
) -> Labels:
    """Clean up ``([Z,] Y, X)`` labels, one class after the other, into a new array.

    A pixel that loses its class takes the likeliest class it has not lost before; without
    `probabilities` ``(classes, *labels.shape)``, that of the nearest pixel of another class.
    """
    _check(labels, steps, probabilities, values, spacing)
    cleaned = labels.copy()
    ranking = _ClassRanking(probabilities, values) if probabilities is not None else None
    for step in steps:
        mask = cleaned == step.value
        if not mask.any():
            continue
        kept = mask
        if step.threshold is not None and ranking is not None:
            kept = mask & (ranking.probabilities_of(step.value) >= step.threshold)
        kept = clean_mask(kept, step, spacing)
        lost = mask & ~kept
        cleaned[kept] = step.value
        if ranking is not None:
            cleaned[lost] = ranking.next_likeliest(lost, step.value)
        elif lost.any():
            cleaned[lost] = _nearest_class(cleaned, lost, step.value, spacing)
    return cleaned


def clean_mask(mask: Mask, step: CleanConfig, spacing: Sequence[float]) -> Mask:
    """Clean up one mask: every operation of a step except its threshold."""
    if not mask.any():
        return mask
    # Within a margin of one pixel everything is as in the full image: distances to other classes,
    # enclosed pixels, and contact with the image border.
    (box,) = ndimage.find_objects(mask.view(np.int8))
    outer = tuple(slice(max(0, b.start - 1), b.stop + 1) for b in box)
    pixel, crop = float(np.prod(spacing)), mask[outer]
    if step.open:
        crop = _open(crop, step.open, spacing)
    if step.close and crop.any():
        crop = _close(crop, step.close, spacing)
    if step.fill_holes:
        crop = _fill_holes(crop, step.fill_holes / pixel)
    if step.min_size or step.largest:
        crop = _remove_components(crop, step.min_size / pixel, largest=step.largest)
    cleaned = np.zeros_like(mask)
    cleaned[outer] = crop
    return cleaned


def _check(
    labels: Labels,
    steps: Sequence[CleanConfig],
    probabilities: AnyArray | None,
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
                "A threshold needs the class probabilities, and only labels were given: pass "
                "probabilities, or leave the threshold out."
            )
        return
    if probabilities.shape[1:] != labels.shape:
        raise ValueError(
            f"The probabilities have the shape {probabilities.shape}, and the labels have "
            f"{labels.shape}: give (classes, *shape of the labels)."
        )
    _check_values(_label_values(probabilities, values), len(probabilities), labels, steps)


def _check_values(
    values: list[int], classes: int, labels: Labels, steps: Sequence[CleanConfig]
) -> None:
    if len(values) != classes or max(values) > np.iinfo(labels.dtype).max:
        raise ValueError(
            f"values={values} cannot be the label values of {classes} classes in labels of type "
            f"{labels.dtype}: give one value for each class, and labels of a type that holds them."
        )
    unknown = sorted({step.value for step in steps} - set(values))
    if unknown:
        raise ValueError(
            f"There is no class {', '.join(map(str, unknown))} to clean up; choose among "
            f"{', '.join(map(str, values))}."
        )


def _label_values(probabilities: AnyArray, values: Sequence[int] | None) -> list[int]:
    return list(range(len(probabilities))) if values is None else [int(v) for v in values]


class _ClassRanking:
    """Class probabilities, and which classes each pixel has lost."""

    def __init__(self, probabilities: AnyArray, values: Sequence[int] | None) -> None:
        self._probabilities = probabilities
        self._values = _label_values(probabilities, values)
        self._lost: dict[int, Mask] = {}  # class index -> pixels that lost it

    def probabilities_of(self, value: int) -> AnyArray:
        probabilities: AnyArray = self._probabilities[self._values.index(value)]
        return probabilities

    def next_likeliest(self, lost: Mask, value: int) -> AnyArray:
        """Label values for the pixels that lose `value`; never one they lost before."""
        index = self._values.index(value)
        self._lost[index] = self._lost.get(index, np.zeros_like(lost)) | lost
        scores = self._probabilities[:, lost]
        for other, mask in self._lost.items():
            scores[other, mask[lost]] -= 2  # below all classes left; if none is left, order stays
        scores[index] = -np.inf
        return np.asarray(self._values)[scores.argmax(axis=0)]


def _nearest_class(labels: Labels, lost: Mask, value: int, spacing: Sequence[float]) -> AnyArray:
    """The label of the nearest pixel of another class; 0 where there is no other class."""
    other = labels != value
    if not other.any():
        return np.zeros(int(lost.sum()), labels.dtype)
    indices = ndimage.distance_transform_edt(
        ~other, sampling=spacing, return_distances=False, return_indices=True
    )
    nearest: AnyArray = labels[tuple(index[lost] for index in indices)]
    return nearest


def _open(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    """Open by a ball; pixels outside the image count as part of the mask."""
    return _dilate(_erode(mask, radius, spacing), radius, spacing)


def _close(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    """Close by a ball; nothing is bridged to the image border.

    The radius is limited to half the mask's width: more would change little and need much memory.
    """
    radius = min(radius, max(n * s for n, s in zip(mask.shape, spacing, strict=True)) / 2)
    margin = [int(radius / s) + 2 for s in spacing]
    padded = np.pad(mask, [(m, m) for m in margin])
    closed = _erode(_dilate(padded, radius, spacing), radius, spacing)
    return closed[tuple(slice(m, -m) for m in margin)]


# scikit-image measures a distance even where there is nothing to measure to: hence `all` and `any`
def _erode(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    if mask.all():
        return mask
    eroded: Mask = morphology.isotropic_erosion(mask, radius * (1 + TOLERANCE), spacing=spacing)  # type: ignore[no-untyped-call]
    return eroded


def _dilate(mask: Mask, radius: float, spacing: Sequence[float]) -> Mask:
    if not mask.any():
        return mask
    dilated: Mask = morphology.isotropic_dilation(mask, radius * (1 + TOLERANCE), spacing=spacing)  # type: ignore[no-untyped-call]
    return dilated


def _fill_holes(mask: Mask, max_pixels: float) -> Mask:
    """Fill enclosed holes up to a size; one that touches the image border is not enclosed."""
    holes: NDArray[np.int32] = ndimage.label(~mask)[0]
    filled = np.bincount(holes.ravel()) <= max_pixels * (1 + TOLERANCE)
    for axis in range(holes.ndim):
        filled[holes.take([0, -1], axis)] = False
    filled[0] = True
    return filled[holes]


def _remove_components(mask: Mask, min_pixels: float, *, largest: bool) -> Mask:
    """Drop small connected components, or all but the largest."""
    components: AnyArray = measure.label(mask, connectivity=mask.ndim)  # type: ignore[no-untyped-call]
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    kept = sizes >= max(min_pixels * (1 - TOLERANCE), 1)
    if largest:
        kept &= np.arange(len(sizes)) == sizes.argmax()
    return kept[components]
