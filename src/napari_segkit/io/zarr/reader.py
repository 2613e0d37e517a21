"""Zarr folders as images and labels: OME-Zarr, and plain arrays of zarr 2 and 3."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr
from zarr.errors import NodeNotFoundError
from zarr.storage import LocalStore, ZipStore

from napari_segkit.images.axis_guess import is_order
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import KEY
from napari_segkit.images.levels import levels_of
from napari_segkit.images.notes import say_note
from napari_segkit.io.filenames import shorten
from napari_segkit.io.zarr_folders import LABELS, PROBABILITIES, UNCERTAINTY, ZIP

from .label_groups import listed_labels
from .lazy_array import ZarrPixels
from .ome_read import (
    Channel,
    Multiscale,
    are_colours,
    channels_of,
    classes_of,
    level_paths,
    multiscale_of,
    ome_attributes,
)

NAMES_OF_XARRAY = "_ARRAY_DIMENSIONS"


@dataclass(frozen=True, eq=False)
class ZarrImage:
    """An image, or labels, in a zarr folder; nothing is read of the pixels."""

    name: str  # its place in the folder; "" of the folder itself
    levels: tuple[ZarrPixels, ...]  # the finest first
    axes: str | None  # of the levels; None: not stored
    stored: Multiscale | None = None  # what OME says, of all axes
    channels: tuple[Channel, ...] = ()
    classes: tuple[LabelClass, ...] = ()


def read_zarr(path: Path, *, labels: bool) -> ZarrImage:
    """The image of a zarr folder; or its labels, which are those in the image if it has some."""
    node = open_node(path)
    if isinstance(node, zarr.Array):
        return _image([node], path, labels=labels)
    if not labels:
        return _of_group(node, path, labels=False)
    inside = label_groups(node)
    if len(inside) > 1:
        raise ValueError(
            f"it holds the labels {shorten(list(inside))}: give one of them, such as "
            f"{path / LABELS / next(iter(inside))}"
        )
    return _of_group(next(iter(inside.values()), node), path, labels=True)


def read_parts(path: Path) -> Iterator[tuple[ZarrImage, str]]:
    """All that a folder shows in napari, each with the type of its layer: images, then labels."""
    node = open_node(path)
    if isinstance(node, zarr.Array):
        yield _image([node], path, labels=False), "image"
        return
    inside, images, ome = label_groups(node), _parts(node), _described(node)
    if "image-label" in ome:
        yield _of_group(node, path, labels=True), "labels"
    elif "multiscales" in ome or not (inside or images) or any(node.array_keys()):
        yield _of_group(node, path, labels=False), "image"
    for group in images:
        yield _of_group(group, path, labels=False), "image"
    for group in inside.values():
        yield _of_group(group, path, labels=True), "labels"


def open_node(path: Path) -> Any:
    """The array or group of a folder; consolidated metadata may be older than the labels."""
    is_zip = path.name.lower().endswith(ZIP)
    store = ZipStore(path) if is_zip else LocalStore(path, read_only=True)
    try:
        node = zarr.open(store, mode="r")
        if isinstance(node, zarr.Array):
            return node
        return zarr.open_group(store, mode="r", use_consolidated=False)
    except NodeNotFoundError:
        raise ValueError(
            "it holds no zarr.json, .zgroup or .zarray, so it is no zarr folder or not all of it"
        ) from None


def label_groups(node: Any) -> dict[str, Any]:
    """The groups of labels in an image, by name."""
    group = node.get(LABELS)
    if not isinstance(group, zarr.Group):
        return {}
    names = listed_labels(group) or sorted(group.group_keys())
    return {name: group[name] for name in names if name in group}


def _parts(node: Any) -> list[Any]:
    """Images in a result of this package."""
    found = [node.get(name) for name in (PROBABILITIES, UNCERTAINTY)]
    return [group for group in found if isinstance(group, zarr.Group)]


def _described(group: Any) -> Mapping[str, Any]:
    """What OME says of a group; nothing of a result, which lists the labels in it for others."""
    attributes = dict(group.attrs)
    return {} if KEY in attributes and LABELS in group else ome_attributes(attributes)


def _of_group(group: Any, path: Path, *, labels: bool) -> ZarrImage:
    """The image that a group is or holds."""
    ome = _described(group)
    if "multiscales" in ome:
        return _image([_array(group, name) for name in level_paths(ome)], path, ome, labels=labels)
    if "plate" in ome or "well" in ome:
        raise ValueError(
            "it is a plate or well of many images: give the path of one, such as "
            f"{path / _first_image(group)}"
        )
    series = sorted((name for name in group.group_keys() if name.isdigit()), key=int)
    if series:
        _say_others(path, series)
        return _of_group(group[series[0]], path, labels=labels)
    return _image(_plain_levels(group, path, labels=labels), path, labels=labels)


def _array(group: Any, name: str) -> Any:
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise ValueError(
            f"the array {_place(group, name)}, which it lists, is not there: copy the image again "
            "from where it came"
        )
    return array


def _place(group: Any, name: str) -> str:
    return f"{group.path}/{name}".lstrip("/")


def _first_image(group: Any) -> str:
    """The first group that holds an image, by its place."""
    while "multiscales" not in ome_attributes(dict(group.attrs)):
        names = sorted(name for name in group.group_keys() if name != LABELS)
        if not names:
            break
        group = group[names[0]]
    return str(group.path)


def _say_others(path: Path, series: Sequence[str]) -> None:
    if len(series) > 1:
        say_note(
            f"{path} holds {len(series)} images, of which {path / series[0]} is read: give the "
            f"path of another one, such as {path / series[1]}, to read that.",
            stacklevel=4,
        )


def _plain_levels(group: Any, path: Path, *, labels: bool) -> list[Any]:
    """The array of a group without metadata of an image, or several that are its levels."""
    arrays = sorted((array for _, array in group.arrays()), key=lambda array: -array.size)
    if len(arrays) == 1 or (arrays and levels_of(arrays)):
        return arrays
    names = [_place(group, array.basename) for array in arrays]
    kind = "labels" if labels else "image"
    inside = [f"{LABELS}/{name}" for name in label_groups(group)] or names
    if not inside:
        raise ValueError(f"it holds no {kind}: give another folder")
    holds = "labels and no image" if not names else f"the arrays {shorten(names)}"
    raise ValueError(f"it holds {holds}: give the path of one, such as {path / inside[0]}")


def _image(
    arrays: Sequence[Any], path: Path, ome: dict[str, Any] | Any = None, *, labels: bool
) -> ZarrImage:
    """An image of the arrays of its levels: axes of one pixel are left out, colours come last."""
    finest = arrays[0]
    if any(a.ndim != finest.ndim or a.size > finest.size for a in arrays):
        raise ValueError(
            "its levels are not one image in ever fewer pixels, the finest first: save it again"
        )
    stored = multiscale_of(ome, finest.ndim) if ome else None
    axes = stored.axes if stored else _named_axes(finest)
    name = finest.path.rpartition("/")[0] if ome else finest.path
    if axes is None:
        every = range(finest.ndim)
        return ZarrImage(name, tuple(ZarrPixels(a, path, every) for a in arrays), None)
    lengths = dict(zip(axes, finest.shape, strict=True))
    kept = "".join(a for a in axes if a in "YX" or lengths[a] > 1)
    channels = tuple(channels_of(ome or {}, lengths.get("C", 1)))
    if labels and "C" in kept:
        raise ValueError(
            f"it has {lengths['C']} channels, but labels need one value per pixel: give labels "
            "without channels"
        )
    if are_colours(channels, finest.dtype):
        kept = kept.replace("C", "") + "C"
    dims = [axes.index(axis) for axis in kept]
    levels = tuple(ZarrPixels(array, path, dims) for array in arrays)
    return ZarrImage(name, levels, kept, stored, channels, classes_of(ome or {}))


def _named_axes(array: Any) -> str | None:
    """Axes by the names that xarray and zarr 3 keep with an array, if they are known letters."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(NAMES_OF_XARRAY)
    axes = "".join(str(name).upper() for name in names or ())
    return axes if len(axes) == array.ndim and is_order(axes) else None
