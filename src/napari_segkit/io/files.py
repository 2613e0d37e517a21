"""Image and label files: PNG, JPEG, TIFF, NIfTI, NPY, and what napari's readers open."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage, as_image, full_resolution
from napari_segkit.images.labels import as_unsigned
from napari_segkit.images.orientation import reorient

from .filenames import NIFTI, ending
from .read_errors import explain_read_errors
from .readers import PICTURES, TIFF, read_source
from .replace_file import atomic_write
from .tiff import UNKNOWN_SPACING, Spacing
from .writers import LABELS, PROBABILITIES, FileMetadata, require_representable

if TYPE_CHECKING:
    from .nifti.header import NiftiHeader

AnyPath = str | PathLike[str]


class ExistsError(ValueError):
    """A file is there already, and nobody said that it may be replaced."""

    remedies = ("overwrite=True",)


def read_image(
    path: AnyPath,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    *,
    labels_shape: Sequence[int] | None = None,
    like: str | None = None,
    channels: int | None = None,
) -> AxesImage:
    """Read an image file.

    Parameters
    ----------
    path : path
        PNG, JPEG, TIFF, NIfTI, NPY, or anything that a reader installed in napari opens. NPY
        files, and NIfTI files that are not compressed, are read from disk region by region.
    axes : str, optional
        One letter of "TCZYX" for each dimension. None: what the file says, and where it says
        nothing, what the shapes suggest.
    spacing : sequence of float, optional
        World units between pixels along Z Y X or Y X. None: what the file says, or 1.
    labels_shape, like, channels
        What `as_image` makes of them, where the file names no axes.

    Returns
    -------
    AxesImage
        Without an alpha channel; named after the file.

    Raises
    ------
    ValueError
        If there is no such file or it cannot be read.
    """
    file = Path(path)
    source, said, size = read_source(file, labels=False)
    image = as_image(
        source,
        axes or said,
        size if spacing is None else spacing,
        labels_shape=labels_shape,
        like=like,
        channels=channels,
    )
    if axes and ending(file) in NIFTI:
        _require_header_axes(file, axes, as_image(source, said).axes)
    return replace(image, name=file.name)


def _require_header_axes(file: Path, axes: str, own: str) -> None:
    """A NIfTI file knows Z, Y and X; swapped, its labels would lie elsewhere in the body."""
    pairs = zip(axes.upper(), own, strict=False)
    if any(given != named and given in SPATIAL for given, named in pairs):
        raise ValueError(
            f"axes={axes!r} are not those of {file.name}, which says itself that they are {own}: "
            "leave them out."
        )


def read_labels(path: AnyPath, *, orientation: str = "") -> Any:
    """Read a file of labels.

    Parameters
    ----------
    path : path
        As in `read_image`. A PNG with a palette gives the palette's indices; a colour picture is
        taken where its channels are all the same; a bilevel picture gives 0 and 1. Whole numbers
        that a NIfTI file stores as floating point are taken as integers.
    orientation : str
        Three letters, for Z, Y and X: the labels of a NIfTI file are turned to lie that way, as
        their image does. "": they stay as they are.

    Returns
    -------
    array-like
        Label values as they are stored.

    Raises
    ------
    ValueError
        If there is no such file, it cannot be read, or its colour channels differ.
    """
    file = Path(path)
    source, axes, _ = read_source(file, labels=True)
    values = full_resolution(source)
    if axes and axes.endswith("C") and file.suffix.lower() in (*TIFF, *PICTURES):
        return _one_channel(values, file)
    return reorient(values, SPATIAL, file_orientation(file), orientation)


def file_orientation(path: AnyPath) -> str:
    """Say which way the image in a file lies in the body.

    Parameters
    ----------
    path : path
        Any file; only the header of a NIfTI file is read.

    Returns
    -------
    str
        Three letters, for Z, Y and X of the array that the file is read as; "" where it does
        not say it.
    """
    file = Path(path)
    if ending(file) not in NIFTI or not file.exists():  # reading it says that it is missing
        return ""
    from .nifti.layers import read_header

    with explain_read_errors(file):
        return read_header(file).orientation


def write_labels(
    path: AnyPath,
    labels: ArrayLike,
    *,
    axes: str,
    spacing: Spacing = UNKNOWN_SPACING,
    provenance: dict[str, Any] | None = None,
    header: "NiftiHeader | None" = None,
    overwrite: bool = False,
) -> None:
    """Write labels to a file, completely or not at all.

    Parameters
    ----------
    path : path
        Ends in .tif (compressed, with axes, pixel size and provenance), .nii or .nii.gz (with
        voxel size and provenance), .png (2D, values up to 65535, with provenance) or .npy (the
        values alone).
    labels : array-like of int
        0 or more.
    axes : str
        One letter of "TZYX" for each dimension.
    spacing : tuple of float
        World units between pixels along Z, Y, X.
    provenance : dict, optional
        Where the labels come from; JSON-able.
    header : NiftiHeader, optional
        ``image.metadata["nifti"]`` of the image they belong to, read from a NIfTI file: a NIfTI
        file gets its order of axes, affines, units, description and extensions.
    overwrite : bool
        Replace a file that is already there.

    Raises
    ------
    ValueError
        If the ending is not one of these, the values do not fit, or the file exists.
    """
    file = check_output_file(path, overwrite=overwrite)
    values = as_unsigned(np.asarray(labels))
    require_representable(file, values.ndim, int(values.max(initial=0)))
    with atomic_write(file) as opened:
        LABELS[ending(file)](opened, values, axes, FileMetadata(spacing, provenance or {}, header))


def write_probabilities(
    path: AnyPath,
    probabilities: ArrayLike,
    *,
    axes: str,
    spacing: Spacing = UNKNOWN_SPACING,
    provenance: dict[str, Any] | None = None,
    header: "NiftiHeader | None" = None,
    overwrite: bool = False,
) -> None:
    """Write probabilities to a file as float32, completely or not at all.

    Parameters
    ----------
    path : path
        Ends in .tif, .npy, .nii or .nii.gz; there the classes are the fourth dimension, the
        fifth beside T.
    probabilities : array-like of float
        ``(classes, *spatial)``.
    axes : str
        One letter of "CTZYX" for each dimension, C for the classes.
    spacing, provenance, header, overwrite
        As in `write_labels`.

    Raises
    ------
    ValueError
        If the ending is not one of these, or the file exists.
    """
    file = check_output_file(path, overwrite=overwrite, probabilities=True)
    values = np.asarray(probabilities, np.float32)
    with atomic_write(file) as opened:
        PROBABILITIES[ending(file)](
            opened, values, axes, FileMetadata(spacing, provenance or {}, header)
        )


def check_output_file(
    path: AnyPath,
    *,
    overwrite: bool = False,
    probabilities: bool = False,
    axes: str | None = None,
    highest: int = 0,
) -> Path:
    """Refuse a file that could not be written, before the work that would fill it.

    Parameters
    ----------
    path : path
        Where labels, or probabilities, are to be written.
    overwrite, probabilities : bool
        Whether a file may be replaced; whether it is for probabilities.
    axes : str, optional
        Axes of the labels, where they are known.
    highest : int
        The highest value that they can have.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    ValueError
        If the ending is not one we write, the labels do not fit it, the file exists, or its
        folder does not.
    """
    file, writers = Path(path), PROBABILITIES if probabilities else LABELS
    if ending(file) not in writers:
        raise ValueError(f"{file} cannot be written; choose a name ending in {', '.join(writers)}.")
    if axes is not None:
        require_representable(file, len(axes), highest)
    return check_output_path(file, overwrite=overwrite)


def check_output_path(path: AnyPath, *, overwrite: bool = False) -> Path:
    """Refuse a path where no file can be made.

    Parameters
    ----------
    path : path
        Where a file is to be written.
    overwrite : bool
        Whether one that is there may be replaced.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    ValueError
        If the file exists, or its folder does not.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"{file} is a folder: give the name of a file in it.")
    if file.exists() and not overwrite:
        raise ExistsError(f"{file} exists already: choose another name, or overwrite.")
    if not file.parent.is_dir():
        raise ValueError(f"There is no folder {file.parent} to write {file.name} in.")
    return file


def _one_channel(values: NDArray[Any], file: Path) -> NDArray[Any]:
    if not (values == values[..., :1]).all():
        raise ValueError(
            f"{file} is a colour picture, and labels need one number for each pixel: save it with "
            "one channel, such as class numbers in grey."
        )
    return values[..., 0]
