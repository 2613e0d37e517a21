"""Zarr folders as napari layers, read lazily: images with their channels, and labels."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore

from napari_segkit.images.classes import layer_options
from napari_segkit.images.notes import say_note
from napari_segkit.images.types import LayerArray, LayerData, LayerOptions
from napari_segkit.images.units import length_unit
from napari_segkit.io.filenames import AnyPath, as_paths, stem
from napari_segkit.io.read_errors import explain_read_errors
from napari_segkit.io.zarr_folders import PROBABILITIES, UNCERTAINTY, is_zarr

from .lazy_array import ZarrPixels
from .ome_read import Channel
from .reader import ZarrImage, read_parts

Reader = Callable[[AnyPath | Sequence[AnyPath]], list[LayerData]]
TIMES = ("second", "millisecond", "microsecond", "nanosecond", "minute", "hour", "day")
HIDDEN = (PROBABILITIES, UNCERTAINTY)  # of a result, beside its labels


def get_reader(path: AnyPath | Sequence[AnyPath]) -> Reader | None:
    """Reader for napari of zarr folders; None if one of the paths is none."""
    files = as_paths(path)
    return _read_layers if files and all(map(is_zarr, files)) else None


def _read_layers(path: AnyPath | Sequence[AnyPath]) -> list[LayerData]:
    return [layer for file in as_paths(path) for layer in _layers_of(file)]


def _layers_of(file: Path) -> list[LayerData]:
    with explain_read_errors(file):
        layers: list[LayerData] = []
        for image, kind in read_parts(file):
            layers += [_labels(image, file)] if kind == "labels" else _images(image, file)
        return layers


def _images(image: ZarrImage, file: Path) -> Iterator[LayerData]:
    """An image as a layer, or as one for each channel."""
    axes, meta = image.axes or "", _placed(image, file)
    if "C" not in axes or axes.endswith("C"):
        channel = image.channels[0] if image.channels and "C" not in axes else Channel()
        colours: LayerOptions = {"rgb": axes.endswith("C")} if axes else {}
        yield _pyramid(image.levels), meta | colours | _shown(channel), "image"
        return
    for number, channel in enumerate(image.channels):
        levels = [level.without(axes.index("C"), number) for level in image.levels]
        own: LayerOptions = {"name": f"{meta['name']} {channel.name or number}", "rgb": False}
        yield _pyramid(levels), meta | own | _shown(channel), "image"


def _labels(image: ZarrImage, file: Path) -> LayerData:
    meta = _placed(image, file) | layer_options(image.classes)
    if len(image.levels) > 1:
        return _pyramid(image.levels), meta, "labels"
    return _to_paint(image.levels[0], file), meta, "labels"


def _to_paint(labels: ZarrPixels, file: Path) -> Any:
    """Labels of one level, which can be painted on: what is painted goes to the file."""
    path = labels.array.path
    if not isinstance(labels.array.store, LocalStore) or not os.access(file / path, os.W_OK):
        return labels
    say_note(
        f"{file / path} is shown as it is on the disk: what is painted on it is stored there at "
        "once. Duplicate the layer and paint on the copy to keep the file as it is.",
        stacklevel=4,
    )
    return labels.on(zarr.open_array(LocalStore(file), path=path, mode="r+"))


def _placed(image: ZarrImage, file: Path) -> LayerOptions:
    """Name, axes, place and visibility of a layer; channels have no axis."""
    group = image.name.rpartition("/")[2]
    meta: LayerOptions = {"name": group or stem(file), "visible": group not in HIDDEN}
    if not image.axes:
        return meta
    axes, stored = image.axes.replace("C", ""), image.stored
    meta["axis_labels"] = tuple(axes)
    if stored:
        at = [stored.axes.index(axis) for axis in axes]
        factors, units = zip(*(_unit(stored.units[i]) for i in at), strict=True)
        meta["scale"] = [stored.scale[i] * f for i, f in zip(at, factors, strict=True)]
        meta["translate"] = [stored.translation[i] * f for i, f in zip(at, factors, strict=True)]
        meta["units"] = units
    return meta


def _unit(name: str) -> tuple[float, str]:
    """Factor to a unit that napari knows, and its name."""
    factor, unit = length_unit(name)
    return factor, unit or (name if name in TIMES else "pixel")


def _pyramid(levels: Sequence[ZarrPixels]) -> LayerArray:
    return list(levels) if len(levels) > 1 else levels[0]


def _shown(channel: Channel) -> LayerOptions:
    return {"contrast_limits": channel.limits} if channel.limits else {}
