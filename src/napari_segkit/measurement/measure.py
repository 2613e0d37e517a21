"""Measurements of labels, block by block: `measure`, and the generator behind it."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import MeasureBy, MeasureConfig
from napari_segkit.images.types import AnyArray, ImageSource, is_layer
from napari_segkit.steps import Step, drain, map_steps

from .counting import FrameCounts, block_counts, regions_of
from .sources import MeasureSource, open_source, with_components
from .table import make_table

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Measurement:
    """The table of measurements, and what leads from its rows to the pixels.

    `source_of` is the number of the labels of each row, `axes` are those of all labels.
    `components` have the number of the connected component at each pixel, if these were measured.
    """

    table: "DataFrame"
    source_of: NDArray[np.intp]
    axes: tuple[str, ...]
    components: tuple[AnyArray, ...]


def measure(
    labels: ImageSource | Sequence[ImageSource],
    image: Any = None,
    *,
    by: MeasureBy = "class",
    unlabelled: int | None = 0,
    slices: bool = False,
    shape: bool = False,
    neighbours: bool = False,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
) -> "DataFrame":
    """Measure labels: sizes, intensities, shapes and neighbours of classes or objects; no truth.

    Arrays of dask and zarr are read block by block, and what lies in several blocks is measured as
    one. Connected components are found in memory; shape properties of a large array read the box
    around each label.

    Parameters
    ----------
    labels : array-like or napari Labels layer, or a list of them
        Non-negative integers. A row of the table names the layer, or the number in the list.
    image : array-like or napari Image layer, or a list of them, optional
        The image below the labels, with or without channels, whose intensities are measured. For
        a list of labels, a list of as many.
    by : {"class", "object", "component"}
        What has a row. "class": each label value. "object": each label value, which is the id of
        an object, with 0 as background. "component": each connected component of a class.
    unlabelled : int or None
        The label value that is not measured. None: every value, but 0 of objects.
    slices : bool
        A row for each Z slice of a volume, instead of one for the volume.
    shape : bool
        Also shape properties of scikit-image's `regionprops`, in world units.
    neighbours : bool
        Also the values that share an edge of a pixel (a face of a voxel).
    axes : str, optional
        One letter of TCZYX for each dimension, of the image if there is one, else of the labels.
        None: of the layers, or guessed.
    spacing : sequence of float, optional
        World units between pixels along Z, Y, X. None: of the labels, else of the image.

    Returns
    -------
    pandas.DataFrame
        A row for each class or object, at each time point T, and each slice Z if asked for, of
        each image of a list. "pixels"; "area", or "volume" in 3D, in the square or cube of "unit"
        ("pixel" where no pixel size is known); "fraction" of all pixels of the volume or slice;
        "y0", "x0", "y1", "x1" (end exclusive; also "z0", "z1"), the bounding box in pixels, and
        "centroid-y", "centroid-x" in world units from the first pixel; "intensity_mean", "_std"
        (divided by n), "_min", "_max" and "_sum" of pixels that are numbers, followed by the
        channel's name or number where there are several. A class that is named or occurs elsewhere
        has a row of 0 pixels where it is absent; what is undefined is nan.

    Raises
    ------
    ValueError
        If labels are no non-negative integers, or do not have the shape of their image.
    """
    config = MeasureConfig(by, unlabelled, slices, shape, neighbours)
    return drain(measurements(_sources(labels, image, axes, spacing), config)).table


def measurements(
    sources: Sequence[MeasureSource], config: MeasureConfig
) -> Generator[Step, None, Measurement]:
    """Measure labels block by block: the generator behind `measure`."""
    opened = [open_source(source) for source in sources]
    steps, total = count(1), sum(len(list(regions_of(each))) for each in opened)
    frames: list[FrameCounts] = []
    source_of: list[int] = []
    for number, each in enumerate(opened):
        opened[number] = with_components(each, config)
        counts = block_counts(opened[number], config)
        found = yield from map_steps(counts, lambda _: Step(next(steps), total))
        frames += found
        source_of += [number] * len(found)
    table, frame_of = make_table(frames, config)
    components = [np.asarray(x.labels.data) for x in opened if config.by == "component"]
    axes = tuple(each.labels.axes for each in opened)
    return Measurement(table, np.array(source_of, np.intp)[frame_of], axes, tuple(components))


def _sources(
    labels: Any, image: Any, axes: str | None, spacing: Sequence[float] | None
) -> list[MeasureSource]:
    """One array or layer, or those of a list, with their images."""
    if not isinstance(labels, list | tuple) or not all(map(_is_array, labels)):
        return [MeasureSource(labels, image, "", axes, spacing)]
    images = [None] * len(labels) if image is None else image
    if not labels or not isinstance(images, list | tuple) or len(images) != len(labels):
        count = len(images) if isinstance(images, list | tuple) else "one"
        raise ValueError(
            f"labels holds {len(labels)} arrays and image {count}: give a list of as many images, "
            "or leave it out."
        )
    names = [getattr(x, "name", "") if is_layer(x) else "" for x in labels]
    return [
        MeasureSource(one, below, name or str(number), axes, spacing)
        for number, (one, below, name) in enumerate(zip(labels, images, names, strict=True))
    ]


def _is_array(source: object) -> bool:
    return is_layer(source) or hasattr(source, "shape")
