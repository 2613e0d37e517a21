"""Images whose channels are given one by one, as layers, arrays or files, each with its name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .axes_image import AxesImage, as_image
from .geometry import apart
from .types import LazyArray, is_layer

Channels = list[tuple[str, Any]]  # name and source of each; "" without a name


def channel_sources(source: object) -> Channels | None:
    """The channels of an image that is a dict of them, or a list of layers; None for others."""
    if isinstance(source, Mapping):
        return [(str(name), channel) for name, channel in source.items()]
    if isinstance(source, list | tuple) and source and all(map(_is_named, source)):
        return [(str(channel.name), channel) for channel in source]
    return None


def placed(source: Any) -> Any:
    """What lies where an image does: itself, or the first of its channels."""
    parts = channel_sources(source)
    return parts[0][1] if parts else source


def as_one_image(
    source: Any,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    *,
    labels_shape: Sequence[int] | None = None,
    like: str | None = None,
    channels: int | None = None,
    names: Sequence[str] = (),
    level: int = 0,
) -> AxesImage:
    """As `as_image`, also of channels that are given one by one; `names` is their order."""
    parts = channel_sources(source)
    if parts is None:
        image = as_image(
            source,
            axes,
            spacing,
            labels_shape=labels_shape,
            like=like,
            channels=channels,
            level=level,
        )
        return channels_by_name(image, names)
    axes, like = (a and a.replace("C", "") for a in (axes, like))
    images = [
        as_image(each, axes, spacing, labels_shape=labels_shape, like=like, name=name, level=level)
        for name, each in (in_order(parts, names) if names else parts)
    ]
    known = [name for name, _ in parts]
    return stack_channels(images, tuple(names or known), ", ".join(known))


def in_order(parts: Channels, names: Sequence[str]) -> Channels:
    """The channels by the names that a model was trained with."""
    return [parts[number] for number in _places([name for name, _ in parts], names)]


def channels_by_name(image: AxesImage, names: Sequence[str]) -> AxesImage:
    """The image with its channels in the order of `names`, if both are known."""
    if not (names and image.channel_names) or tuple(names) == image.channel_names:
        return image
    axis, places = image.axes.index("C"), _places(image.channel_names, names)
    data = image.data[(slice(None),) * axis + (places,)]
    return replace(image, data=data, channel_names=tuple(names))


def _places(known: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where the channels that are asked for are among those that are known."""
    if set(names) != set(known):
        raise ValueError(
            f"The channels are {', '.join(known)}, but those of the model are "
            f"{', '.join(names)}: give these, each by its name."
        )
    return [list(known).index(name) for name in names]


def stack_channels(images: Sequence[AxesImage], names: tuple[str, ...], name: str) -> AxesImage:
    """Grey images as the channels of one, read lazily."""
    require_one_grid(images, names, name)
    stacked = _stack([image.data for image in images])
    axes = f"C{images[0].axes}"
    return replace(images[0], data=stacked, axes=axes, name=name, channel_names=names)


def require_one_grid(images: Sequence[AxesImage], names: Sequence[str], name: str) -> None:
    """ValueError unless grey images are channels of one image; no pixels are read."""
    if not images:
        raise ValueError(f"{name or 'image'} has no channels: give one or more.")
    if len(set(names)) < len(names):
        raise ValueError(
            f"Two channels have one name ({', '.join(names)}): give each a name of its own."
        )
    for image in images:
        _require_one_channel(image, images[0], name)


def _is_named(source: object) -> bool:
    return isinstance(source, AxesImage) or is_layer(source)


def _require_one_channel(image: AxesImage, first: AxesImage, name: str) -> None:
    if "C" in image.axes:
        raise ValueError(
            f"{image.name} has {image.channels} channels, but is one channel of {name}: give each "
            "channel as a grey image, or all channels in one file."
        )
    grids = [(i.axes, i.shape, i.spacing, i.unit, i.orientation) for i in (image, first)]
    if grids[0] != grids[1]:
        sizes = [f"{i.axes} {i.shape}, spacing {i.spacing} {i.unit}" for i in (image, first)]
        raise ValueError(
            f"{image.name} ({sizes[0].strip()}) and {first.name} ({sizes[1].strip()}) must be "
            "channels of one image, with the same pixels: bring them to one grid."
        )
    if found := apart(first, image):
        raise ValueError(f"{found} They must be channels of one image: bring them to one grid.")


def _stack(arrays: Sequence[LazyArray]) -> LazyArray:
    import dask.array as da

    stacked: LazyArray = da.stack([da.asarray(a) for a in arrays])  # type: ignore[no-untyped-call]
    return stacked
