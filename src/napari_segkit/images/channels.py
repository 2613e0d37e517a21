"""Images brought to the channels of others: greys among colours, and colours that are greys."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .axes_image import AxesImage, is_opaque

MAX_NAMED = 5  # images in a note or an error


def say_notes(image: AxesImage) -> AxesImage:
    """The image, once it is said what was guessed of it or left out."""
    for note in (*image.notes, *_alpha_note(image)):
        warnings.warn(f"{image.name}: {note}", UserWarning, stacklevel=3)
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
    if (image.channels, channels) == (3, 1) and _holds_grey(image):
        _warn(f"{image.name} holds greys saved as colours, and is taken as grey.")
        return replace(image, data=image.data[..., 0], axes=image.axes[:-1], alpha=False)
    return image


def require_same_channels(images: Sequence[AxesImage]) -> None:
    examples = {image.channels: image for image in reversed(images)}
    if len(examples) > 1:
        first, second, *_ = (examples[count] for count in sorted(examples))
        raise ValueError(
            f"{first.name} has {first.channels} channel(s) (axes {first.axes}, shape "
            f"{first.shape}) and {second.name} has {second.channels} (axes {second.axes}, shape "
            f"{second.shape}): give images with the same number of channels."
        )


def _alpha_note(image: AxesImage) -> list[str]:
    if not image.alpha or not isinstance(image.data, np.ndarray) or is_opaque(image.data):
        return []
    return ["its fourth channel is taken as alpha and left out (a layer with rgb=False keeps it)."]


def _as_colour(image: AxesImage) -> AxesImage:
    data: Any = image.data
    data = np.moveaxis(data, image.axes.index("C"), -1) if "C" in image.axes else data[..., None]
    axes = image.axes.replace("C", "") + "C"
    return replace(image, data=np.broadcast_to(data, (*data.shape[:-1], 3)), axes=axes)


def _holds_grey(image: AxesImage) -> bool:
    if not isinstance(image.data, np.ndarray) or not image.axes.endswith("C"):
        return False
    return bool((image.data[..., :3] == image.data[..., :1]).all())


def _names(images: Sequence[AxesImage]) -> str:
    names = ", ".join(image.name for image in images[:MAX_NAMED])
    return names + (f" and {len(images) - MAX_NAMED} more" if len(images) > MAX_NAMED else "")


def _warn(note: str) -> None:
    warnings.warn(note, UserWarning, stacklevel=4)
