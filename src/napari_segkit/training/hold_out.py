"""Choose what is held out of a training, so that its model can be scored."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.labels import IGNORE

from .choose_parts import Counts, assign_folds, choose_parts
from .dataset import LabelledImages
from .events import counted
from .held_out import NOTHING, HeldOut, HeldOutImage
from .label_parts import Mask, Parts, borders
from .label_units import LabelUnits, listed

MIN_GROUPS = 3
MIN_SHARE = 0.75  # of the fraction to hold out, of an image among equals
MOST_OF_PARTS = 0.35  # in regions or strokes, of which there may be few
MIN_PIXELS = 50  # of each class that is scored
MIN_SCORED = 0.75  # of the classes


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


class _Choice(LabelUnits):
    """One choice, the same for the same seed."""

    def choose(self) -> tuple[LabelledImages, HeldOut]:
        how, note = self.config.validation, ""
        groups = self.units(self.labelled.groups)
        self._require_several(how, groups)
        if how == "groups" or (how == "auto" and any(self.labelled.groups)):
            least = 2 if how == "groups" else MIN_GROUPS
            if len(groups) >= least and (found := self._whole_images(groups, "groups")):
                return found
            note = " No whole group can be held out, so this says little of a new one."
        units = self.units()
        is_enough = len(units) * self.config.validation_fraction >= MIN_SHARE
        if (how == "images" or (how == "auto" and is_enough)) and (
            found := self._whole_images(units, "images", note)
        ):
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

    def _whole_images(
        self, units: Sequence[Sequence[int]], how: str, note: str = ""
    ) -> tuple[LabelledImages, HeldOut] | None:
        """Hold out whole images, those of a unit together; None if that cannot be done."""
        labelled = self.labelled
        each = self.image_counts()
        counts = np.stack([sum(each[n] for n in unit) for unit in units])
        if self.is_folded:
            return self._folds_of_images(counts, units, f"{len(units)} {how}")
        chosen = choose_parts(counts, self.config.validation_fraction, self.random)
        if self._missing(counts, chosen):
            return None
        held = sorted(n for unit in np.flatnonzero(chosen).tolist() for n in units[unit])
        kept = [n for n in range(len(self.indices)) if n not in held]
        images = [HeldOutImage(*labelled.pairs[n]) for n in held]
        what = f"{len(held)} of {len(self.indices)} images"
        if how == "groups":
            what += f", {int(chosen.sum())} of {len(units)} groups"
        about = f"Validation: {what}{self._unscored(counts, chosen)}.{note}"
        return labelled.subset(kept), HeldOut(how, about, images)

    def _regions(self, note: str) -> tuple[LabelledImages, HeldOut]:
        """Hold out parts of the images."""
        if why := self.too_large():
            return self._nothing(why)
        labelled, parts, counts = self.labelled, *self.parts()
        what = f"{int(counts.any(axis=1).sum())} regions or strokes"
        if self.is_folded:
            return self._folds(counts, parts, what) or self._nothing(self._reason(counts))
        fraction = self.config.validation_fraction
        most = max(MOST_OF_PARTS, fraction)
        chosen = choose_parts(counts, fraction, self.random, most)
        if missing := self._missing(counts, chosen):
            return self._nothing(missing)
        is_held = np.append(False, chosen)
        masks = [m if m.any() else None for m in (is_held[own] for own in parts)]
        left_out = self.left_out(masks)
        if lost := self._lost(left_out):
            return self._nothing(f"no label of {lost} is far enough from the others")
        pairs = zip(labelled.pairs, masks, strict=True)
        images = [HeldOutImage(*pair, mask) for pair, mask in pairs if mask is not None]
        total = sum(int(own.sum()) for own in self.image_counts())
        about = (
            f"Validation: {int(chosen.sum())} of {what} ({counts[chosen].sum() / total:.0%} "
            f"of the labelled pixels){self._unscored(counts, chosen)}.{note}"
        )
        return replace(labelled, left_out=left_out), HeldOut("regions", about, images, masks)

    def _folds(
        self, counts: Counts, parts: Sequence[Parts], what: str
    ) -> tuple[LabelledImages, HeldOut] | None:
        """Parts that are held out in turn; None if a class is in one of them only."""
        if self._reason(counts):
            return None
        fold = np.append(IGNORE, assign_folds(counts, self.random))
        axes = [image.label_axes for image, _ in self.labelled.pairs]
        folds = [
            np.where(borders(own, a, self.ndim), IGNORE, fold[own])
            for own, a in zip(parts, axes, strict=True)
        ]
        return self._folded(folds, what)

    def _folds_of_images(
        self, counts: Counts, units: Sequence[Sequence[int]], what: str
    ) -> tuple[LabelledImages, HeldOut] | None:
        """As `_folds`, of whole images."""
        if self._reason(counts):
            return None
        number_of = assign_folds(counts, self.random)
        fold_of = {n: number_of[unit] for unit, own in enumerate(units) for n in own}
        shapes = [image.label_shape for image, _ in self.labelled.pairs]
        folds = [np.broadcast_to(fold_of[n], shape) for n, shape in enumerate(shapes)]
        return self._folded(folds, what)

    def _folded(
        self, folds: Sequence[NDArray[np.int16]], what: str
    ) -> tuple[LabelledImages, HeldOut]:
        about = f"Validation: {what} are held out in turn; the model learns from all of them."
        return replace(self.labelled, folds=folds), HeldOut("folds", about)

    def _nothing(self, why: str) -> tuple[LabelledImages, HeldOut]:
        return self.labelled, HeldOut(None, f"No validation: {why}.")

    def _reason(self, counts: Counts) -> str:
        """Why no part can be held out; empty if one can."""
        alone = self.named(np.asarray((counts > 0).sum(axis=0) == 1))
        few = self.named(np.asarray(counts.sum(axis=0) < 2 * MIN_PIXELS))
        if alone:
            verb = "is" if len(alone) == 1 else "are"
            return f"{listed(alone)} {verb} labelled in one stroke or region only"
        return f"too few labelled pixels of {listed(few)}" if few else ""

    def _missing(self, counts: Counts, chosen: Mask) -> str:
        """Why the parts that were chosen are not enough to score a model; empty if they are."""
        scored = counts[chosen].sum(axis=0) >= MIN_PIXELS
        of_objects = self.labelled.class_of is not None
        if scored[1:].any() if of_objects else scored.mean() > MIN_SCORED:
            return ""
        few = listed(self.named(np.asarray(~scored)))
        return self._reason(counts) or f"too few labels of {few} to hold some of them out"

    def _unscored(self, counts: Counts, chosen: Mask) -> str:
        lost = self.named(np.asarray(~counts[chosen].any(axis=0) & counts.any(axis=0)))
        return f", without {listed(lost)}" if lost else ""

    def _lost(self, left_out: Sequence[Mask | None]) -> str:
        """Classes of which nothing is left to train on."""
        before, kept = np.zeros((2, len(self.names)), bool)
        for indices, mask in zip(map(np.asarray, self.indices), left_out, strict=True):
            inside = indices >= 0
            before[np.unique(indices[inside])] = True
            kept[np.unique(indices[inside if mask is None else inside & ~mask])] = True
        return listed(self.named(before & ~kept))
