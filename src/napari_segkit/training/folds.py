"""Divide labelled images into folds, each of which is held out of one training."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import FoldConfig, ModelSpec, TrainConfig
from napari_segkit.config.training import HoldOut
from napari_segkit.images.array_cache import MappedArray, MaskedArray
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.types import AnyArray, LazyArray

from .choose_parts import Counts, assign_folds
from .dataset import LabelledImages
from .events import counted
from .held_out import HeldOutImage, Mask
from .label_units import LabelUnits, listed

MIN_IMAGES = 3  # that are divided rather than regions of them
SAME_IMAGES = "The folds are regions of the same images: the metrics say little of a new image."
SAME_GROUPS = "Images of one group may be in two folds: the metrics say little of a new group."


@dataclass(frozen=True, eq=False)
class LabelledFold:
    """What is trained on without a fold, and what the model is evaluated on, with its groups."""

    about: str
    trained: LabelledImages
    held_out: Sequence[HeldOutImage]
    groups: Sequence[str]


class Folds(LabelUnits):
    """The folds of labelled images, the same for the same seed.

    Attributes
    ----------
    over : str
        What is divided: "groups", "images" or "regions".
    count : int
        Number of folds.
    notes : tuple of str
        What limits the metrics.
    """

    def __init__(
        self, spec: ModelSpec, config: TrainConfig, labelled: LabelledImages, wanted: FoldConfig
    ) -> None:
        super().__init__(spec, config, labelled)
        self.over, self._units = self._choose(wanted.over)
        counts = self._unit_counts()
        usable = self._usable(counts)
        self._require_several(usable, wanted.over)
        self._fold_of = _numbered(assign_folds(counts, self.random, min(wanted.folds, usable)))
        self.count = int(self._fold_of.max()) + 1
        self.notes = tuple(self._notes(counts, usable, wanted))

    def fold(self, number: int) -> LabelledFold:
        """One fold, counted from 0."""
        return (self._of_regions if self.over == "regions" else self._of_images)(number)

    def _choose(self, over: HoldOut) -> tuple[str, list[list[int]]]:
        """What is divided, and the numbers of the images that stay together."""
        groups, images = self.units(self.labelled.groups), self.units()
        has_groups = any(self.labelled.groups) and len(groups) > 1
        if over == "groups" or (over == "auto" and has_groups):
            return "groups", groups if any(self.labelled.groups) else []
        if over == "images" or (over == "auto" and len(images) >= MIN_IMAGES):
            return "images", images
        return "regions", images

    def _unit_counts(self) -> Counts:
        """Labelled pixels of each class in each group, image or region."""
        if self.over == "regions":
            self._parts, counts = self.parts()
            return counts
        each = self.image_counts()
        sums = [np.sum([each[n] for n in unit], axis=0) for unit in self._units]
        return np.reshape(np.array(sums, np.int64), (-1, len(self.names)))

    def _usable(self, counts: Counts) -> int:
        """How many units hold labels; of objects, any object."""
        first = 0 if self.labelled.class_of is None else 1
        return int(counts[:, first:].any(axis=1).sum())

    def _require_several(self, usable: int, over: HoldOut) -> None:
        if usable < 2:
            found = "is 1" if usable else "are none"
            other = "" if over == "auto" else ", or choose over='auto'"
            raise ValueError(
                f"A cross-validation needs two or more {self._noun} with labels, and there "
                f"{found}: label more of them{other}."
            )

    @property
    def _noun(self) -> str:
        return "regions or strokes" if self.over == "regions" else self.over

    def _notes(self, counts: Counts, usable: int, wanted: FoldConfig) -> Iterator[str]:
        if self.over == "regions":
            yield SAME_IMAGES
        elif self.over == "images" and any(self.labelled.groups):
            yield SAME_GROUPS
        if self.count < wanted.folds:
            yield f"{self.count} folds instead of {wanted.folds}: there are {usable} {self._noun}."
        present = counts.any(axis=0)
        for number in range(self.count):
            inside = counts[self._fold_of == number].any(axis=0)
            outside = counts[self._fold_of != number].any(axis=0)
            if alone := self.named(present & ~outside):
                yield (
                    f"Fold {number + 1} holds all labels of {listed(alone)}, which its model "
                    "therefore does not learn."
                )
            if absent := self.named(present & ~inside):
                yield f"Fold {number + 1} has no label of {listed(absent)}."

    def _of_images(self, number: int) -> LabelledFold:
        units = [self._units[n] for n in np.flatnonzero(self._fold_of == number)]
        held = sorted(n for unit in units for n in unit)
        kept = [n for n in range(len(self.indices)) if n not in held]
        images = [HeldOutImage(*self.labelled.pairs[n]) for n in held]
        names = [each.image.name for each in images]
        groups = self._groups_of(held)
        if self.over == "groups":
            names = list(dict.fromkeys(g or n for g, n in zip(groups, names, strict=True)))
        about = f"{counted(len(held), 'image')} of {len(self.indices)} ({listed(names)})"
        return LabelledFold(about, self.labelled.subset(kept), images, groups)

    def _of_regions(self, number: int) -> LabelledFold:
        """Labels of a fold, and those around them, are hidden from its training."""
        is_held = np.append(False, self._fold_of == number)
        masks = [m if m.any() else None for m in (is_held[own] for own in self._parts)]
        pairs, around = self.labelled.pairs, self.left_out(masks)
        hidden = [
            (image, _hidden(values, m)) for (image, values), m in zip(pairs, around, strict=True)
        ]
        held = {n: m for n, m in enumerate(masks) if m is not None}
        images = [HeldOutImage(*pairs[n], mask) for n, mask in held.items()]
        about = f"{int(is_held.sum())} of {len(self._fold_of)} {self._noun}"
        trained = replace(self.labelled, pairs=hidden, counts=())
        return LabelledFold(about, trained, images, self._groups_of(held))

    def _groups_of(self, numbers: Iterable[int]) -> list[str]:
        return [self.labelled.groups[n] if self.labelled.groups else "" for n in numbers]


def _numbered(fold_of: NDArray[np.int16]) -> NDArray[np.intp]:
    """Folds numbered through: where parts are few, one may be empty."""
    used = np.unique(fold_of[fold_of >= 0])
    return np.where(fold_of < 0, IGNORE, np.searchsorted(used, fold_of))


def _hidden(values: LazyArray, mask: Mask | None) -> LazyArray:
    """Labels that are not annotated inside a mask."""
    if mask is None:
        return values
    return MaskedArray(MappedArray(values, _signed, np.dtype(np.int32)), mask, IGNORE)


def _signed(values: AnyArray) -> AnyArray:
    return values.astype(np.int32)
