"""Labels that a person goes on painting while a model is trained on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import connected_components, to_indices
from napari_segkit.images.resample import resize_marks
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.instances.level_targets import encode_levels

from .commands import AddLabels
from .dataset import GivenLabels, LabelledImages
from .events import NewClassError
from .held_out import HeldOut, HeldOutImage, Mask
from .label_parts import margin_around
from .live_image import Box, LiveImage, shifted, tight, within
from .live_objects import UNKNOWN, LiveObjects

MAX_COPIED = 2**27  # pixels of the labels of one image
ENOUGH = 4  # strokes of a class that are trained on before one is held out
ABOUT = "About every fifth stroke that is painted from now on is held out."
ANEW = "what is painted on them counts when the training starts anew"
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class LabelsChange:
    """In which image of the training was painted, if in one, and where its targets changed."""

    pair: int | None
    box: Box
    is_held_out: bool  # whether what is held out changed


class LiveLabels:
    """Copies of the labels of a training, to which strokes are added between its steps.

    Parameters
    ----------
    labelled : LabelledImages
        Images and labels, which are not read any more.
    config : TrainConfig
        Which value means unlabelled, and how much is held out.
    ndim : int
        Spatial dimensions of the model.
    divides : bool
        Whether strokes may be held out; else all of them are trained on.

    Attributes
    ----------
    labelled : LabelledImages
        The same with the copies.
    held_out : list of HeldOutImage
        What models are scored on; it grows.
    scored : list of HeldOutImage
        All images of which something may be held out.
    pixels, strokes : ndarray
        Labelled pixels and strokes that are trained on, and held out, of each class.
    """

    def __init__(
        self, labelled: LabelledImages, config: TrainConfig, ndim: int, *, divides: bool
    ) -> None:
        self.divides = divides and config.validation is not None
        self.config, self.ndim, self.change = config, ndim, labelled.change
        self.classes = labelled.classes
        self.class_values = [c.value for c in labelled.classes]
        self.objects: LiveObjects | None = None
        if labelled.class_of is not None and labelled.value_of is not None:
            known = labelled.class_of, labelled.value_of
            self.objects = LiveObjects(config, labelled.classes, *known)
        self.refused: dict[int, str] = {}
        self.images: dict[int, LiveImage] = {}
        copied = [
            (image, self._copied(given, image, values))
            for given, (image, values) in zip(
                labelled.given, [*labelled.pairs, *labelled.validation], strict=True
            )
        ]
        count = len(labelled.pairs)
        self.labelled = replace(labelled, pairs=copied[:count], validation=copied[count:])
        self.held_out: list[HeldOutImage] = []
        self.scored: list[HeldOutImage] = []
        self.holds_strokes = False
        self.pixels = self.strokes = np.zeros((2, len(self.classes)), np.int64)

    def _copied(self, given: GivenLabels, image: AxesImage, values: LazyArray) -> LazyArray:
        """A copy of labels, if they can be painted on and are not too large."""
        if given.is_file:
            self.refused[given.number] = f"The labels of {image.name} are in a file"
        elif prod(values.shape) > MAX_COPIED:
            self.refused[given.number] = f"The labels of {image.name} are too large to be copied"
        else:
            unlabelled = self.config.unlabelled if self.objects is None else None
            largest = max([*self.class_values, self.config.unlabelled or 0])
            copy = np.array(values, np.promote_types(values.dtype, np.min_scalar_type(largest)))
            self.images[given.number] = LiveImage(image, given, copy, self.ndim, unlabelled)
            return copy
        return values

    def divide(self, labelled: LabelledImages, held_out: HeldOut) -> tuple[LabelledImages, HeldOut]:
        """Start from what is held out; the masks of both change in place from now on."""
        self.holds_strokes = self.divides and held_out.how in (None, "regions")
        places = {id(image): number for number, (image, _) in enumerate(labelled.pairs)}
        masks: list[Mask | None] = list(held_out.masks or [None] * len(places))
        left_out: list[Mask | None] = list(labelled.left_out or [None] * len(places))
        for number, own in list(self.images.items()):
            own.pair = pair = places.get(id(own.image))
            if pair is not None:
                own.take(masks[pair], left_out[pair])
                masks[pair], left_out[pair] = own.held, own.left_out
            elif self.objects is not None:
                self.refused[number] = f"The labels of {own.image.name} are held out as a whole"
        live = {id(own.image): own.held_out for own in self.images.values()}
        self.held_out = [live.get(id(each.image), each) for each in held_out.images]
        self.scored = [*self.held_out, *(e for e in live.values() if e not in self.held_out)]
        self._count()
        is_sparse = self.objects is None and self.config.unlabelled is not None
        about = held_out.about + f" {ABOUT}" * (self.holds_strokes and is_sparse)
        how = held_out.how or ("regions" if self.holds_strokes else None)
        return replace(labelled, left_out=left_out), HeldOut(how, about, self.held_out, masks)

    def targets(
        self,
        spec: ModelSpec,
        targets: Sequence[LazyArray],
        spacing: Sequence[float],
        object_size: float,
    ) -> list[LazyArray]:
        """Targets of the training that follow what is painted."""
        followed = list(targets)
        for own in self.images.values():
            if own.pair is None:
                continue
            target = targets[own.pair]
            if self.objects is not None:
                encode = partial(self._levels, spec, spacing, object_size)
                followed[own.pair] = own.follow(target, encode)
            elif tuple(target.shape) != own.values.shape:
                followed[own.pair] = own.follow(target, self._indices)
        return followed

    def marks(self, mask: Mask, shape: Sequence[int]) -> Mask:
        """A mask of this object in the shape of the targets; it follows what is painted."""
        for own in self.images.values():
            if mask is own.held or mask is own.left_out:
                return own.marks(mask, shape)
        return resize_marks(mask, shape)

    @property
    def class_of(self) -> NDArray[np.intp] | None:
        """Position of the class of each object id, also of those painted since."""
        return None if self.objects is None else self.objects.class_of

    @property
    def is_scored(self) -> bool:
        """Whether anything is held out now."""
        return any(each.mask is None or each.mask.any() for each in self.held_out)

    def add(self, command: AddLabels) -> LabelsChange | None:
        """Take what was painted; None if it is as it was. ValueError if it cannot be taken."""
        own = self._image(command.image)
        box, values = own.placed(command)
        if self.objects is None:
            values = self._class_values(values)
        else:
            box, values = self.objects.painted(own, box, values)
        if not (changed := own.values[box] != values).any():
            return None
        box, inside = tight(box, changed)
        before, after = self._indices(own.values[box]), self._indices(values[inside])
        around = own.grown(box, 2)
        counted, held = self._counts(own, around), own.held[around].copy()
        own.values[box] = values[inside]
        own.held[box] &= after >= 0
        if own.pair is not None:
            self._assign(own, box, np.where(before < 0, after, -1))
            own.leave_out(box)
            own.update(box)
        self.pixels += self._counts(own, around) - counted
        self.strokes[self.pixels == 0] = 0
        is_changed = own.held[box] & changed[inside]
        is_held_out = own.pair is None or bool(is_changed.any() or (own.held[around] != held).any())
        if is_held_out and own.held_out not in self.held_out:
            self.held_out.append(own.held_out)
        affected = own.grown(box, 1)
        if self.objects is not None:  # distances change in all of an object
            affected = own.whole_frames(affected)
        return LabelsChange(own.pair, own.in_targets(affected), is_held_out)

    def counts(self) -> tuple[dict[int, int], dict[int, int]]:
        """Labelled pixels of each class that are trained on, and held out."""
        train, held = (
            dict(zip(self.class_values, own, strict=True)) for own in self.pixels.tolist()
        )
        return train, held

    def sides(self) -> dict[str, NDArray[np.uint8]]:
        """The pixels that are held out of each image, as bits, for a state that is saved."""
        own = {str(n): each.held for n, each in self.images.items() if each.pair is not None}
        return {name: np.packbits(mask) for name, mask in own.items() if mask.any()}

    def restore(self, sides: Mapping[str, AnyArray]) -> None:
        """Hold out what a saved training held out, as far as it is still labelled."""
        if not self.holds_strokes:
            return
        for number, own in self.images.items():
            if own.pair is None:
                continue
            own.held[...] = False
            bits = np.unpackbits(sides.get(str(number), np.zeros(0, np.uint8)))[: own.held.size]
            if len(bits) == own.held.size:
                labelled = self._indices(own.values) >= 0
                own.held[...] = bits.reshape(own.held.shape).astype(bool) & labelled
            own.leave_out(_whole(own))
            own.update(_whole(own))
            if own.held.any() and own.held_out not in self.held_out:
                self.held_out.append(own.held_out)
        self._count()

    def _count(self) -> None:
        every = [self._counts(own, _whole(own)) for own in self.images.values()]
        self.pixels = np.sum(every, axis=0, dtype=np.int64).reshape(2, len(self.class_values))
        self.strokes = np.zeros((2, len(self.class_values)), np.int64)
        for own in self.images.values():
            if own.pair is None or not self.holds_strokes:
                continue
            indices = np.where(own.left_out & ~own.held, -1, self._indices(own.values))
            components = connected_components(indices + 1)  # none is both trained on and held out
            inside = components > 0
            _, first = np.unique(components[inside], return_index=True)
            sides = own.held[inside][first].astype(np.intp)
            np.add.at(self.strokes, (sides, indices[inside][first]), 1)

    def _image(self, number: int) -> LiveImage:
        if reason := self.refused.get(number):
            raise ValueError(f"{reason}: {ANEW}.")
        if number not in self.images:
            raise ValueError(
                f"AddLabels.image is {number}, but the images that are trained on or held out "
                f"have the numbers {', '.join(map(str, sorted(self.images)))}."
            )
        return self.images[number]

    def _class_values(self, values: AnyArray) -> AnyArray:
        """Values of classes; ValueError if one of them is not known."""
        values = values if self.change is None else self.change(values)
        present = set(np.unique(values).tolist())
        unknown = sorted(present - {*self.class_values, self.config.unlabelled})
        if unknown:
            known = ", ".join(f"{c.value} ({c.name})" for c in self.classes)
            raise NewClassError(
                f"The labels hold the class {unknown[0]}, and the model has the classes {known}: "
                f"{UNKNOWN}."
            )
        return values

    def _indices(self, values: AnyArray) -> NDArray[np.int16]:
        """Position of the class of each pixel, -1 where it is not labelled."""
        if self.objects is not None:
            return self.objects.indices(values)
        return to_indices(values, self.class_values)

    def _levels(
        self, spec: ModelSpec, spacing: Sequence[float], size: float, ids: AnyArray
    ) -> NDArray[np.int16]:
        assert self.objects is not None
        assert spec.objects is not None
        class_of = self.objects.class_of
        return encode_levels(ids, class_of, spec.objects, spacing=spacing, size=size)

    def _counts(self, own: LiveImage, box: Box) -> Counts:
        """Labelled pixels of each class in a box that are trained on, and held out."""
        indices, size = self._indices(own.values[box]), len(self.class_values)
        labelled = indices >= 0
        nothing = np.zeros_like(labelled)
        is_whole = own.pair is None
        train = nothing if is_whole else labelled & ~own.left_out[box]
        held = labelled if is_whole else labelled & own.held[box]
        return np.stack([np.bincount(indices[mask], minlength=size) for mask in (train, held)])

    def _assign(self, own: LiveImage, box: Box, fresh: AnyArray) -> None:
        """Put each connected stroke to one side; `fresh` are class indices of new pixels, or -1."""
        if not self.holds_strokes or not (fresh >= 0).any():
            return
        around = own.grown(box, 1)
        held = own.held[around].copy()
        trained = (self._indices(own.values[around]) >= 0) & ~own.left_out[around]
        trained[within(box, around)] &= fresh < 0
        components = connected_components(fresh + 1)
        for number, part in enumerate(ndimage.find_objects(components), 1):
            is_own = components[part] == number
            index, place = int(fresh[part][is_own][0]), shifted(part, box)
            near = own.grown(place, 1)
            mask = np.zeros([s.stop - s.start for s in near], np.bool_)
            mask[within(place, near)] = is_own
            mask = margin_around(mask, own.axes, self.ndim)
            sides = [(side[within(near, around)] & mask).any() for side in (trained, held)]
            is_held = not sides[0] if any(sides) else self._is_next_held(index)
            if not any(sides):
                self.strokes[int(is_held), index] += 1
            (held if is_held else trained)[within(place, around)] |= is_own
        own.held[box] = held[within(box, around)]

    def _is_next_held(self, index: int) -> bool:
        """Whether the next stroke of a class is held out."""
        train, held = self.strokes[:, index].tolist()
        share = self.config.validation_fraction
        return train >= ENOUGH and held + 1 <= share * (train + held + 1)


def _whole(own: LiveImage) -> Box:
    return tuple([slice(0, n) for n in own.values.shape])
