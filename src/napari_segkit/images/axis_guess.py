"""Axes of an image that are guessed from shapes."""

from collections.abc import Sequence

MAX_CHANNELS = 4  # a longer axis that the labels do not have may as well be slices


class AxesError(ValueError):
    """Axes that cannot be guessed; `remedies` are the choices."""

    def __init__(self, message: str, remedies: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remedies = remedies


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
