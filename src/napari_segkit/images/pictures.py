"""Pictures for a person to look at: images with labels over them, side by side in a grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config.pictures import Style

from .axes_image import AxesImage
from .classes import LabelClass, default_color
from .intensity import measure_statistics, white_of
from .labels import rank_values
from .types import AnyArray
from .value_counts import count_values

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageDraw import ImageDraw

Picture = NDArray[np.uint8]  # (Y, X, 3), or 4 with alpha

SIZE = 256  # pixels of a picture along its longer side
DETAIL = 4  # an image is read with so many times as many
AROUND = 16  # pixels around a mask
GAP = 6  # pixels between pictures
TEXT = 18  # height of a line
PAPER, INK = (24, 26, 30), (225, 225, 225)
OPACITY = 0.6  # of labels over an image
CONTOUR = 1 / 1000  # width of contours, of the longer side
CHANNEL_COLORS = ("#00ffff", "#ff00ff", "#ffff00", "#ff0000", "#00ff00", "#0000ff")


@dataclass(frozen=True, eq=False)
class Overlay:
    """Labels that are drawn over an image.

    Parameters
    ----------
    values : ndarray
        Class values, or object ids, in the shape of the image without its channel axis. 0 and
        negative values are not drawn.
    colors : mapping
        Label value to colour, "#rrggbb"; others take that of the palette.
    style : str
        "colours": areas, through which the image is seen. "contours". "cutout": the image itself,
        transparent where nothing is drawn.
    unlabelled : int or None
        A further value that is not drawn.
    """

    values: AnyArray
    colors: Mapping[int, str]
    style: Style = "colours"
    unlabelled: int | None = None


def overlay_of_classes(values: AnyArray, classes: Sequence[LabelClass], style: Style) -> Overlay:
    """Class values in the colours of their classes; one called background is not cut out."""
    names = {c.name.lower(): c.value for c in classes}
    hidden = names.get("background") if style == "cutout" else None
    return Overlay(values, {c.value: c.color for c in classes}, style, hidden)


def pictures_of(
    image: AxesImage,
    overlays: Sequence[Overlay],
    *,
    alone: bool = True,
    within: AnyArray | None = None,
    stretch: bool = True,
    size: int = SIZE,
) -> list[Picture]:
    """The image `alone`, then with each of the overlays; of a stack or volume, one plane.

    It is the middle one of the planes that are labelled in the first overlay. `within` is a mask in
    the shape of the labels: only the box around its pixels is shown. Without `stretch`, intensities
    range from 0 to 1.
    """
    labels = [AxesImage(o.values, image.label_axes) for o in overlays]
    mask = None if within is None else AxesImage(within, image.label_axes)
    frame = _middle_plane(image, mask or (labels[0] if labels else None))
    region = _box(image, frame, mask)
    step = max(1, max(s.stop - s.start for s in region) // (DETAIL * size))
    region = [slice(s.start, s.stop, step) for s in region]
    shown = _display(image.read(frame, region), is_rgb=image.is_rgb, stretch=stretch)
    drawn = [
        _drawn(shown, each.read(frame, region)[0], overlay, size)
        for each, overlay in zip(labels, overlays, strict=True)
    ]
    return [_resized(shown, size), *drawn] if alone else drawn


def draw_plane(
    image: AxesImage, overlay: Overlay, plane: Mapping[str, int] | None = None
) -> Picture:
    """A plane of an image with labels over it, in full; None: the middle one of those labelled."""
    labels = AxesImage(overlay.values, image.label_axes)
    frame = _middle_plane(image, labels) if plane is None else dict(plane)
    region = [slice(0, n) for n in image.spatial_shape(2)]
    shown = _display(image.read(frame, region), is_rgb=image.is_rgb, stretch=True)
    return _drawn(shown, labels.read(frame, region)[0], overlay, None)


def grid(rows: Sequence[Sequence[tuple[str, Picture]]]) -> Picture:
    """Rows of pictures, each with its caption above it."""
    from PIL import Image, ImageDraw

    pitch = GAP + max(picture.shape[1] for row in rows for _, picture in row)
    heights = [TEXT + GAP + max(len(picture) for _, picture in row) for row in rows]
    width = GAP + pitch * max(map(len, rows))
    canvas = Image.new("RGB", (width, GAP + sum(heights)), PAPER)
    draw = ImageDraw.Draw(canvas)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        for column, (caption, picture) in enumerate(row):
            left = GAP + column * pitch
            draw.text((left, top), _shortened(caption, pitch - GAP, draw), fill=INK)
            canvas.paste(Image.fromarray(picture), (left, top + TEXT))
        top += height
    return np.asarray(canvas)


def in_columns(pictures: Sequence[tuple[str, Picture]], columns: int) -> Picture:
    """A grid of pictures, one after the other."""
    starts = range(0, len(pictures), columns)
    return grid([pictures[start : start + columns] for start in starts])


def _middle_plane(image: AxesImage, labels: AxesImage | None) -> dict[str, int]:
    """Index of the plane that is shown."""
    planes = list(image.frames(2))
    if len(planes) > 1 and labels is not None and isinstance(labels.data, np.ndarray):
        labelled = [p for p, (values,) in labels.read_frames(2) if (values > 0).any()]
        planes = labelled or planes
    return planes[len(planes) // 2]


def _box(image: AxesImage, frame: dict[str, int], mask: AxesImage | None) -> list[slice]:
    """The whole plane, or what a mask needs of it, with some pixels around."""
    shape = image.spatial_shape(2)
    whole = [slice(0, n) for n in shape]
    if mask is None or not (inside := mask.read(frame, whole)[0]).any():
        return whole
    places = [np.flatnonzero(inside.any(axis=1 - axis)) for axis in range(2)]
    return [
        slice(max(0, int(at[0]) - AROUND), min(n, int(at[-1]) + 1 + AROUND))
        for at, n in zip(places, shape, strict=True)
    ]


def _display(pixels: AnyArray, *, is_rgb: bool, stretch: bool) -> Picture:
    """(C, Y, X) pixels of any dtype as colours; photographs as they are, others stretched."""
    if is_rgb and pixels.dtype == np.uint8:
        return np.moveaxis(pixels, 0, -1)
    scaled = _stretched(pixels, together=is_rgb) if stretch else pixels
    if is_rgb:
        colors = np.eye(3)
    elif len(scaled) == 1:
        colors = np.ones((1, 3))
    else:
        scaled = scaled[: len(CHANNEL_COLORS)]
        colors = np.array([_rgb(c) for c in CHANNEL_COLORS[: len(scaled)]]) / 255
    mixed = np.einsum("cyx,cr->yxr", scaled, colors)
    return (255 * mixed.clip(0, 1)).astype(np.uint8)


def _stretched(pixels: AnyArray, *, together: bool) -> NDArray[np.float32]:
    """Intensities from 0 to 1 between the 1st and 99th percentile of each channel, or of all."""
    plane = pixels.reshape(1, -1, pixels.shape[-1]) if together else pixels
    scaled = measure_statistics([AxesImage(plane, "CYX")], 2).apply(plane)
    if not np.ptp(scaled):  # a blank plane has no contrast: by its dtype
        scaled = np.nan_to_num(np.asarray(plane, np.float32)) / white_of(pixels.dtype)
    return scaled.reshape(pixels.shape).clip(0, 1)


def _drawn(shown: Picture, values: AnyArray, overlay: Overlay, size: int | None) -> Picture:
    """A picture with labels over it."""
    if overlay.style == "contours":
        return _with_contours(_resized(shown, size).copy(), _nearest(values, size), overlay)
    colors, is_drawn = _colors(values, overlay)
    if overlay.style == "cutout":
        return _resized(np.dstack([shown, np.uint8(255) * is_drawn]), size)
    mixed = shown + (colors - shown.astype(np.float32)) * (OPACITY * is_drawn[..., None])
    return _resized(mixed.astype(np.uint8), size)


def _with_contours(picture: Picture, values: AnyArray, overlay: Overlay) -> Picture:
    from scipy import ndimage
    from skimage import segmentation

    colors, is_drawn = _colors(values, overlay)
    edges = segmentation.find_boundaries(values, mode="inner")  # type: ignore[no-untyped-call]
    if (more := round(CONTOUR * max(values.shape)) - 1) > 0:
        edges = ndimage.binary_dilation(edges, iterations=more)
    edges &= is_drawn
    picture[edges] = colors[edges]
    return picture


def _colors(values: AnyArray, overlay: Overlay) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colour of each label, and whether it is drawn."""
    values = np.maximum(values, 0)
    present, _ = count_values(values)
    index = rank_values(values, present)
    colors = [overlay.colors.get(v, default_color(v)) for v in present.tolist()]
    table = np.array([_rgb(color) for color in colors], np.uint8)
    return table[index], ((present > 0) & (present != overlay.unlabelled))[index]


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


def _resized(picture: Picture, size: int | None) -> Picture:
    """A picture of `size` along its longer side; pixels of a small one stay squares."""
    if size is None:
        return picture
    from PIL import Image

    return np.asarray(_fitted(Image.fromarray(picture), size, Image.Resampling.BOX))


def _nearest(values: AnyArray, size: int | None) -> AnyArray:
    if size is None:
        return values
    from PIL import Image

    index = np.unique(values, return_inverse=True)
    small = Image.fromarray(index[1].reshape(values.shape).astype(np.int32))
    return index[0][np.asarray(_fitted(small, size, Image.Resampling.NEAREST))]


def _fitted(image: "PillowImage", size: int, resampling: int) -> "PillowImage":
    scale = size / max(image.size)
    width, height = (max(1, round(scale * n)) for n in image.size)
    return image.resize((width, height), resampling)


def _shortened(text: str, width: int, draw: "ImageDraw") -> str:
    """A text cut to a width; the end of a file's name tells more than its start."""
    while len(text) > 1 and draw.textlength(text) > width:
        text = "…" + text[2:]
    return text
