"""Choose what is held out of a training, so that its model can be scored."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.array_cache import MappedArray
from napari_segkit.images.labels import IGNORE, add_to_ids, to_indices
from napari_segkit.images.types import AnyArray
from napari_segkit.models import choose_ndim, model_info

from .dataset import LabelledImages
from .events import counted
from .held_out import NOTHING, HeldOut, HeldOutImage
from .label_parts import Mask, Parts, borders, counts_of, divide, margin_around

MIN_GROUPS = 3
MIN_SHARE = 0.75  # of the fraction to hold out, of an image among equals
MOST = 0.5  # of the pixels of a class that may be held out
MIN_PIXELS = 50  # of each class that is scored
MIN_SCORED = 0.75  # of the classes
FOLDS = 5
MAX_DIVIDED = 2**27  # pixels of the images that regions are held out of: their masks are kept
Counts = NDArray[np.int64]  # (parts, classes)


def hold_out(
    spec: ModelSpec, config: TrainConfig, labelled: LabelledImages
) -> tuple[LabelledImages, HeldOut]:
    """The images to train on, with what is left out of them, and what is held out.

    ValueError if groups or images are asked for and there are fewer than two.
    """
    if labelled.validation:
        given = [HeldOutImage(*pair) for pair in labelled.validation]
        about = f"Validation: {counted(len(given), 'image')} given for it."
        return labelled, HeldOut("given", about, given)
    if config.validation is None:
        return labelled, NOTHING
    return _Choice(spec, config, labelled).choose()


class _Choice:
    """One choice, the same for the same seed."""

    def __init__(self, spec: ModelSpec, config: TrainConfig, labelled: LabelledImages) -> None:
        self.config, self.labelled = config, labelled
        self.random = np.random.default_rng(config.seed)
        self.ndim = min(choose_ndim(spec, image.axes) for image, _ in labelled.pairs)
        self.is_folded = model_info(spec.name).training == "pixels"
        self.has_masks = model_info(spec.name).has_masks
        self.names = [c.name for c in labelled.classes]
        indices = partial(_indices, labelled=labelled)
        self.indices = [MappedArray(v, indices, np.dtype(np.int16)) for _, v in labelled.pairs]

    def choose(self) -> tuple[LabelledImages, HeldOut]:
        how, note = self.config.validation, ""
        groups = self._groups()
        self._require_several(how, groups)
        if how == "groups" or (how == "auto" and any(self.labelled.groups)):
            least = 2 if how == "groups" else MIN_GROUPS
            if len(groups) >= least and (found := self._whole_images(groups, "groups")):
                return found
            count = len(groups)
            note = f" Too few groups ({count}) to hold one out, so this says little of a new one."
        if how == "images" or (how == "auto" and self._has_enough_images()):
            images = [[number] for number in range(len(self.indices))]
            if found := self._whole_images(images, "images"):
                return found
        if how in ("auto", "regions"):
            return self._regions(note)
        return self._nothing("each of them holds all of a class")

    def _require_several(self, how: str | None, groups: Sequence[Sequence[int]]) -> None:
        count = {"groups": len(groups), "images": len(self.indices)}.get(how or "", 2)
        if count < 2 or (how == "groups" and not any(self.labelled.groups)):
            raise ValueError(
                f"validation={how!r} needs two or more {how}, and there "
                f"{'is 1' if count == 1 else 'are none'}: choose validation='auto', or None for no "
                "validation."
            )

    def _has_enough_images(self) -> bool:
        return len(self.indices) * self.config.validation_fraction >= MIN_SHARE

    def _groups(self) -> list[list[int]]:
        """Numbers of the images of each group; one without a group is one of its own."""
        groups: dict[str, list[int]] = {}
        for number, name in enumerate(self.labelled.groups):
            groups.setdefault(name or f"\0{number}", []).append(number)
        return list(groups.values())

    def _whole_images(
        self, units: Sequence[Sequence[int]], how: str
    ) -> tuple[LabelledImages, HeldOut] | None:
        """Hold out whole images, those of a unit together; None if that cannot be done."""
        labelled = self.labelled
        each = self._image_counts()
        counts = np.stack([sum(each[n] for n in unit) for unit in units])
        if self.is_folded:
            numbers = {n: part for part, unit in enumerate(units, 1) for n in unit}
            arrays = map(np.asarray, self.indices)
            parts = [(i >= 0) * np.int32(numbers[n]) for n, i in enumerate(arrays)]
            return self._folds(counts, parts, f"{len(units)} {how}")
        chosen = choose_parts(counts, self.config.validation_fraction, self.random)
        if self._missing(counts, chosen):
            return None
        held = sorted(n for unit in np.flatnonzero(chosen).tolist() for n in units[unit])
        kept = [n for n in range(len(self.indices)) if n not in held]
        images = [HeldOutImage(*labelled.pairs[n]) for n in held]
        what = f"{len(held)} of {len(self.indices)} images"
        if how == "groups":
            what += f", {int(chosen.sum())} of {len(units)} groups"
        about = f"Validation: {what}{self._unscored(counts, chosen)}."
        return labelled.subset(kept), HeldOut(how, about, images)

    def _image_counts(self) -> list[NDArray[np.int64]]:
        """Labelled pixels of each class in each image."""
        if self.labelled.counts:
            values = [c.value for c in self.labelled.classes]
            return [np.array([own.get(v, 0) for v in values]) for own in self.labelled.counts]
        arrays = map(np.asarray, self.indices)
        return [np.bincount(i[i >= 0], minlength=len(self.names)) for i in arrays]

    def _regions(self, note: str) -> tuple[LabelledImages, HeldOut]:
        """Hold out parts of the images."""
        labelled, parts, counts = self.labelled, *self._parts()
        what = f"{int(counts.any(axis=1).sum())} regions or strokes"
        if self.is_folded:
            return self._folds(counts, parts, what) or self._nothing(self._reason(counts))
        chosen = choose_parts(counts, self.config.validation_fraction, self.random)
        if missing := self._missing(counts, chosen):
            return self._nothing(missing)
        is_held = np.append(False, chosen)
        masks = [m if m.any() else None for m in (is_held[own] for own in parts)]
        left_out = [
            None if mask is None else margin_around(mask, image.label_axes, self.ndim)
            for mask, (image, _) in zip(masks, labelled.pairs, strict=True)
        ]
        if lost := self._lost(left_out):
            return self._nothing(f"no label of {lost} is far enough from the others")
        pairs = zip(labelled.pairs, masks, strict=True)
        images = [HeldOutImage(*pair, mask) for pair, mask in pairs if mask is not None]
        total = sum(int(own.sum()) for own in self._image_counts())
        about = (
            f"Validation: {int(chosen.sum())} of {what} ({counts[chosen].sum() / total:.0%} "
            f"of the labelled pixels){self._unscored(counts, chosen)}.{note}"
        )
        return replace(labelled, left_out=left_out), HeldOut("regions", about, images, masks)

    def _parts(self) -> tuple[list[Parts], Counts]:
        """Parts of each image, numbered through from 1, and how much they hold of each class."""
        parts, counts, last, divided = [], [], 0, self._divided()
        for number, (image, values) in enumerate(self.labelled.pairs):
            if number not in divided:
                parts.append(np.broadcast_to(np.int32(0), image.label_shape))
                continue
            indices = np.asarray(self.indices[number])
            ids = None if self.labelled.class_of is None else np.asarray(values)
            own = divide(indices, image.label_axes, self.ndim, ids, bands=self.has_masks)
            counts.append(counts_of(own, indices, len(self.names)))
            parts.append(add_to_ids(own, last))
            last += len(counts[-1])
        return parts, np.concatenate(counts)

    def _divided(self) -> set[int]:
        """Numbers of the images that are divided: all, or some at random of a large set."""
        sizes = np.array([prod(image.label_shape) for image, _ in self.labelled.pairs])
        if sizes.sum() <= MAX_DIVIDED or self.is_folded:
            return set(range(len(sizes)))
        order = self.random.permutation(len(sizes))
        count = max(1, int((sizes[order].cumsum() <= MAX_DIVIDED).sum()))
        return set(order[:count].tolist())

    def _folds(
        self, counts: Counts, parts: Sequence[Parts], what: str
    ) -> tuple[LabelledImages, HeldOut] | None:
        """Parts that are held out in turn; None if a class is in one of them only."""
        if self._reason(counts):
            return None
        fold = np.append(IGNORE, assign_folds(counts, self.random))
        axes = [image.label_axes for image, _ in self.labelled.pairs]
        folds = [
            np.where(borders(own, a, self.ndim), IGNORE, fold[own]).astype(np.int16)
            for own, a in zip(parts, axes, strict=True)
        ]
        about = f"Validation: {what} are held out in turn; the model learns from all of them."
        return replace(self.labelled, folds=folds), HeldOut("folds", about)

    def _nothing(self, why: str) -> tuple[LabelledImages, HeldOut]:
        return self.labelled, HeldOut(None, f"No validation: {why}.")

    def _reason(self, counts: Counts) -> str:
        """Why no part can be held out; empty if one can."""
        alone = self._of(np.asarray((counts > 0).sum(axis=0) == 1))
        few = self._of(np.asarray(counts.sum(axis=0) < 2 * MIN_PIXELS))
        if alone:
            return f"{_names(alone)} is labelled in one stroke or region only"
        return f"too few labelled pixels of {_names(few)}" if few else ""

    def _missing(self, counts: Counts, chosen: Mask) -> str:
        """Why the parts that were chosen are not enough to score a model; empty if they are."""
        scored = counts[chosen].sum(axis=0) >= MIN_PIXELS
        of_objects = self.labelled.class_of is not None
        if scored[1:].any() if of_objects else scored.mean() > MIN_SCORED:
            return ""
        few = _names(self._of(np.asarray(~scored)))
        return self._reason(counts) or f"too few labelled pixels of {few} can be held out"

    def _unscored(self, counts: Counts, chosen: Mask) -> str:
        lost = self._of(np.asarray(~counts[chosen].any(axis=0) & counts.any(axis=0)))
        return f", without {_names(lost)}" if lost else ""

    def _lost(self, left_out: Sequence[Mask | None]) -> str:
        """Classes of which nothing is left to train on."""
        before, kept = np.zeros((2, len(self.names)), bool)
        for indices, mask in zip(map(np.asarray, self.indices), left_out, strict=True):
            inside = indices >= 0
            before[np.unique(indices[inside])] = True
            kept[np.unique(indices[inside if mask is None else inside & ~mask])] = True
        return _names(self._of(before & ~kept))

    def _of(self, is_meant: Mask) -> list[str]:
        """Names of the classes that are meant."""
        return [name for name, meant in zip(self.names, is_meant, strict=True) if meant]


def choose_parts(counts: Counts, fraction: float, random: np.random.Generator) -> Mask:
    """Choose parts that hold about a fraction of each class, the rarest first.

    No class loses more than half of its pixels, so each stays in the training.
    """
    chosen, total = np.zeros(len(counts), bool), counts.sum(axis=0)
    enough = fraction * total.sum()
    for index in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        for part in random.permutation(np.flatnonzero((counts[:, index] > 0) & ~chosen)):
            held = counts[chosen, index].sum()
            share, more = held / total[index], (held + counts[part, index]) / total[index]
            is_enough = counts[chosen].sum() >= enough or abs(more - fraction) >= fraction - share
            if held and is_enough:
                break
            if (counts[chosen].sum(axis=0) + counts[part] <= MOST * total).all():
                chosen[part] = True
    return chosen


def assign_folds(counts: Counts, random: np.random.Generator) -> NDArray[np.int16]:
    """Fold of each part, so that each holds about as much of each class, the rarest first."""
    folds = np.full(len(counts), IGNORE, np.int16)
    sums = np.zeros((FOLDS, counts.shape[1]))
    for index in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        parts = random.permutation(np.flatnonzero((counts[:, index] > 0) & (folds < 0)))
        for part in parts[np.argsort(-counts[parts, index], kind="stable")]:
            folds[part] = int(sums[:, index].argmin())
            sums[folds[part]] += counts[part]
    return folds


def _indices(values: AnyArray, labelled: LabelledImages) -> AnyArray:
    """Index of the class of each pixel, -1 where it is not labelled."""
    if labelled.class_of is None:
        return to_indices(values, [c.value for c in labelled.classes])
    return np.where(values < 0, IGNORE, labelled.class_of[np.maximum(values, 0)]).astype(np.int16)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
