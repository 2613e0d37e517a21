"""Volumes as napari layers in their place in the world, read, and written as NIfTI files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from napari_segkit.images.classes import classes_shown, layer_options
from napari_segkit.images.placement import options_to_world
from napari_segkit.images.types import AnyArray, LayerArray, LayerData, LayerOptions
from napari_segkit.images.whole_numbers import integers_if_whole
from napari_segkit.io.class_record import record_with_classes
from napari_segkit.io.filenames import AnyPath, as_paths, ending, stem
from napari_segkit.io.nifti_image import LABEL_INTENT
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.read_errors import explain_read_errors
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.io.volume_files import is_dicom, is_volume
from napari_segkit.io.volumes import open_volume

from .header import (
    NibabelHeader,
    NibabelImage,
    NiftiHeader,
    layer_axes,
    layer_placement,
    parse_header,
)
from .writer import read_classes, read_provenance, write_nifti

Reader = Callable[[AnyPath | Sequence[AnyPath]], list[LayerData]]


def get_reader(path: AnyPath | Sequence[AnyPath]) -> Reader | None:
    """Reader for napari of volumes; None if one of the paths is no such file."""
    files = as_paths(path)
    return _read_layers if files and all(map(is_volume, files)) else None


def read_nifti(path: AnyPath) -> tuple[AnyArray, LayerOptions, str]:
    """Array, layer options and layer type ("labels" or "image") of a volume of any format.

    The array has the axes T C Z Y X that are there. Z, Y and X are the dimensions nearest to these
    world axes, so a sagittal volume is transposed; a mirrored one gets an `affine`, and an oblique
    one is placed along its voxel grid: `images.placement.world_matrix` tells where it lies.
    The fourth dimension is T if it has a unit of time and a step, else C; the fifth is C.
    Uncompressed voxels of NIfTI without a scaling factor stay on disk.
    """
    file = Path(path)
    return _layer(open_volume(file), stem(file))


def _layer(image: NibabelImage, name: str) -> tuple[AnyArray, LayerOptions, str]:
    source = parse_header(image)
    data, rgb = _voxels(image, source)
    is_labels = int(image.header["intent_code"]) == LABEL_INTENT and not rgb
    meta = layer_placement(source)
    meta |= {"name": name, "metadata": {"nifti": source}}
    if is_labels:
        meta |= layer_options(read_classes(image.header))
        return integers_if_whole(data), meta, "labels"
    return data, meta | _display_options(image.header, rgb), "image"


def read_header(path: AnyPath) -> NiftiHeader:
    """Header of a volume; the voxels are not read."""
    return parse_header(open_volume(Path(path)))


def write_image_layer(path: str, data: LayerArray, meta: LayerOptions) -> list[str]:
    """Writer for napari: an image layer as a NIfTI file, with the header it was read with."""
    return _write_layer(path, data, meta, kind="image")


def write_labels_layer(path: str, data: LayerArray, meta: LayerOptions) -> list[str]:
    """Writer for napari: a labels layer as a NIfTI file that opens as labels again."""
    return _write_layer(path, data, meta, kind="labels")


def _read_layers(path: AnyPath | Sequence[AnyPath]) -> list[LayerData]:
    files = as_paths(path)
    if len(files) > 1 and all(map(is_dicom, files)):  # opened as a stack
        return [_read_series(files)]
    return [_read_layer(file) for file in files]


def _read_series(files: Sequence[Path]) -> LayerData:
    from napari_segkit.io.dicom import open_series

    folder = files[0].parent
    with explain_read_errors(folder):
        return _layer(open_series(files, folder), folder.name)


def _read_layer(file: Path) -> LayerData:
    with explain_read_errors(file):
        return read_nifti(file)


def _voxels(image: NibabelImage, source: NiftiHeader) -> tuple[AnyArray, bool]:
    """Voxels in the order of `layer_axes`, and whether they are RGB colours (last axis)."""
    proxy = image.dataobj
    unscaled = (getattr(proxy, "slope", 1), getattr(proxy, "inter", 0)) == (1, 0)
    dtype = None if unscaled else np.result_type(proxy.dtype, np.float32)
    stored = np.asanyarray(proxy, dtype=dtype)
    stored = stored.reshape([n for i, n in enumerate(stored.shape) if i < 3 or n > 1])
    data = stored.transpose([source.axes.index(a) for a in source.layer_axes])
    if data.dtype.names is None:
        return data, False
    contiguous = np.ascontiguousarray(data)
    return contiguous.view(np.uint8).reshape(*data.shape, len(data.dtype.names)), True


def _display_options(header: NibabelHeader, rgb: bool) -> LayerOptions:
    low, high = float(header["cal_min"]), float(header["cal_max"])
    if rgb:
        return {"rgb": True}
    return {"contrast_limits": (low, high)} if np.isfinite(high - low) and low < high else {}


def _write_layer(path: str, data: LayerArray, meta: LayerOptions, *, kind: str) -> list[str]:
    file, pixels = Path(path), np.asarray(data[0] if meta.get("multiscale") else data)
    ndim = len(meta.get("scale", ())) or pixels.ndim - bool(meta.get("rgb"))
    source = meta.get("metadata", {}).get("nifti")
    axes = layer_axes(meta.get("axis_labels") or (), ndim, source) + "C" * bool(meta.get("rgb"))
    with atomic_write(check_output_path(file, overwrite=True)) as stream:
        write_nifti(
            stream,
            pixels,
            axes,
            kind=kind,
            source=source,
            matrix=options_to_world(meta, ndim),
            units=tuple(map(str, meta.get("units") or ())),
            display_range=meta.get("contrast_limits"),
            provenance=_labels_record(meta, source) if kind == "labels" else None,
            zipped=ending(file) == ".nii.gz",
        )
    return [path]


def _labels_record(meta: LayerOptions, source: NiftiHeader | None) -> dict[str, object]:
    """The record of the file that the labels come from, with their classes as shown now."""
    from pandas import DataFrame

    stored = read_provenance(source.to_nibabel()) if source else None
    classes = classes_shown(DataFrame(meta.get("features")), meta.get("colormap"))
    return record_with_classes(stored if isinstance(stored, dict) else {}, classes)
