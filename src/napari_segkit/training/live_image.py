"""A copy of the labels of one image that is painted on, and what follows from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import ndimage

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.orientation import reorient, reorientation_matrix
from napari_segkit.images.resample import resize_labels, resize_marks
from napari_segkit.images.types import AnyArray, LazyArray

from .commands import AddLabels
from .dataset import GivenLabels
from .held_out import HeldOutImage, Mask
from .label_parts import MARGIN, margin_around

Box = tuple[slice, ...]
Encode = Callable[[AnyArray], AnyArray]  # a frame of label values or ids as targets


@dataclass(eq=False)
class LiveImage:
    """A copy of the labels of an image, and which of them are not trained on.

    Everything is in the orientation of the training, and changes in place.
    """

    image: AxesImage
    given: GivenLabels
    values: AnyArray  # label values; or object ids, -1 not annotated
    ndim: int
    unlabelled: int | None
    pair: int | None = None  # number in the training; None: held out as a whole
    held: Mask = field(init=False)
    left_out: Mask = field(init=False)  # what is held out, and around it
    id_of: dict[int, int] | None = None  # of each label value, where values are objects
    target: AnyArray | None = None  # where it is another array than the label values
    encode: Encode | None = None
    _resized: list[tuple[Mask, Mask]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held, self.left_out = np.zeros((2, *self.values.shape), np.bool_)

    @property
    def axes(self) -> str:
        """Axes of the labels."""
        return self.image.label_axes

    @cached_property
    def held_out(self) -> HeldOutImage:
        """What is held out of it; the mask changes when something is painted."""
        return HeldOutImage(self.image, self.values, None if self.pair is None else self.held)

    def placed(self, command: AddLabels) -> tuple[Box, AnyArray]:
        """Box and values of a command in the axes of the copy."""
        values, start = np.asarray(command.values), np.asarray(command.start)
        now, before = self.image.orientation, self.given.orientation
        shape = reorient(self.values, self.axes, now, before).shape
        _require_box(self.image.name, start, values, shape)
        matrix = reorientation_matrix(self.values.shape, self.axes, now, before)
        corners = np.stack([start, start + values.shape - 1])
        first = (corners @ matrix[:-1, :-1].T + matrix[:-1, -1]).min(axis=0).astype(int)
        values = reorient(values, self.axes, before, now)
        ends = zip(first.tolist(), values.shape, strict=True)
        return tuple([slice(low, low + length) for low, length in ends]), values

    def take(self, held: Mask | None, left_out: Mask | None) -> None:
        """Start from what was chosen."""
        for own, chosen in ((self.held, held), (self.left_out, left_out)):
            own[...] = False if chosen is None else chosen

    def grown(self, box: Box, times: int) -> Box:
        """A box with so many margins around it, inside the image."""
        margins = [MARGIN[self.ndim] if a in "ZYX"[-self.ndim :] else 1 for a in self.axes]
        sides = zip(box, margins, self.values.shape, strict=True)
        return tuple(
            [
                slice(max(0, s.start - times * n), min(end, s.stop + times * n))
                for s, n, end in sides
            ]
        )

    def whole_frames(self, box: Box) -> Box:
        """All of the frames that a box lies in."""
        sides = zip(self.axes, box, self.values.shape, strict=True)
        is_within = "ZYX"[-self.ndim :]
        return tuple([slice(0, n) if a in is_within else side for a, side, n in sides])

    def leave_out(self, box: Box) -> None:
        """Leave out what is around the held-out pixels of a box, which have changed."""
        around, near = self.grown(box, 2), self.grown(box, 1)
        margin = margin_around(self.held[around], self.axes, self.ndim)
        self.left_out[near] = margin[within(near, around)]

    def marks(self, mask: Mask, shape: Sequence[int]) -> Mask:
        """One of its masks in the shape of the targets; it follows what is painted."""
        resized = resize_marks(mask, shape)
        if resized is not mask:
            self._resized.append((mask, resized))
        return resized

    def follow(self, target: LazyArray, encode: Encode) -> AnyArray:
        """A copy of a target that is encoded anew where something is painted."""
        self.target, self.encode = np.array(target), encode
        return self.target

    def in_targets(self, box: Box) -> Box:
        """A box of the labels in the pixels of the targets."""
        if self.target is None:
            return box
        sides = zip(box, self.values.shape, self.target.shape, strict=True)
        return tuple(
            [slice(s.start * new // old, -(-s.stop * new // old)) for s, old, new in sides]
        )

    def update(self, box: Box) -> None:
        """Encode the frames of a box anew, and a margin around it."""
        for frame in self._frames(self.grown(box, 1)):
            if self.target is not None and self.encode is not None:
                plane = self._frame(self.values, frame)
                lengths = self._frame(self.target, frame).shape
                self._write(self.target, frame, self.encode(self._resize(plane, lengths)))
            for mask, resized in self._resized:
                lengths = self._frame(resized, frame).shape
                self._write(resized, frame, resize_marks(self._frame(mask, frame), lengths))

    def _resize(self, plane: AnyArray, lengths: tuple[int, ...]) -> AnyArray:
        return resize_labels(plane, lengths, self.unlabelled) if plane.shape != lengths else plane

    def _frames(self, box: Box) -> Iterator[dict[str, int]]:
        sides = dict(zip(self.axes, box, strict=True))
        for frame in self.image.frames(self.ndim):
            if all(sides[a].start <= n < sides[a].stop for a, n in frame.items()):
                yield frame

    def _frame(self, array: AnyArray, frame: dict[str, int]) -> AnyArray:
        labels = AxesImage(array, self.axes)
        lengths = labels.spatial_shape(self.ndim)
        return labels.read(frame, [slice(0, n) for n in lengths])[0]

    def _write(self, array: AnyArray, frame: dict[str, int], values: AnyArray) -> None:
        AxesImage(array, self.axes).write(array, frame, values)


def _require_box(name: str, start: AnyArray, values: AnyArray, shape: tuple[int, ...]) -> None:
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"AddLabels.values are of dtype {values.dtype}, but label values must be integers: "
            "give the labels as they are in the Labels layer."
        )
    fits = start.shape == (values.ndim,) and values.ndim == len(shape) and values.size > 0
    if not fits or (start < 0).any() or (start + values.shape > shape).any():
        raise ValueError(
            f"A box of shape {values.shape} from {tuple(start.tolist())} does not lie in the "
            f"labels of {name}, which have shape {shape}: give a box inside them."
        )


def tight(box: Box, changed: Mask) -> tuple[Box, Box]:
    """The part of a box that changed: in the image, and in the box."""
    (inside,) = ndimage.find_objects(changed.view(np.int8))
    return shifted(inside, box), inside


def shifted(part: Sequence[slice], box: Sequence[slice]) -> Box:
    """A part of a box, in the image."""
    sides = zip(part, box, strict=True)
    return tuple([slice(p.start + b.start, p.stop + b.start) for p, b in sides])


def within(part: Box, box: Box) -> Box:
    """A part of the image, in a box that holds it."""
    sides = zip(part, box, strict=True)
    return tuple([slice(p.start - b.start, p.stop - b.start) for p, b in sides])
