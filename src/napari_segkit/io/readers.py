"""Readers of image and label files; other formats are read by napari's installed plugins."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_segkit.images.types import ImageSource, LayerArray, LayerData, LayerOptions
from napari_segkit.images.units import PixelSize

from .filenames import NUMPY, TIFF, VOLUMES, ending, require_path
from .numpy_files import read_npy, read_npz
from .pictures import PICTURES, read_picture
from .plugin_names import napari_reads, what_to_install
from .read_errors import explain_read_errors
from .tiff import read_tiff
from .volume_files import is_dicom, is_volume
from .zarr_folders import is_zarr

if TYPE_CHECKING:
    from npe2 import PluginManager

KNOWN_ENDINGS = (*TIFF, *PICTURES, *VOLUMES, *NUMPY)
RGBA_PICTURES = (".webp", ".gif", ".bmp", ".tga")  # of four channels, the last is alpha
NAPARI, NAPARI_READER = "napari", "napari.get_reader"  # its own plugin and reader of pictures
PLUGIN_NAME = "napari-segkit"  # its own readers add no image format to KNOWN_ENDINGS

T = TypeVar("T")
FileContent = tuple[ImageSource, str | None, PixelSize | None]  # axes and pixel size if stored


@dataclass(frozen=True)
class FileLayer:
    """Layer data of a reader, as `as_image` takes a layer."""

    data: LayerArray
    multiscale: bool
    rgb: bool | None  # None: guessed from the shape
    axis_labels: Sequence[str]
    scale: Sequence[float]
    units: Sequence[str]
    ndim: int
    metadata: dict[str, Any]
    name: str = "image"


def read_source(path: Path, *, labels: bool, level: int = 0) -> FileContent:
    """Read a file of any format; of `labels` with a palette the indices, not the colours.

    Of a pyramid in TIFF one level is read; other formats give all levels.
    """
    if not path.exists():
        require_path(path)
        raise ValueError(f"There is no file {path}.")
    suffix = ending(path)
    with explain_read_errors(path):
        if is_zarr(path):
            return _read_zarr(path, labels=labels)
        if suffix in TIFF:
            return read_tiff(path, labels=labels, level=level)
        if suffix in PICTURES:
            return *read_picture(path, labels=labels), None
        if is_volume(path):
            return _read_volume(path, labels=labels)
        if suffix in NUMPY:
            read = read_npy if suffix == ".npy" else read_npz
            return read(path, labels=labels), None, None
        return _read_with_plugins(path, labels=labels)


def can_read(path: Path) -> bool:
    """Whether a file is read by this package or a plugin of napari, or a folder as one image.

    Such a folder is zarr, a DICOM series, or one that a plugin reads, like *.n5.
    """
    if is_zarr(path):
        return True
    known = ending(path) in KNOWN_ENDINGS
    if path.is_dir() and is_dicom(path):
        from .dicom import is_dicom_series

        return is_dicom_series(path)
    if path.is_dir():
        matches = (fnmatch(path.name.lower(), pattern) for pattern in _folder_patterns())
        return bool(path.suffix) and not known and any(matches)
    if known or is_dicom(path):
        return path.is_file()
    return bool(_plugins(path))


def _plugins(path: Path) -> list[str]:
    """Readers of plugins for a file or folder, or else napari's own one.

    Of napari only that of pictures: another one runs Python files.
    """
    readers = list(_plugin_manager().iter_compatible_readers(str(path)))
    special = sorted({r.command for r in readers if r.plugin_name not in (PLUGIN_NAME, NAPARI)})
    return special or [
        r.command for r in readers if r.command == NAPARI_READER and napari_reads(path)
    ]


def _folder_patterns() -> Iterator[str]:
    """Patterns of folders that are images; napari's own reader also lists those of files."""
    for manifest in _plugin_manager().iter_manifests(disabled=False):
        if manifest.name == NAPARI:
            continue
        for reader in manifest.contributions.readers or ():
            for pattern in map(str.lower, reader.filename_patterns):
                is_ending = pattern.startswith("*.") and "*" not in pattern[1:]
                if is_ending and reader.accepts_directories:
                    yield pattern


def _read_volume(path: Path, *, labels: bool) -> FileContent:
    if labels and is_dicom(path):
        from .dicom import require_label_values

        require_label_values(path)
    from .nifti.layers import read_nifti

    data, meta, _ = read_nifti(path)
    meta["rgb"] = meta.get("rgb", False)
    return _as_layer(data, meta)


def _read_zarr(path: Path, *, labels: bool) -> FileContent:
    from .zarr.reader import read_zarr

    image = read_zarr(path, labels=labels)
    finest, size = image.levels[0], image.stored.size if image.stored else None
    if len(image.levels) == 1:
        return finest, image.axes, size
    pyramid = FileLayer(
        data=image.levels,
        multiscale=True,
        rgb=None,
        axis_labels=(),
        scale=(1.0,) * finest.ndim,
        units=(),
        ndim=finest.ndim,
        metadata={},
    )
    return pyramid, image.axes, size


def _read_with_plugins(path: Path, *, labels: bool) -> FileContent:
    plugins = _plugins(path) if can_read(path) else []
    if not plugins:
        raise ValueError(f"no reader for such files is installed: {what_to_install(path)}")
    kinds = ("labels", "image") if labels else ("image",)
    layers = [_fill_layer_data(*data) for data in _first_layers(path, plugins)]
    groups = ([layer for layer in layers if layer[2] == kind] for kind in kinds)
    selected = next(filter(None, groups), [])
    if not selected:
        raise ValueError(f"it holds no {kinds[0]} layer")
    if len(selected) > 1:
        return _as_layer(*_stack_channels(selected, labels=labels))
    data, meta, _ = selected[0]
    if ending(path) in RGBA_PICTURES and getattr(data, "shape", ())[-1:] == (4,):
        meta = meta | {"rgb": True}
    return _as_layer(_first_frame(data) if ending(path) == ".gif" else data, meta)


def _first_layers(path: Path, plugins: Sequence[str]) -> Sequence[Sequence[Any]]:
    """Layers of the first plugin that does not refuse the file."""
    from npe2 import io_utils

    for plugin in plugins[:-1]:
        with suppress(ValueError):
            return io_utils.read([str(path)], stack=False, plugin_name=plugin)
    return io_utils.read([str(path)], stack=False, plugin_name=plugins[-1])


def _first_frame(data: LayerArray) -> LayerArray:
    """A GIF of one picture as that picture; animations stay as they are."""
    shape: tuple[int, ...] = getattr(data, "shape", ())
    return data[0] if len(shape) == 4 and shape[0] == 1 else data


def _fill_layer_data(
    data: LayerArray | None, meta: LayerOptions | None = None, kind: str = "image"
) -> LayerData:
    """A reader's layer data with the default options and kind; "none" if there is no data."""
    return ([], {}, "none") if data is None else (data, meta or {}, kind.lower())


def _stack_channels(
    layers: Sequence[LayerData], *, labels: bool
) -> tuple[LayerArray, LayerOptions]:
    """Image layers of one shape as the channels of one image."""
    import dask.array as da

    shapes = {getattr(data, "shape", None) for data, *_ in layers}
    special = any(meta.get("rgb") or meta.get("channel_axis") is not None for _, meta, _ in layers)
    if labels or special or len(shapes) > 1 or None in shapes:
        raise ValueError(
            f"it holds {len(layers)} layers that are not the channels of one image; save the layer "
            "to be used in a file of its own"
        )
    channels = [da.asarray(data) for data, *_ in layers]  # type: ignore[no-untyped-call]
    return da.stack(channels), layers[0][1] | {"channel_axis": 0}  # type: ignore[no-untyped-call]


def _as_layer(data: LayerArray, meta: LayerOptions) -> FileContent:
    """A reader's layer data as an object that `as_image` takes for a layer, and its axes."""
    multiscale = meta.get("multiscale")
    multiscale = isinstance(data, list | tuple) if multiscale is None else bool(multiscale)
    finest: Any = data[0] if multiscale else data
    ndim, channel = finest.ndim, meta.get("channel_axis")
    labels = meta.get("axis_labels")
    layer = FileLayer(
        data=data,
        multiscale=multiscale,
        rgb=meta.get("rgb"),
        axis_labels=() if labels is None else labels,
        scale=_full_scale(meta, finest.shape),
        units=_full_units(meta, finest.shape),
        ndim=ndim,
        metadata=meta.get("metadata") or {},
    )
    if channel is None:
        return layer, None, None
    axes, index = _axes_without_channel(layer.axis_labels, ndim - 1), channel % ndim
    return layer, axes[:index] + "C" + axes[index:], None


def _axes_without_channel(labels: Sequence[str], ndim: int) -> str:
    """Axes from the labels of a reader, or the last of T Z Y X."""
    axes = "".join(str(label).upper()[:1] for label in labels)
    is_known = len(axes) == ndim == len(set(axes)) and {"Y", "X"} <= set(axes) <= set("TZYX")
    return axes if is_known else "TZYX"[-ndim:]


def _full_scale(meta: LayerOptions, shape: tuple[int, ...]) -> list[float]:
    scale = meta.get("scale")
    known = [] if scale is None else np.atleast_2d(np.asarray(scale, float))[0].tolist()
    return _of_every_axis(known, 1.0, meta, shape)


def _full_units(meta: LayerOptions, shape: tuple[int, ...]) -> list[str]:
    units = meta.get("units") or ()
    known = [units] * len(shape) if isinstance(units, str) else [str(unit) for unit in units]
    return _of_every_axis(known, "", meta, shape)


def _of_every_axis(
    known: list[T], default: T, meta: LayerOptions, shape: tuple[int, ...]
) -> list[T]:
    """Values of every dimension; napari's leave out RGB and the channel axis."""
    channel, rgb = meta.get("channel_axis"), meta.get("rgb")
    has_rgb = len(shape) > 2 and shape[-1] in (3, 4) if rgb is None else bool(rgb)
    scaled = len(shape) - (has_rgb or channel is not None)
    full = [default] * (scaled - len(known)) + known
    if channel is not None and len(full) < len(shape):
        full.insert(channel % len(shape), default)
    return full


def _plugin_manager() -> "PluginManager":
    from npe2 import PluginManager

    manager = PluginManager.instance()
    if not any(manager.iter_manifests()):  # not inside napari, which has discovered its plugins
        manager.discover()
    return manager
