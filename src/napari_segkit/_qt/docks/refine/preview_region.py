"""The part of an image that is in view, and what a recipe makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit._qt.layers.canvas_coordinates import place_in
from napari_segkit.images.axes_image import SPATIAL, full_resolution

if TYPE_CHECKING:
    from napari_segkit._qt.session.refine_job import RefineRequest
    from napari_segkit.images.axes_image import AxesImage
    from napari_segkit.images.intensity import Statistics

MOST = 2**20  # pixels at once
DEPTH = 4  # slices above and below that are looked at
OBJECTS = 50  # at once
TILES = 4  # of superpixels: those that meet in a corner
SMALLER = 0.95


@dataclass(frozen=True)
class ViewRegion:
    """What is in view of a layer.

    Parameters
    ----------
    frame : dict of str to int
        Place along the axes that are walked.
    region : tuple of slice
        Along Y X, or Z Y X; one slice where it is not shown.
    """

    frame: dict[str, int]
    region: tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class MeasuredIntensities:
    """What scales the intensities of a whole image, and what it was measured of.

    Parameters
    ----------
    pixels : array-like
        Of the image.
    taken : tuple
        The axes that it was taken for, and spatial dimensions.
    statistics : Statistics
        The ranges of its channels.
    """

    pixels: Any
    taken: tuple[str, int]
    statistics: "Statistics"


@dataclass(frozen=True)
class PreviewResult:
    """What a preview shows.

    Parameters
    ----------
    where : tuple
        An index into the labels.
    labels : ndarray
        The labels there.
    measured : MeasuredIntensities or None
        What scales the intensities; None without an image.
    text : str
        What is shown, in words.
    """

    where: tuple[Any, ...]
    labels: NDArray[Any]
    measured: MeasuredIntensities | None
    text: str


def view_of(viewer: Any, order: "RefineRequest", image: "AxesImage") -> ViewRegion:
    """What is in view of a layer that is refined.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose canvas it is.
    order : RefineRequest
        The last dimensions of what it refines are the image's without channels.
    image : AxesImage
        Names the axes.

    Returns
    -------
    ViewRegion
        In pixels of the full resolution.

    Raises
    ------
    ValueError
        If no plane of it is shown.
    """
    layer, axes, ndim = order.source.layer, image.label_axes, order.ndim(image)
    spare = layer.ndim - len(axes)
    place = place_in(layer, viewer.dims.point, viewer.dims.displayed)[spare:]
    corners = layer.corner_pixels[:, spare:] * _factors(layer)[spare:]
    shown = [d - (viewer.dims.ndim - layer.ndim) - spare for d in viewer.dims.displayed]
    plane = {axes[d] for d in shown if d >= 0}
    if len(shown) != 2 or len(plane) != 2 or not plane <= set(SPATIAL[-ndim:]):
        wanted = "a slice" if ndim == 3 else "rows and columns (Y X)"
        raise ValueError(f"The preview is flat: show {wanted} of the layer, in 2D.")
    ends = {}
    for name, length, here, (low, high) in zip(
        axes, image.without_channels(), place, corners.T, strict=True
    ):
        low, high = (low, high + 1) if name in plane else (round(here), round(here) + 1)
        start = int(np.clip(low, 0, length - 1))
        ends[name] = slice(start, int(np.clip(high, start + 1, length)))
    region = tuple(ends.get(a, slice(0, 1)) for a in SPATIAL[-ndim:])
    return ViewRegion({a: s.start for a, s in ends.items() if a not in SPATIAL[-ndim:]}, region)


def look(
    order: "RefineRequest",
    image: "AxesImage",
    view: ViewRegion,
    measured: MeasuredIntensities | None,
) -> PreviewResult:
    """Refine what is in view; slow.

    Parameters
    ----------
    order : RefineRequest
        What and how.
    image : AxesImage
        Its axes named.
    view : ViewRegion
        What is in view.
    measured : MeasuredIntensities or None
        What was measured before; taken where it is of the very same array.
    """
    from napari_segkit.devices import leave_a_core

    leave_a_core()
    measured = None if order.image is None else _of(order, image, len(view.region), measured)
    see = _classes if order.source.objects is None else _objects
    labels, region, text = see(order, image, view, measured and measured.statistics)
    return PreviewResult(
        image.selection(view.frame, region, image.label_axes), labels, measured, text
    )


def _of(
    order: "RefineRequest", image: "AxesImage", ndim: int, before: MeasuredIntensities | None
) -> MeasuredIntensities:
    """What scales the intensities; measured anew for another array, or other axes of it."""
    from napari_segkit.images.intensity import measure

    pixels = full_resolution(order.image)
    if before is None or before.pixels is not pixels or before.taken != (image.axes, ndim):
        return MeasuredIntensities(pixels, (image.axes, ndim), measure([image], ndim))
    return before


def _classes(
    order: "RefineRequest", image: "AxesImage", view: ViewRegion, statistics: Any
) -> tuple[NDArray[Any], tuple[slice, ...], str]:
    from napari_segkit.refinement.preview_region import in_few_tiles, reach_of, refine_region
    from napari_segkit.refinement.probability_maps import ProbabilityMaps

    maps = ProbabilityMaps(order.source.probabilities(), image, statistics)
    region, margin = fitted(view.region, reach_of(order.config, maps.spacing), maps.spatial)
    region = in_few_tiles(maps, region, order.config, TILES)
    more: Any = {"device": order.device, "margin": margin}
    place = view.frame, region, order.config, order.source.values
    labels = refine_region(maps, *place, **more)
    sides = [along.stop - along.start for along in region]
    size = " x ".join(str(side) for side in sides if side > 1) or "1"
    text = f"Preview of {size} pixels."
    if region != view.region:
        text = f"Preview of the middle, {size} pixels: zoom in to see all that is in view."
    return _as_axes(labels, image.label_axes), region, text


def _objects(
    order: "RefineRequest", image: "AxesImage", view: ViewRegion, statistics: Any
) -> tuple[NDArray[Any], tuple[slice, ...], str]:
    """The surest objects in view, each smoothed, in the colours that they have."""
    from napari_segkit.instances.candidates import draw
    from napari_segkit.refinement.instances import smooth_objects
    from napari_segkit.steps import drain

    objects: Any = order.source.objects
    if objects.image.orientation != image.orientation:
        raise ValueError("There is no preview of objects in a volume that lies another way.")
    number = list(image.frames(2)).index(view.frame)
    near = _in_view(objects.candidates.frames[number], view.region, objects.config.score)
    if order.config.smoother is not None:
        more: Any = {"statistics": statistics, "device": order.device}
        near = drain(smooth_objects(near, image, view.frame, order.config.smoother, **more))
    drawn = draw(near, image.spatial(2), objects.config)[0][view.region]
    where = image.selection(view.frame, view.region, image.label_axes)
    before = objects.labels[where]
    count = int(np.count_nonzero(np.bincount(drawn.ravel())[1:]))
    text = f"Preview of {count} object{'s' * (count != 1)}."
    return _numbered(drawn, before), view.region, text


def _in_view(candidates: Any, region: Sequence[slice], score: float) -> Any:
    (top, bottom), (left, right) = ((along.start, along.stop) for along in region)
    x0, y0, x1, y1 = candidates.boxes.T
    inside = (x1 > left) & (x0 < right) & (y1 > top) & (y0 < bottom)
    return candidates.take(np.flatnonzero(inside & (candidates.scores >= score))[:OBJECTS])


def _numbered(drawn: NDArray[Any], before: NDArray[Any]) -> NDArray[Any]:
    """Objects with the numbers that they had: of each, the one that most of its pixels have."""
    numbers = np.zeros(int(drawn.max()) + 1, np.int32)
    for new in range(1, len(numbers)):
        counts = np.bincount(before[drawn == new], minlength=1)
        counts[0] = 0
        numbers[new] = counts.argmax() or before.max() + new
    return numbers[drawn]


def _as_axes(labels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Labels along Y X or Z Y X in an image's own order of axes."""
    along = SPATIAL[-labels.ndim :]
    labels = labels.squeeze(tuple(i for i, a in enumerate(along) if a not in axes))
    left = [a for a in along if a in axes]
    return labels.transpose([left.index(a) for a in axes if a in left])


def fitted(
    region: Sequence[slice], reach: Sequence[int], lengths: Sequence[int]
) -> tuple[tuple[slice, ...], list[int]]:
    """The middle of a region and a margin around it, together not too large to wait for.

    Parameters
    ----------
    region : sequence of slice
        What is in view.
    reach : sequence of int
        The margin that would be right.
    lengths : sequence of int
        Of the image.

    Returns
    -------
    tuple
        The region, and the margin along each axis.
    """
    sides = np.array([along.stop - along.start for along in region])
    flat = sides > 1
    margin = np.where(flat, reach, np.minimum(reach, DEPTH))
    thick = np.prod(np.where(flat, 1, 2 * margin + 1))
    while np.prod(sides) * thick > MOST and sides.max() > 1:
        longest = sides.argmax()
        sides[longest] = max(1, int(sides[longest] * SMALLER))
    starts = [(a.start + a.stop - int(n)) // 2 for a, n in zip(region, sides, strict=True)]
    middle = tuple(slice(a, a + int(n)) for a, n in zip(starts, sides, strict=True))
    while np.prod(np.minimum(lengths, sides + 2 * margin)) > 2 * MOST and (margin[flat] > 0).any():
        margin = np.where(flat, margin // 2, margin)
    return middle, [int(m) for m in margin]


def _factors(layer: Any) -> NDArray[Any]:
    """How many pixels of the full resolution one of the level in view is, along each dimension."""
    if not layer.multiscale:
        return np.ones(layer.ndim)
    return np.asarray(layer.downsample_factors[layer.data_level])
