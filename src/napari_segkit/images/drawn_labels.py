"""Draw labels over an image, in the colours of their layer."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from napari_segkit.arguments import given
from napari_segkit.config.pictures import Style

from .axes_image import as_image, full_resolution
from .classes import classes_of
from .labels import read_label_arrays
from .pictures import Overlay, Picture, draw_plane
from .types import ImageSource, is_layer
from .value_counts import count_values


def draw_labels(
    image: ImageSource,
    labels: ImageSource,
    style: Style = "colours",
    *,
    axes: str | None = None,
    plane: Mapping[str, int] | None = None,
) -> Picture:
    """Draw labels over an image, or cut out what is labelled, at full resolution.

    Intensities are stretched between their 1st and 99th percentile; photographs of 8 bits stay as
    they are. The plane is drawn as a whole, which takes about 60 bytes of memory for each pixel.

    Parameters
    ----------
    image : array-like or napari Image layer
        Grey, RGB or several channels, which get a colour each.
    labels : array-like or napari Labels layer
        In the image's shape without its channel axis; 0 is not drawn. A layer is drawn in its
        colours, which are those of its classes.
    style : str
        "colours": areas, through which the image is seen. "contours". "cutout": the image itself,
        transparent where nothing is labelled and where a class is called background.
    axes : str, optional
        Axes of the image, such as "ZYX". None: as in `Segmenter.fit`.
    plane : dict, optional
        Index along T and Z of the plane that is drawn, such as ``{"Z": 4}``. None: the middle one
        of those that are labelled.

    Returns
    -------
    ndarray
        uint8 ``(Y, X, 3)`` of red, green and blue; ``(Y, X, 4)`` with alpha for "cutout".

    Raises
    ------
    ValueError
        If the labels do not fit the image, or the plane is none of it.
    """
    if style not in get_args(Style):
        choices = ", ".join(map(repr, get_args(Style)))
        raise ValueError(f"style is {given(style)}; choose one of {choices}.")
    shape = full_resolution(labels, "labels").shape
    read = as_image(image, axes, labels_shape=shape)
    if plane is not None and plane not in list(read.frames(2)):
        raise ValueError(
            f"plane is {given(plane)}, and {read.name} has the axes {read.axes} and the shape "
            f"{tuple(read.shape)}: give an index along each of its axes T and Z."
        )
    (values,) = read_label_arrays([labels], [read])
    present = count_values(values)[0].tolist()
    named = {c.name.lower(): c.value for c in classes_of(labels, present)}
    hidden = named.get("background") if style == "cutout" else None
    return draw_plane(read, Overlay(values, _colors(labels, present), style, hidden), plane)


def _colors(labels: ImageSource, present: Sequence[int]) -> dict[int, str]:
    """Colours that a layer shows its values in; of arrays those of the palette."""
    if not (is_layer(labels) and hasattr(getattr(labels, "colormap", None), "map")):
        return {c.value: c.color for c in classes_of(labels, present)}
    colors = labels.colormap.map(np.asarray(present))  # type: ignore[attr-defined]
    rgb = (255 * np.asarray(colors)[:, :3]).round().astype(np.uint8)
    return {value: f"#{each.tobytes().hex()}" for value, each in zip(present, rgb, strict=True)}
