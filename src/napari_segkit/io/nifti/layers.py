"""NIfTI files: MRI volumes with their place in the body, for napari and for `segkit`."""

import os
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel import Nifti1Image, Nifti2Image
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AXES
from napari_segkit.io.filenames import NIFTI, ending, stem
from napari_segkit.io.replace_file import atomic_write

from .header import NibabelHeader, NiftiHeader, layer_placement, parse_header
from .writer import LABEL_INTENT, smallest_integers, write_nifti

AnyPath = str | PathLike[str]
LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: AnyPath | Sequence[AnyPath]) -> Callable[[Any], list[LayerData]] | None:
    """Offer napari a reader for NIfTI files.

    Parameters
    ----------
    path : path or list of paths
        What is to be opened.

    Returns
    -------
    callable or None
        Takes the same paths and gives a layer for each; None where one is no NIfTI file.
    """
    files = _files(path)
    return _read_layers if files and all(ending(f) in NIFTI for f in files) else None


def read_nifti(path: AnyPath) -> LayerData:
    """Read a NIfTI file as napari wants it.

    Parameters
    ----------
    path : path
        Ends in .nii (read from disk as it is needed, unless its values are scaled) or .nii.gz.

    Returns
    -------
    tuple
        The array, with the axes T C Z Y X as far as there are such; keyword arguments for a
        layer; and "labels" where the file says that it holds labels, else "image". Z, Y and X
        are the dimensions nearest to these axes of the world, so that a sagittal volume is
        transposed; an oblique or mirrored one is put in place by the layer's `affine`. The
        fourth dimension is T where the file gives it a unit of time and a step, else C; the
        fifth is C.

    Raises
    ------
    ValueError
        If it has fewer than two or more than five dimensions, or is of another kind.
    """
    file = Path(path)
    image = _open(file)
    kept = parse_header(image)
    data, colour = _voxels(image, kept)
    label = int(image.header["intent_code"]) == LABEL_INTENT and not colour
    meta = {"name": stem(file), "metadata": {"nifti": kept}, **layer_placement(kept)}
    if label:
        return integers_if_whole(data), meta, "labels"
    return data, meta | _display_options(image.header, colour), "image"


def read_header(path: AnyPath) -> NiftiHeader:
    """Read the header of a NIfTI file, and not its voxels.

    Parameters
    ----------
    path : path
        Ends in .nii or .nii.gz.

    Returns
    -------
    NiftiHeader
        What `read_nifti` puts into the layer's metadata.

    Raises
    ------
    ValueError
        As in `read_nifti`.
    """
    return parse_header(_open(Path(path)))


def integers_if_whole(values: Any) -> Any:
    """Give labels that were stored as floating point numbers as integers.

    Parameters
    ----------
    values : array-like
        Label values.

    Returns
    -------
    array-like
        Integers; the same array where it holds integers already, or fractions.
    """
    if not np.issubdtype(values.dtype, np.floating):
        return values
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    if not np.array_equal(whole, values):
        return values
    return smallest_integers(whole)


def write_image_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write an image layer to a NIfTI file, where it stands.

    Parameters
    ----------
    path : str
        Ends in .nii or .nii.gz; a file that is there is replaced.
    data : array-like
        The layer's pixels.
    meta : dict
        What napari tells about the layer. A header in ``metadata["nifti"]`` is put back, with
        the data type, the scaling and the display range that fit the pixels.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    ValueError
        If the layer has more than five dimensions, or no Y and X.
    """
    return _write_layer(path, data, meta, labels=False)


def write_labels_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer to a NIfTI file that opens as labels again.

    Parameters
    ----------
    path, data, meta
        As in `write_image_layer`.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    ValueError
        If the layer has more than five dimensions, or no Y and X.
    """
    return _write_layer(path, data, meta, labels=True)


def _files(path: AnyPath | Sequence[AnyPath]) -> list[Path]:
    return [Path(path)] if isinstance(path, str | PathLike) else [Path(p) for p in path]


def _read_layers(path: AnyPath | Sequence[AnyPath]) -> list[LayerData]:
    return [_read_layer(file) for file in _files(path)]


def _read_layer(file: Path) -> LayerData:
    from napari_segkit.io.read_errors import explain_read_errors

    with explain_read_errors(file):
        return read_nifti(file)


def _open(file: Path) -> Any:
    image = nibabel.load(file, mmap=os.name != "nt")  # Windows replaces no file in use
    if type(image) not in (Nifti1Image, Nifti2Image):
        raise ValueError(f"it is a file of {type(image).__name__}, which holds no image")
    return image


def _voxels(image: Any, kept: NiftiHeader) -> tuple[NDArray[Any], bool]:
    """The voxels with our order of axes, and whether the last one holds colours."""
    proxy = image.dataobj
    as_stored = (proxy.slope, proxy.inter) == (1, 0)
    exact = None if as_stored else np.result_type(proxy.dtype, np.float32)
    stored = np.asanyarray(proxy, dtype=exact)
    stored = stored.reshape([n for i, n in enumerate(stored.shape) if i < 3 or n > 1])
    data = stored.transpose([kept.axes.index(a) for a in kept.layer_axes])
    if data.dtype.names is None:
        return data, False
    plain = np.ascontiguousarray(data)
    return plain.view(np.uint8).reshape(*data.shape, len(data.dtype.names)), True


def _display_options(header: NibabelHeader, colour: bool) -> dict[str, Any]:
    """How napari is to show an image: its display range, or that it is in colour."""
    low, high = float(header["cal_min"]), float(header["cal_max"])
    if colour:
        return {"rgb": True}
    return {"contrast_limits": (low, high)} if np.isfinite(high - low) and low < high else {}


def _write_layer(path: str, data: Any, meta: dict[str, Any], *, labels: bool) -> list[str]:
    file, ndim = Path(path), len(meta.get("scale", ())) or None
    pixels = np.asarray(data[0] if meta.get("multiscale") else data)
    ndim = ndim or pixels.ndim - bool(meta.get("rgb"))
    kept = meta.get("metadata", {}).get("nifti")
    axes = _layer_axes(meta, ndim, kept) + "C" * bool(meta.get("rgb"))
    with atomic_write(file) as stream:
        write_nifti(
            stream,
            pixels,
            axes,
            kind="labels" if labels else "image",
            kept=kept,
            matrix=_layer_matrix(meta, ndim),
            units=tuple(map(str, meta.get("units") or ())),
            display=meta.get("contrast_limits"),
            zipped=ending(file) == ".nii.gz",
        )
    return [path]


def _layer_axes(meta: dict[str, Any], ndim: int, kept: NiftiHeader | None) -> str:
    """A layer's own axis labels, those of the file that it comes from, or by their number."""
    named = "".join(str(a).upper()[:1] for a in meta.get("axis_labels") or ())
    ours = kept.layer_axes if kept else ""
    for axes in (named, ours, ours.replace("C", "")):
        if len(axes) == ndim == len(set(axes)) and {"Y", "X"} <= set(axes) <= set(AXES):
            return axes
    if not 2 <= ndim <= 5:
        raise ValueError(
            f"A layer of {ndim} dimensions does not fit a NIfTI file, which has 2 to 5."
        )
    return "TCZYX" if ndim == 5 else "TZYX"[-ndim:]


def _layer_matrix(meta: dict[str, Any], ndim: int) -> NDArray[Any]:
    """From a layer's indices to the world, put together as napari does it."""
    shear = np.eye(ndim)
    shear[np.triu_indices(ndim, 1)] = meta.get("shear", 0.0)
    inner = np.eye(ndim + 1)
    rotate = np.asarray(meta.get("rotate", np.eye(ndim)))
    inner[:-1, :-1] = rotate @ shear @ np.diag(meta.get("scale", np.ones(ndim)))
    inner[:-1, -1] = meta.get("translate", 0.0)
    return np.asarray(meta.get("affine", np.eye(ndim + 1))) @ inner
