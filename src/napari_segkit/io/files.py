"""Image and label files: pictures, TIFF, volumes, NPY, and formats of napari's plugins."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from napari_segkit.arguments import as_path
from napari_segkit.images.array_cache import MappedArray
from napari_segkit.images.axes_image import (
    SPATIAL,
    AxesImage,
    as_image,
    full_resolution,
    without_pixels,
)
from napari_segkit.images.colour_masks import (
    ColourTable,
    colour_table,
    has_channels,
    is_coloured,
)
from napari_segkit.images.labels import LabelsError, as_unsigned, integer_labels
from napari_segkit.images.notes import say_note, without_notes
from napari_segkit.images.orientation import reorient
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.images.whole_numbers import integers_if_whole

from .filenames import NUMPY, TIFF, AnyPath, ending
from .geotiff import place_tags
from .jpeg_masks import without_smears
from .output_paths import check_output_path
from .pictures import JPEG, PICTURES
from .read_errors import explain_read_errors
from .readers import read_source
from .replace_file import Content, write_together
from .volume_files import is_volume
from .writers import LABELS, PROBABILITIES, FileMetadata, array_content, require_representable

if TYPE_CHECKING:
    from .nifti.header import NiftiHeader


NO_COLOURS = ColourTable({})


def read_image(
    path: AnyPath,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    *,
    labels_shape: Sequence[int] | None = None,
    like: str | None = None,
    channels: int | None = None,
    level: int = 0,
) -> AxesImage:
    """Read an image file, or a level of a pyramid, without alpha, named after the file.

    Axes and spacing come from the file, if they are not given; `as_image` guesses missing axes. NPY
    and uncompressed NIfTI files are read from disk region by region.
    """
    file = Path(path)
    source, stored_axes, stored = read_source(file, labels=False, level=level)
    image = as_image(
        source,
        axes or stored_axes,
        stored.spacing if stored and spacing is None else spacing,
        unit=stored.unit if stored else "",
        labels_shape=labels_shape,
        like=like,
        channels=channels,
        name=file.name,
        level=0 if ending(file) in TIFF else level,  # of TIFF one level is read
    )
    if axes and is_volume(file):
        _require_header_axes(file, axes, as_image(source, stored_axes).axes)
    place = {"geotiff": tags} if (tags := place_tags(file)) else {}
    return replace(image, name=file.name, metadata=image.metadata | place, level=level)


def read_labels(
    path: AnyPath, *, orientation: str = "", colours: ColourTable | None = None
) -> LazyArray:
    """Label values of a file; those of a volume in `orientation`, if it is given.

    Palettes give their indices, bilevel pictures and truth values 0 and 1, grey pictures saved in
    colour their channels' common value, floating point values that are whole, but for rounding,
    integers, and JPEG masks of 0 and 255 these two values. Colours become classes by the table
    `colours` (None: of this file alone, which is said in a warning).
    """
    file = Path(path)
    stored = _stored_labels(file)
    if colours is None:
        colours = _own_colours(stored, file)
    values = _values(stored, file, colours)
    if values.dtype == bool and not isinstance(values, np.ndarray):
        values = MappedArray(values, integers_if_whole, np.dtype(np.uint8))
    if not np.issubdtype(values.dtype, np.integer):
        values = _as_integers(np.asarray(values), file)
    values = without_smears(values, file)
    return reorient(values, SPATIAL, file_orientation(file), orientation)


def read_label_axes(path: AnyPath) -> AxesImage:
    """The axes and the pixel size of a label file, without the values of `read_labels`."""
    source, axes, stored = read_source(Path(path), labels=True)
    spacing, unit = stored or (None, "")
    return without_pixels(as_image(source, axes, spacing, unit=unit))


def shared_colours(
    *groups: Sequence[AnyPath], named: Mapping[str, int] | None = None
) -> ColourTable:
    """The classes of the colours of mask files that are compared or trained on together.

    It is empty if no group begins with a file in colour. Within a group, such as predictions or
    truths, all masks must hold colours, or all class values, whose classes `named` gives by name.
    A warning says what became what.
    """
    files = [[Path(path) for path in group] for group in groups if group]
    with without_notes():  # reading the labels gives them again
        if not any(_looks_coloured(group[0]) for group in files):
            return NO_COLOURS
        table, note = colour_table([_named_pixels(group) for group in files], named)
    return _said(table, note)


def file_orientation(path: AnyPath) -> str:
    """Orientation of the array read from a file, from its header; "" if unknown."""
    header = nifti_header(Path(path))
    return header.orientation if header else ""


def nifti_header(file: Path) -> "NiftiHeader | None":
    """Header of a volume as NIfTI has it, without reading its voxels; None for other files."""
    if not file.exists() or not is_volume(file):  # reading raises the error
        return None
    from .nifti.layers import read_header

    with explain_read_errors(file):
        return read_header(file)


def write_labels(
    path: AnyPath, labels: ArrayLike, metadata: FileMetadata, *, overwrite: bool = False
) -> None:
    """Write labels atomically to a .tif, .nii, .nii.gz, .png or .npy file.

    Formats store spacing and provenance as far as they can; NIfTI also keeps the header.
    """
    file = check_output_file(path, overwrite=overwrite)
    write_together({file: labels_content(file, labels, metadata)}, overwrite=overwrite)


def write_probabilities(
    path: AnyPath, probabilities: ArrayLike, metadata: FileMetadata, *, overwrite: bool = False
) -> None:
    """Write (classes, *spatial) probabilities as float32, as in `write_labels` but not to .png.

    In NIfTI files the classes are the fourth dimension, after T the fifth.
    """
    file = check_output_file(path, overwrite=overwrite, probabilities=True)
    content = probabilities_content(file, probabilities, metadata)
    write_together({file: content}, overwrite=overwrite)


def labels_content(file: Path, labels: ArrayLike, metadata: FileMetadata) -> Content:
    """What a file of labels holds; ValueError if its format cannot."""
    values = as_unsigned(np.asarray(labels))
    require_representable(file, values.ndim, int(values.max(initial=0)))
    return array_content(file, values, metadata)


def probabilities_content(file: Path, probabilities: ArrayLike, metadata: FileMetadata) -> Content:
    """What a file of probabilities holds."""
    return array_content(file, np.asarray(probabilities, np.float32), metadata)


def check_output_file(
    path: AnyPath,
    *,
    overwrite: bool = False,
    probabilities: bool = False,
    axes: str | None = None,
    highest: int = 0,
) -> Path:
    """Check before the work that labels with `axes` and values up to `highest` can be written."""
    file, endings = as_path("path", path), PROBABILITIES if probabilities else LABELS
    if ending(file) not in endings:
        raise ValueError(f"{file} cannot be written: choose a name ending in {', '.join(endings)}.")
    if axes is not None:
        require_representable(file, len(axes), highest)
    return check_output_path(file, overwrite=overwrite)


def _require_header_axes(file: Path, axes: str, stored: str) -> None:
    """With Z, Y or X swapped, labels would be placed elsewhere in the body."""
    pairs = zip(axes.upper(), stored, strict=False)
    if any(letter != axis and letter in SPATIAL for letter, axis in pairs):
        raise ValueError(
            f"axes={axes!r} differ from {stored}, the axes in the header of {file.name}: leave "
            "axes out."
        )


def _own_colours(stored: "_StoredLabels", file: Path) -> ColourTable:
    if not stored.may_be_coloured:
        return NO_COLOURS
    return _said(*colour_table([[(file.name, stored.values)]]))


def _named_pixels(files: Sequence[Path]) -> Iterator[tuple[str, LazyArray]]:
    return ((file.name, _stored_labels(file).values) for file in files)


def _said(colours: ColourTable, note: str) -> ColourTable:
    """The table, once its note is said."""
    if note:
        say_note(note, stacklevel=4)
    return colours


def _looks_coloured(file: Path) -> bool:
    """Whether a mask has channels; large files are not read for that."""
    with suppress(ValueError):  # reading the labels raises it again, for this file only
        if header := nifti_header(file):
            return header.to_nibabel().get_data_dtype().names is not None
        if ending(file) in NUMPY:
            return has_channels(full_resolution(read_source(file, labels=False)[0]))
        return _stored_labels(file).may_be_coloured
    return False


class _StoredLabels(NamedTuple):
    values: LazyArray
    axes: str | None
    may_be_coloured: bool


def _stored_labels(file: Path) -> _StoredLabels:
    """Stored values of a label file, with the colours last."""
    source, axes, _ = read_source(file, labels=True)
    values = full_resolution(source)
    if axes == "CYX" and is_coloured(colours_last := np.moveaxis(np.asarray(values), 0, -1)):
        values, axes = colours_last, "YXC"
    has_no_colours = (axes or "C")[-1] != "C" or getattr(source, "rgb", None) is False
    may_be_coloured = has_channels(values) and not has_no_colours
    if file.suffix.lower() in JPEG and may_be_coloured and is_coloured(values):
        raise ValueError(
            f"{file.name} is a colour picture saved as JPEG, which changes colours, so they cannot "
            "be told apart as classes: save the mask as PNG."
        )
    return _StoredLabels(values, axes, may_be_coloured)


def _values(stored: _StoredLabels, file: Path, colours: ColourTable) -> LazyArray:
    """One value per pixel, of colours by the table."""
    values, axes, may_be_coloured = stored
    if may_be_coloured and colours:
        return colours.apply(values, file.name)
    if may_be_coloured and is_coloured(values):
        raise ValueError(
            f"{file.name} is a colour picture, but the first one read is not: save all masks of "
            "one kind, either class values or colours."
        )
    has_channel_axis = axes is not None and axes.endswith("C")
    if has_channel_axis and file.suffix.lower() in (*TIFF, *PICTURES):
        return _one_channel(np.asarray(values), file)
    if may_be_coloured and not _is_array(file):  # a picture, such as BMP
        return _one_channel(np.asarray(values), file)
    return values


def _is_array(file: Path) -> bool:
    return is_volume(file) or ending(file) in (*TIFF, *NUMPY)


def _as_integers(values: AnyArray, file: Path) -> AnyArray:
    """Errors name the file."""
    try:
        return integer_labels(values)
    except LabelsError as error:
        raise LabelsError(f"{file}: {error}", error.remedies) from None


def _one_channel(values: AnyArray, file: Path) -> AnyArray:
    if not (values[..., :3] == values[..., :1]).all():
        raise ValueError(
            f"{file} is a colour picture, but labels need one value per pixel: save it with one "
            "channel, such as class values in grey."
        )
    return values[..., 0]
