"""Visible region of a layer, and its refinement for the preview."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Layer
from napari.viewer import Viewer

from napari_segkit._qt.layers.canvas_coordinates import canvas_to_data
from napari_segkit.images.axes_image import SPATIAL, AxesImage, full_resolution
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.jobs.refine import RefineRequest

if TYPE_CHECKING:
    from napari_segkit.images.intensity import Statistics
    from napari_segkit.instances.candidates import SoftMasks

MAX_PIXELS = 2**20
MAX_DEPTH = 4  # slices used above and below
MAX_OBJECTS = 50
MAX_TILES = 4  # superpixel tiles: those that meet in a corner
SHRINK = 0.95


@dataclass(frozen=True)
class ViewRegion:
    """Visible region of a layer, in pixels of the full resolution."""

    frame: dict[str, int]  # such as {"T": 0}
    region: tuple[slice, ...]  # (Y, X) or (Z, Y, X)


@dataclass(frozen=True, eq=False)
class MeasuredIntensities:
    """Intensity statistics of an entire image, and the input they were measured from."""

    pixels: LazyArray
    axes_and_ndim: tuple[str, int]
    statistics: "Statistics"


@dataclass(frozen=True)
class PreviewResult:
    """Refined labels, and the index of their region in the layer."""

    index: tuple[int | slice, ...]
    labels: AnyArray
    intensities: MeasuredIntensities | None
    text: str


def visible_region(
    viewer: Viewer, layer: Layer, request: RefineRequest, image: AxesImage
) -> ViewRegion:
    """Visible region of the source layer; ValueError unless one 2D slice is shown."""
    axes, ndim = image.label_axes, request.ndim(image)
    leading = layer.ndim - len(axes)
    point = canvas_to_data(layer, viewer.dims.point, viewer.dims.displayed)[leading:]
    corners = layer.corner_pixels[:, leading:] * _downsampling(layer)[leading:]
    shown = [d - (viewer.dims.ndim - layer.ndim) - leading for d in viewer.dims.displayed]
    plane = {axes[d] for d in shown if d >= 0}
    if len(shown) != 2 or len(plane) != 2 or not plane <= set(SPATIAL[-ndim:]):
        view = "a slice" if ndim == 3 else "rows and columns (Y X)"
        raise ValueError(f"The preview works in 2D only: show {view} of the layer in 2D.")
    slices = {}
    for name, length, position, (low, high) in zip(
        axes, image.label_shape, point, corners.T, strict=True
    ):
        low, high = (low, high + 1) if name in plane else (round(position), round(position) + 1)
        start = int(np.clip(low, 0, length - 1))
        slices[name] = slice(start, int(np.clip(high, start + 1, length)))
    region = tuple(slices.get(a, slice(0, 1)) for a in SPATIAL[-ndim:])
    return ViewRegion({a: s.start for a, s in slices.items() if a not in SPATIAL[-ndim:]}, region)


def refine_view(
    request: RefineRequest,
    image: AxesImage,
    view: ViewRegion,
    intensities: MeasuredIntensities | None,
) -> PreviewResult:
    """Refine the visible region; slow. `intensities` of an earlier call are reused."""
    from napari_segkit.devices import leave_a_core

    leave_a_core()
    intensities = _measure_intensities(request, image, len(view.region), intensities)
    refine = _refine_classes if request.source.objects is None else _refine_objects
    statistics = None if intensities is None else intensities.statistics
    labels, region, text = refine(request, image, view, statistics)
    return PreviewResult(
        image.array_index(view.frame, region, image.label_axes), labels, intensities, text
    )


def _measure_intensities(
    request: RefineRequest, image: AxesImage, ndim: int, before: MeasuredIntensities | None
) -> MeasuredIntensities | None:
    """Measure intensities, if there is an image; `before` is reused for the same array and axes."""
    from napari_segkit.images.intensity import measure_statistics

    if request.image is None:
        return None
    pixels = full_resolution(request.image)
    if before is None or before.pixels is not pixels or before.axes_and_ndim != (image.axes, ndim):
        return MeasuredIntensities(pixels, (image.axes, ndim), measure_statistics([image], ndim))
    return before


def _refine_classes(
    request: RefineRequest, image: AxesImage, view: ViewRegion, statistics: "Statistics | None"
) -> tuple[AnyArray, tuple[slice, ...], str]:
    from napari_segkit.refinement.preview_region import limit_to_tiles, refine_region
    from napari_segkit.refinement.probability_maps import ProbabilityMaps
    from napari_segkit.refinement.smooth import smoothing_method

    maps = ProbabilityMaps(request.source.probabilities(), image, statistics)
    region, margin = limit_size(
        view.region, smoothing_method(request.config.smoother, maps.spacing).halo(), maps.spatial
    )
    region = limit_to_tiles(maps, region, request.config, MAX_TILES)
    config, values = request.config, request.source.values
    labels = refine_region(
        maps, view.frame, region, config, values, device=request.device, margin=margin
    )
    sides = [along.stop - along.start for along in region]
    size = " x ".join(str(side) for side in sides if side > 1) or "1"
    text = f"Preview of {size} pixels."
    if region != view.region:
        text = f"Preview of the central {size} pixels: zoom in to preview the full view."
    return _to_image_axes(labels, image.label_axes), region, text


def _refine_objects(
    request: RefineRequest, image: AxesImage, view: ViewRegion, statistics: "Statistics | None"
) -> tuple[AnyArray, tuple[slice, ...], str]:
    """Smooth the visible objects with the highest scores; ids and colours are kept."""
    from napari_segkit.instances.candidates import MaskCandidates, render_labels
    from napari_segkit.refinement.instances import smooth_objects
    from napari_segkit.steps import drain

    objects = request.source.objects
    assert objects is not None
    assert isinstance(objects.candidates, MaskCandidates)
    if objects.image.orientation != image.orientation:
        raise ValueError(
            "The image has another orientation than the objects: choose the image that they were "
            "predicted from."
        )
    frame_index = list(image.frames(2)).index(view.frame)
    visible = _visible_candidates(
        objects.candidates.frames[frame_index], view.region, objects.config.score
    )
    if request.config.smoother is not None:
        steps = smooth_objects(
            visible,
            image,
            view.frame,
            request.config.smoother,
            statistics=statistics,
            device=request.device,
        )
        visible = drain(steps)
    rendered = render_labels(visible, image.spatial_shape(2), objects.config)[0][view.region]
    index = image.array_index(view.frame, view.region, image.label_axes)
    before = objects.labels[index]
    count = int(np.count_nonzero(np.bincount(rendered.ravel())[1:]))
    text = f"Preview of {count} object{'s' * (count != 1)}."
    return _restore_ids(rendered, before), view.region, text


def _visible_candidates(
    candidates: "SoftMasks", region: Sequence[slice], score: float
) -> "SoftMasks":
    (top, bottom), (left, right) = ((along.start, along.stop) for along in region)
    x0, y0, x1, y1 = candidates.boxes.T
    inside = (x1 > left) & (x0 < right) & (y1 > top) & (y0 < bottom)
    return candidates.take(np.flatnonzero(inside & (candidates.scores >= score))[:MAX_OBJECTS])


def _restore_ids(rendered: AnyArray, before: AnyArray) -> AnyArray:
    """Give each object the id that most of its pixels had before."""
    ids = np.zeros(int(rendered.max()) + 1, np.int32)
    for new in range(1, len(ids)):
        counts = np.bincount(before[rendered == new], minlength=1)
        counts[0] = 0
        ids[new] = counts.argmax() or before.max() + new
    return ids[rendered]


def _to_image_axes(labels: AnyArray, axes: str) -> AnyArray:
    """Transpose labels from (Y, X) or (Z, Y, X) to the axes order of the image."""
    along = SPATIAL[-labels.ndim :]
    labels = labels.squeeze(tuple(i for i, a in enumerate(along) if a not in axes))
    present = [a for a in along if a in axes]
    return labels.transpose([present.index(a) for a in axes if a in present])


def limit_size(
    region: Sequence[slice], radius: Sequence[int], lengths: Sequence[int]
) -> tuple[tuple[slice, ...], list[int]]:
    """Shrink a region around its centre, and its margin, to at most `MAX_PIXELS`."""
    sides = np.array([along.stop - along.start for along in region])
    flat = sides > 1
    margin = np.where(flat, radius, np.minimum(radius, MAX_DEPTH))
    thick = np.prod(np.where(flat, 1, 2 * margin + 1))
    while np.prod(sides) * thick > MAX_PIXELS and sides.max() > 1:
        longest = sides.argmax()
        sides[longest] = max(1, int(sides[longest] * SHRINK))
    starts = [(a.start + a.stop - int(n)) // 2 for a, n in zip(region, sides, strict=True)]
    middle = tuple(slice(a, a + int(n)) for a, n in zip(starts, sides, strict=True))
    while (
        np.prod(np.minimum(lengths, sides + 2 * margin)) > 2 * MAX_PIXELS
        and (margin[flat] > 0).any()
    ):
        margin = np.where(flat, margin // 2, margin)
    return middle, [int(m) for m in margin]


def _downsampling(layer: Layer) -> AnyArray:
    """Downsampling factors of the displayed level, per dimension."""
    if not layer.multiscale:
        return np.ones(layer.ndim)
    return np.asarray(layer.downsample_factors[layer.data_level])
