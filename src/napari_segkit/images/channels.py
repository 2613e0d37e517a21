"""Images brought to the channels of others: greys among colours, and colours that are greys."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .axes_image import AxesImage, is_opaque
from .model_input import channels_text
from .notes import say_note
from .types import AnyArray, LazyArray

SAMPLED_LENGTH = 64  # pixels along an axis that are compared
MAX_NAMED = 5  # images in a note or an error


@dataclass(frozen=True, eq=False)
class GreyAsColour:
    """A grey array of dask, zarr, ... with three equal channels as its last axis."""

    grey: LazyArray
    channel: int | None  # its own axis of one channel

    @property
    def shape(self) -> tuple[int, ...]:
        lengths = [n for axis, n in enumerate(self.grey.shape) if axis != self.channel]
        return (*lengths, 3)

    @property
    def dtype(self) -> np.dtype:
        return self.grey.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> AnyArray:
        """Pixels at an index of each axis."""
        *places, channels = index
        if self.channel is not None:
            places.insert(self.channel, 0)
        pixels = np.asarray(self.grey[tuple(places)])[..., None]
        return np.broadcast_to(pixels, (*pixels.shape[:-1], 3))[..., channels]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[(slice(None),) * self.ndim], dtype)


def say_notes(image: AxesImage) -> AxesImage:
    """The image, once it is said what was guessed of it or left out."""
    for note in (*image.notes, *_alpha_note(image)):
        say_note(f"{image.name}: {note}", stacklevel=3)
    return image


def with_same_channels(images: Sequence[AxesImage]) -> list[AxesImage]:
    """Images with equal numbers of channels; greys among colours become colours, which is said."""
    grey = [image for image in images if image.channels == 1]
    coloured = [image for image in images if image.channels == 3 and image.axes.endswith("C")]
    if not grey or not coloured or len(grey) + len(coloured) < len(images):
        require_same_channels(images)
        return list(images)
    _warn(f"{_names(grey)}: grey among images in colour, and taken as colour.")
    return [_as_colour(image) if image.channels == 1 else image for image in images]


def with_channels(image: AxesImage, channels: int, axes: str) -> AxesImage:
    """An image with as many channels as those that a model was trained on, if it can stand for one.

    `axes` are those of training. What was changed is said; other images stay as they are.
    """
    if (image.channels, channels) == (1, 3) and axes.endswith("C"):
        _warn(f"{image.name} is grey, and taken as colour, which the model was trained on.")
        return _as_colour(image)
    if (image.channels, channels) == (3, 1) and _holds_grey(image, sparse=False):
        _warn(f"{image.name} holds greys saved as colours, and is taken as grey.")
        return replace(image, data=image.data[..., 0], axes=image.axes[:-1], alpha=False)
    return image


def may_stand_for(image: AxesImage, channels: int, axes: str) -> bool:
    """Whether `with_channels` changes an image, as far as few of its pixels tell."""
    if (image.channels, channels) == (1, 3):
        return axes.endswith("C")
    return (image.channels, channels) == (3, 1) and _holds_grey(image, sparse=True)


def require_same_channels(images: Sequence[AxesImage]) -> None:
    examples = {image.channels: image for image in reversed(images)}
    if len(examples) > 1:
        first, second, *_ = (examples[count] for count in sorted(examples))
        raise ValueError(
            f"{first.name} has {channels_text(first.channels)} (axes {first.axes}, shape "
            f"{first.shape}) and {second.name} has {channels_text(second.channels)} (axes "
            f"{second.axes}, shape {second.shape}): give images with the same number of channels."
        )


def _alpha_note(image: AxesImage) -> list[str]:
    if not image.alpha or not isinstance(image.data, np.ndarray) or is_opaque(image.data):
        return []
    return ["its fourth channel is taken as alpha and left out (a layer with rgb=False keeps it)."]


def _as_colour(image: AxesImage) -> AxesImage:
    channel = image.axes.index("C") if "C" in image.axes else None
    data: LazyArray = GreyAsColour(image.data, channel)
    if isinstance(image.data, np.ndarray):  # a view
        data = data[(slice(None),) * data.ndim]
    return replace(image, data=data, axes=image.axes.replace("C", "") + "C")


def _holds_grey(image: AxesImage, *, sparse: bool) -> bool:
    """Whether all channels are equal, or those of few pixels."""
    if not isinstance(image.data, np.ndarray) or not image.axes.endswith("C"):
        return False
    steps = [1 + n // SAMPLED_LENGTH if sparse else 1 for n in image.shape[:-1]]
    pixels = image.data[tuple(slice(None, None, step) for step in steps)]
    return bool((pixels[..., :3] == pixels[..., :1]).all())


def _names(images: Sequence[AxesImage]) -> str:
    names = ", ".join(image.name for image in images[:MAX_NAMED])
    return names + (f" and {len(images) - MAX_NAMED} more" if len(images) > MAX_NAMED else "")


def _warn(note: str) -> None:
    say_note(note, stacklevel=4)
