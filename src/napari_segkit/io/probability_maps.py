"""Files of probabilities, or of plain labels, that belong to an image."""

import json
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

from napari_segkit.images.axes_image import AxesImage, full_resolution
from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.images.orientation import reorient

from . import tiff
from .filenames import NIFTI, ending
from .files import file_orientation, read_labels
from .nifti import writer
from .nifti.layers import read_header
from .readers import TIFF, read_source


@dataclass(frozen=True)
class ProbabilityFile:
    """What a file holds for each pixel of an image.

    Parameters
    ----------
    values : array-like
        Probabilities ``(classes, ...)``, or the label of each pixel.
    axes : str
        One letter of "TZYX" for each dimension, without the classes; "" where the file does not
        name them.
    soft : bool
        They are probabilities.
    orientation : str
        How they lie, as in `data.orientation.turn`.
    """

    values: Any
    axes: str
    is_probabilities: bool
    orientation: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions, without the classes."""
        return tuple(self.values.shape[self.is_probabilities :])

    def aligned_to(self, image: AxesImage) -> Any:
        """The values with the order of axes of an image, and lying as it does."""
        wanted, front, values = image.label_axes, int(self.is_probabilities), self.values
        if self.axes and sorted(self.axes) == sorted(wanted):
            order = [front + self.axes.index(a) for a in wanted]
            values = values.transpose(*range(front), *order)
        shape = image.label_shape
        if [n for n in values.shape[front:] if n > 1] == [n for n in shape if n > 1]:
            values = values.reshape(*values.shape[:front], *shape)
        return reorient(values, wanted, self.orientation, image.orientation)


def read_probability_file(path: str | PathLike[str]) -> ProbabilityFile:
    """Read a file of probabilities or of plain labels.

    Parameters
    ----------
    path : path
        Probabilities as ``segkit predict --probabilities`` writes them, or as any program does:
        TIFF and NIfTI files with an axis of channels, or floating point numbers with classes
        first. Whole numbers without channels are labels.

    Returns
    -------
    ProbabilityFile
        Probabilities or labels.

    Raises
    ------
    ValueError
        If there is no such file or it cannot be read.
    """
    file = Path(path)
    source, named, _ = read_source(file, labels=False)
    values = full_resolution(source)
    axes = read_header(file).layer_axes if ending(file) in NIFTI else named or ""
    lies, soft = file_orientation(file), np.issubdtype(values.dtype, np.floating)
    if soft and axes and "C" not in axes:  # a NIfTI file of a plane says Z of its third dimension
        soft = bool((values % 1).any())
        axes = axes.replace(axes[0], "C") if soft else axes
    if not soft:
        return ProbabilityFile(read_labels(file), axes.replace("C", ""), False, lies)
    place = axes.index("C") if axes else 0
    return ProbabilityFile(np.moveaxis(values, place, 0), axes.replace("C", ""), True, lies)


def read_classes(path: str | PathLike[str]) -> tuple[LabelClass, ...]:
    """Read which classes the probabilities or labels in a file are of.

    Parameters
    ----------
    path : path
        As in `read_probability_file`.

    Returns
    -------
    tuple of LabelClass
        One for each, in the order of the probabilities; empty where the file does not say it.
    """
    told = _provenance(Path(path))
    try:
        pairs = [(int(value), str(name)) for value, name in told["classes"]]
    except (LookupError, TypeError, ValueError):
        return ()
    return tuple(LabelClass(value, name, default_color(value)) for value, name in pairs)


def _provenance(file: Path) -> Any:
    """What a file says of where it comes from; another program may have written anything there."""
    with suppress(LookupError, TypeError, ValueError):
        if ending(file) == ".png":
            with Pictures.open(file) as picture:
                return json.loads(picture.info["provenance"])
        if ending(file) in TIFF:
            return tiff.read_provenance(file)
        if ending(file) in NIFTI:
            return writer.read_provenance(read_header(file).to_nibabel())
    return None
