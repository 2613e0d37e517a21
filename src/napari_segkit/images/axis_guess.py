"""Axes of an image that are guessed from shapes."""

from collections.abc import Sequence
from typing import Any

from .layer_metadata import LayerMetadata

AXES = "TCZYX"
FEW_CHANNELS = 8  # a last axis this short stays channels where the last of training was
MAX_CHANNELS = 4  # a longer axis that the labels do not have may as well be slices


class AxesError(ValueError):
    """Axes that cannot be guessed; `remedies` are the choices."""

    def __init__(self, message: str, remedies: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remedies = remedies


def layer_axes(layer: Any, ndim: int) -> str | None:
    """The axes that a person chose for a layer, or its axis labels if they are letters of TCZYX.

    napari's labels by default are numbers.
    """
    chosen = LayerMetadata.of(layer).chosen_axes if hasattr(layer, "metadata") else ""
    if len(chosen) == ndim and is_order(chosen):
        return chosen
    axes = "".join(str(a).upper()[:1] for a in getattr(layer, "axis_labels", ()))
    axes += "C" * bool(getattr(layer, "rgb", False))
    return axes if len(axes) == ndim and is_order(axes) else None


def is_order(axes: str) -> bool:
    """Whether these are axes of an image: letters of TCZYX, each once, Y and X among them."""
    return {"Y", "X"} <= set(axes) <= set(AXES) and len(set(axes)) == len(axes)


def guess_axes(
    shape: tuple[int, ...],
    labels_shape: Sequence[int] | None = None,
    *,
    rgb: bool | None = None,
    like: str | None = None,
    channels: int | None = None,
) -> str:
    """Guess axes such as "YXC" or "TZYX" from the shapes, and axes and channels of training.

    `rgb` is what a layer says, if there is one.
    """
    if like is not None and "C" in like and not rgb:
        if _may_be_channels(shape, like, channels):
            return with_ndim(like, len(shape))
        like = like.replace("C", "")
    channel = channel_axis(shape, rgb, labels_shape)
    axes = (like or AXES).replace("C", "")
    axes = with_ndim(axes, len(shape) - (channel is not None))
    return axes if channel is None else f"{axes[:channel]}C{axes[channel:]}"


def channel_axis(
    shape: tuple[int, ...], rgb: bool | None, labels_shape: Sequence[int] | None
) -> int | None:
    """Index of C, from what a layer says, the shape of the labels or a last axis of 1, 3 or 4."""
    ndim = len(shape)
    if rgb:
        return ndim - 1
    looks_rgb = ndim > 2 and (shape[-1] == 1 or (rgb is None and shape[-1] in (3, 4)))
    if labels_shape is not None and len(labels_shape) == ndim - 1:
        fits = _missing_in_labels(shape, labels_shape)
        is_last = ndim - 1 in fits and shape[-1] in (1, 3, 4)
        return ndim - 1 if is_last else fits[0] if fits else None
    return ndim - 1 if looks_rgb else None


def channel_notes(
    axes: str, shape: tuple[int, ...], labels_shape: Sequence[int] | None, name: str
) -> tuple[str, ...]:
    """What to say of channels guessed from labels without them; an error if they are many."""
    if labels_shape is None or "C" not in axes or (axes[-1] == "C" and shape[-1] in (1, 3, 4)):
        return ()
    if axes.index("C") not in _missing_in_labels(shape, labels_shape):
        return ()
    _require_few_channels(axes, shape, labels_shape, name)
    length = shape[axes.index("C")]
    return (
        f"its axis of length {length} is taken as channels (axes='{axes}'), because the labels do "
        "not have it.",
    )


def _may_be_channels(shape: tuple[int, ...], like: str, channels: int | None) -> bool:
    """Whether the axis that was C in training may be C here.

    It has as many channels, or alpha besides three, or is last and short: an image with another
    number of channels, which is refused then, rather than a volume a few pixels wide.
    """
    axes = with_ndim(like, len(shape))
    if channels is None or "C" not in axes:
        return True
    length = shape[axes.index("C")]
    is_short = axes.endswith("C") and length <= FEW_CHANNELS
    return is_short or length == channels or (channels, length) == (3, 4)


def _missing_in_labels(shape: tuple[int, ...], labels_shape: Sequence[int]) -> list[int]:
    """The dimensions of an image without one of which it has the shape of its labels."""
    return [i for i in range(len(shape)) if shape[:i] + shape[i + 1 :] == tuple(labels_shape)]


def _require_few_channels(
    axes: str, shape: tuple[int, ...], labels_shape: Sequence[int], name: str
) -> None:
    """Ask whether an axis that the labels do not have is channels, or slices without labels."""
    count = shape[axes.index("C")]
    if count > MAX_CHANNELS:
        raise AxesError(
            f"{name} of shape {shape} has labels of shape {tuple(labels_shape)}, so its axis of "
            f"length {count} is channels, or slices without labels of their own: choose "
            f"axes='{axes}' if it is channels, or give labels of every slice.",
            (f"axes='{axes}'",),
        )


def with_ndim(axes: str, ndim: int) -> str:
    """Drop T, Z and C, or add Z and T, until there are `ndim` axes."""
    for axis in "TZC":
        axes = axes.replace(axis, "") if len(axes) > ndim else axes
    for axis in "ZT":
        if axis not in axes and len(axes) < ndim:
            after_time = axes.startswith("T")
            axes = axes[:after_time] + axis + axes[after_time:]
    return axes
