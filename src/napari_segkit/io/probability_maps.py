"""Files of probabilities, or of plain labels, that belong to an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_segkit.images.axes_image import AxesImage, full_resolution
from napari_segkit.images.colour_masks import ColourTable
from napari_segkit.images.orientation import reorient
from napari_segkit.images.whole_numbers import integers_if_whole

from .filenames import AnyPath
from .files import nifti_header, read_labels
from .readers import read_source


@dataclass(frozen=True)
class ProbabilityFile:
    """Content of a file: (classes, ...) probabilities or labels."""

    values: Any
    axes: str  # of `values` without the classes; "" if the file does not name them
    is_probabilities: bool
    orientation: str  # as in `AxesImage`

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the classes."""
        return tuple(self.values.shape[self.is_probabilities :])

    def aligned_to(self, image: AxesImage) -> Any:
        """The values in the axes and orientation of an image."""
        axes, leading, values = image.label_axes, int(self.is_probabilities), self.values
        if self.axes and sorted(self.axes) == sorted(axes):
            order = [leading + self.axes.index(a) for a in axes]
            values = values.transpose(*range(leading), *order)
        shape = image.label_shape
        if [n for n in values.shape[leading:] if n > 1] == [n for n in shape if n > 1]:
            values = values.reshape(*values.shape[:leading], *shape)
        return reorient(values, axes, self.orientation, image.orientation)


def read_probability_file(path: AnyPath, colours: ColourTable | None = None) -> ProbabilityFile:
    """Read probabilities (floating point with classes first or an axis C) or labels (integers).

    `colours` as in `read_labels`.
    """
    file = Path(path)
    source, stored_axes, _ = read_source(file, labels=False)
    values: Any = full_resolution(source)
    header = nifti_header(file)
    axes = header.layer_axes if header else stored_axes or ""
    orientation = header.orientation if header else ""
    is_float = np.issubdtype(values.dtype, np.floating)
    if is_float and axes and "C" not in axes:  # NIfTI takes the classes of a plane for Z
        whole = integers_if_whole(np.asarray(values))
        is_float = np.issubdtype(whole.dtype, np.floating)
        axes = axes.replace(axes[0], "C") if is_float else axes
    if not is_float:
        return ProbabilityFile(
            read_labels(file, colours=colours), axes.replace("C", ""), False, orientation
        )
    values = np.moveaxis(values, axes.index("C") if axes else 0, 0)
    return ProbabilityFile(values, axes.replace("C", ""), True, orientation)
