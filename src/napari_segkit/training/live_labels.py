"""Labels that a person goes on painting while a model is trained on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import connected_components, to_indices
from napari_segkit.images.orientation import reorient, reorientation_matrix
from napari_segkit.images.types import AnyArray, LazyArray

from .commands import AddLabels
from .dataset import GivenLabels, LabelledImages
from .held_out import HeldOut, HeldOutImage, Mask
from .label_parts import MARGIN, margin_around

MAX_COPIED = 2**27  # pixels of the labels of one image
ENOUGH = 4  # strokes of a class that are trained on before one is held out
ABOUT = "About every fifth stroke that is painted from now on is held out."
Box = tuple[slice, ...]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class LabelsChange:
    """What was painted: in which image of the training, if in one, and where."""

    pair: int | None
    box: Box
    is_held_out: bool  # whether what is held out changed


@dataclass(eq=False)
class LiveImage:
    """A copy of the labels of an image, and which of them are not trained on."""

    image: AxesImage
    given: GivenLabels
    values: AnyArray
    pair: int | None = None  # number in the training; None: held out as a whole
    held: Mask = field(init=False)
    left_out: Mask = field(init=False)  # what is held out, and around it

    def __post_init__(self) -> None:
        self.held, self.left_out = np.zeros((2, *self.values.shape), np.bool_)

    @cached_property
    def held_out(self) -> HeldOutImage:
        """What is held out of it; the mask changes when something is painted."""
        return HeldOutImage(self.image, self.values, None if self.pair is None else self.held)

    def placed(self, command: AddLabels) -> tuple[Box, AnyArray]:
        """Box and values of a command in the axes of the copy."""
        values = np.asarray(command.values)
        axes, now, before = self.image.label_axes, self.image.orientation, self.given.orientation
        shape = reorient(self.values, axes, now, before).shape
        start = np.asarray(command.start)
        _require_box(self.image.name, start, values, shape)
        matrix = reorientation_matrix(self.values.shape, axes, now, before)
        corners = np.stack([start, start + values.shape - 1])
        first = (corners @ matrix[:-1, :-1].T + matrix[:-1, -1]).min(axis=0).astype(int)
        values = reorient(values, axes, before, now)
        ends = zip(first.tolist(), values.shape, strict=True)
        return tuple([slice(low, low + length) for low, length in ends]), values


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
    """

    def __init__(
        self, labelled: LabelledImages, config: TrainConfig, ndim: int, *, divides: bool
    ) -> None:
        self.divides = divides and config.validation is not None
        self.config, self.ndim, self.change = config, ndim, labelled.change
        self.classes = labelled.classes
        self.class_values = [c.value for c in labelled.classes]
        every = [*labelled.pairs, *labelled.validation]
        self.refused: dict[int, str] = {}
        self.images = {
            given.number: LiveImage(image, given, np.array(values))
            for given, (image, values) in zip(labelled.given, every, strict=True)
            if self._can_copy(given, image, values)
        }
        copied = [
            (image, self.images[g.number].values if g.number in self.images else values)
            for g, (image, values) in zip(labelled.given, every, strict=True)
        ]
        count = len(labelled.pairs)
        self.labelled = replace(labelled, pairs=copied[:count], validation=copied[count:])
        self.held_out: list[HeldOutImage] = []
        self.scored: list[HeldOutImage] = []
        self.holds_strokes = False
        self.pixels = self.strokes = np.zeros((2, len(self.classes)), np.int64)

    def _can_copy(self, given: GivenLabels, image: AxesImage, values: LazyArray) -> bool:
        if given.is_file:
            self.refused[given.number] = f"The labels of {image.name} are in a file"
        elif prod(values.shape) > MAX_COPIED:
            self.refused[given.number] = f"The labels of {image.name} are too large to be copied"
        return given.number not in self.refused

    def divide(self, labelled: LabelledImages, held_out: HeldOut) -> tuple[LabelledImages, HeldOut]:
        """Start from what is held out; `scored` are then all images of which something may be."""
        self.holds_strokes = self.divides and held_out.how in (None, "regions")
        places = {id(image): number for number, (image, _) in enumerate(labelled.pairs)}
        masks: list[Mask | None] = list(held_out.masks or [None] * len(labelled.pairs))
        left_out = list(labelled.left_out or [None] * len(labelled.pairs))
        for own in self.images.values():
            own.pair = pair = places.get(id(own.image))
            if pair is None:
                continue
            for mask, masks_of in ((own.held, masks), (own.left_out, left_out)):
                if (known := masks_of[pair]) is not None:
                    mask[...] = known
                masks_of[pair] = mask
        live = {id(own.image): own.held_out for own in self.images.values()}
        self.held_out = [live.get(id(each.image), each) for each in held_out.images]
        about = f"{held_out.about} {ABOUT}" if self.holds_strokes else held_out.about
        how = held_out.how or ("regions" if self.holds_strokes else None)
        divided = HeldOut(how, about, self.held_out, masks)
        self.pixels, self.strokes = self._pixels(), self._strokes()
        others = [each for each in live.values() if each not in self.held_out]
        self.scored = [*self.held_out, *others]
        return replace(labelled, left_out=left_out), divided

    @property
    def is_scored(self) -> bool:
        """Whether anything is held out now."""
        return any(each.mask is None or each.mask.any() for each in self.held_out)

    def add(self, command: AddLabels) -> LabelsChange | None:
        """Take what was painted; None if it is as it was. ValueError if it cannot be taken."""
        own = self._image(command.image)
        box, values = own.placed(command)
        values = self._class_values(values)
        before, after = (self._indices(each) for each in (own.values[box], values))
        if not (changed := before != after).any():
            return None
        box, inside = _tight(box, changed)
        before, after = before[inside], after[inside]
        around = self._grown(own, box, 2)
        counted, held = self._counts(own, around), own.held[around].copy()
        own.values[box] = values[inside]
        own.held[box] &= after >= 0
        if own.pair is not None:
            self._assign(own, box, np.where(before < 0, after, -1))
            near = self._grown(own, box, 1)
            margin = margin_around(own.held[around], own.image.label_axes, self.ndim)
            own.left_out[near] = margin[_within(near, around)]
        self.pixels += self._counts(own, around) - counted
        touched = own.held[box] & (before != after)
        is_held_out = own.pair is None or bool(touched.any() or (own.held[around] != held).any())
        if is_held_out and own.held_out not in self.held_out:
            self.held_out.append(own.held_out)
        return LabelsChange(own.pair, box, is_held_out)

    def counts(self) -> tuple[dict[int, int], dict[int, int]]:
        """Labelled pixels of each class that are trained on, and held out."""
        train, held = (
            dict(zip(self.class_values, own, strict=True)) for own in self.pixels.tolist()
        )
        return train, held

    def _pixels(self) -> Counts:
        """Labelled pixels that are trained on, and held out, of each class."""
        every = [self._counts(own, _whole(own)) for own in self.images.values()]
        return np.sum(every, axis=0, dtype=np.int64).reshape(2, len(self.class_values))

    def _strokes(self) -> Counts:
        """The same of strokes, as they were assigned."""
        strokes = np.zeros((2, len(self.class_values)), np.int64)
        for own in self.images.values():
            if own.pair is not None:
                indices = self._indices(own.values)
                for row, mask in enumerate((~own.left_out, own.held)):
                    strokes[row] += self._components_of(np.where(mask, indices, -1))
        return strokes

    def _components_of(self, indices: AnyArray) -> Counts:
        """Number of connected components of each class."""
        components = connected_components(indices + 1)
        numbers, first = np.unique(components, return_index=True)
        of_class = indices.ravel()[first[numbers > 0]]
        return np.bincount(of_class, minlength=len(self.class_values))

    def _image(self, number: int) -> LiveImage:
        if reason := self.refused.get(number):
            raise ValueError(
                f"{reason}: what is painted on them counts when the training starts anew."
            )
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
            raise ValueError(
                f"The labels hold the class {unknown[0]}, and the model has the classes {known}: "
                "end the training and start it anew to learn a new class."
            )
        return values

    def _indices(self, values: AnyArray) -> NDArray[np.int16]:
        return to_indices(values, self.class_values)

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
        around = self._grown(own, box, 1)
        held = own.held[around].copy()
        trained = (self._indices(own.values[around]) >= 0) & ~own.left_out[around]
        trained[_within(box, around)] &= fresh < 0
        components = connected_components(fresh + 1)
        for number, part in enumerate(ndimage.find_objects(components), 1):
            is_own = components[part] == number
            index = int(fresh[part][is_own][0])
            place = _shifted(part, box)
            near = self._grown(own, place, 1)
            mask = np.zeros([s.stop - s.start for s in near], np.bool_)
            mask[_within(place, near)] = is_own
            mask = margin_around(mask, own.image.label_axes, self.ndim)
            sides = [(side[_within(near, around)] & mask).any() for side in (trained, held)]
            is_held = not sides[0] if any(sides) else self._is_next_held(index)
            if not any(sides):
                self.strokes[int(is_held), index] += 1
            (held if is_held else trained)[_within(place, around)] |= is_own
        own.held[box] = held[_within(box, around)]

    def _is_next_held(self, index: int) -> bool:
        """Whether the next stroke of a class is held out."""
        train, held = self.strokes[:, index].tolist()
        share = self.config.validation_fraction
        return train >= ENOUGH and held + 1 <= share * (train + held + 1)

    def _grown(self, own: LiveImage, box: Box, times: int) -> Box:
        """A box with so many margins around it, inside the image."""
        margins = [
            MARGIN[self.ndim] if a in "ZYX"[-self.ndim :] else 1 for a in own.image.label_axes
        ]
        sides = zip(box, margins, own.values.shape, strict=True)
        return tuple(
            [
                slice(max(0, s.start - times * n), min(end, s.stop + times * n))
                for s, n, end in sides
            ]
        )


def _require_box(name: str, start: AnyArray, values: AnyArray, shape: tuple[int, ...]) -> None:
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"AddLabels.values are of dtype {values.dtype}, but label values must be integers: "
            "give the labels as they are in the Labels layer."
        )
    fits = len(start) == values.ndim == len(shape)
    if not fits or 0 in values.shape or (start < 0).any() or (start + values.shape > shape).any():
        raise ValueError(
            f"A box of shape {values.shape} from {tuple(start.tolist())} does not lie in the "
            f"labels of {name}, which have shape {shape}: give a box inside them."
        )


def _whole(own: LiveImage) -> Box:
    return tuple([slice(0, n) for n in own.values.shape])


def _tight(box: Box, changed: Mask) -> tuple[Box, Box]:
    """The part of a box that changed: in the image, and in the box."""
    (inside,) = ndimage.find_objects(changed.view(np.int8))
    return _shifted(inside, box), inside


def _shifted(part: Sequence[slice], box: Sequence[slice]) -> Box:
    """A part of a box, in the image."""
    sides = zip(part, box, strict=True)
    return tuple([slice(p.start + b.start, p.stop + b.start) for p, b in sides])


def _within(part: Box, box: Box) -> Box:
    """The opposite: a part of the image, in a box that holds it."""
    sides = zip(part, box, strict=True)
    return tuple([slice(p.start - b.start, p.stop - b.start) for p, b in sides])
