"""Which image the layers of a viewer belong to."""

import re
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import normalize

from napari.layers import Image, Labels, Layer

from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.axis_guess import guess_axes, layer_axes
from napari_segkit.images.geometry import apart
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.levels import level_like
from napari_segkit.io.name_words import IMAGE_WORDS, PREDICTION_WORDS, strip_word

from .layer_registry import LayerRegistry

WORDS = (*IMAGE_WORDS, *PREDICTION_WORDS, "scribbles", "objects", "refined")
NUMBER = re.compile(r" \[\d+\]$")  # napari numbers equal names
MADE_FROM_RESULTS = ("refined", "probability", "uncertainty")  # not from an image
MASK_KIND = "masks of"
CHOSEN, NAMED, SHAPED = range(3)  # how a layer belongs to an image; the first is the surest
ELSEWHERE = -1  # it belongs to another one


def is_result(layer: Layer) -> bool:
    """Whether this package computed the layer."""
    return bool(LayerMetadata.of(layer).kind)


def is_mask(layer: Layer) -> bool:
    """Whether a layer has the values of classes for other programs."""
    return LayerMetadata.of(layer).kind.startswith(MASK_KIND)


def images_in(registry: LayerRegistry) -> list[Image]:
    """The images of the viewer, topmost first; not those that are results."""
    layers = reversed(registry.viewer.layers)
    return [x for x in layers if isinstance(x, Image) and not is_result(x)]


def rank_of(
    registry: LayerRegistry, layer: Layer, image: Image, *, axes: str | None = None
) -> int | None:
    """How surely a layer belongs to an image, lower is better; None: to another, or to none.

    It belongs to the image it was made from or chosen for; else to the one with its name; else to
    those in its place that have its shape. What was made from an image that is no longer open
    belongs to an image of its name only. `axes` are those of the image.
    """
    return _rank(registry, layer, image, axes, images_in(registry))


def _rank(
    registry: LayerRegistry,
    layer: Layer,
    image: Image,
    axes: str | None,
    images: Sequence[Image],
) -> int | None:
    """`rank_of` among the images of the viewer; what is slow comes last."""
    shape, others = label_shape(layer), [x for x in images if x is not image and x is not layer]
    if not _may_fit(shape, image):
        return None
    surest = _by_record(registry, layer, image)
    surest = _by_name(layer, image, others) if surest is None else surest
    if surest == ELSEWHERE or (found := _as_image_of(shape, image, axes)) is None:
        return None
    if surest is not None:
        return surest
    distance = _distance(layer, image, found.axes)
    fitting = ((x, _as_image_of(shape, x, None)) for x in others if distance)
    if any(fit and _distance(layer, x, fit.axes) < distance for x, fit in fitting):
        return None
    return SHAPED + distance


def _by_record(registry: LayerRegistry, layer: Layer, image: Image) -> int | None:
    """Rank by what a layer was made from or chosen for; None: that is not known."""
    own, origin = str(image.unique_id), first_result(registry, layer)
    record, chosen = LayerMetadata.of(origin), registry.images_of(layer)
    if own == record.source or own in chosen:
        return CHOSEN
    if not record.source:
        return ELSEWHERE if chosen and _subject(layer) != _subject(image) else None
    is_closed = record.source not in _by_id(registry)
    if is_closed and record.kind in MADE_FROM_RESULTS:
        return None
    return NAMED if is_closed and _subject(origin) == _subject(image) else ELSEWHERE


def _by_name(layer: Layer, image: Image, others: Sequence[Image]) -> int | None:
    """Rank by the names of the layer and of all images; None: they say nothing."""
    if _subject(layer) == _subject(image):
        return NAMED
    return ELSEWHERE if any(_subject(layer) == _subject(x) for x in others) else None


def image_of(registry: LayerRegistry, layer: Layer, current: Image | None) -> Image | None:
    """The image a layer belongs to: the current one, if it may be; None: there is none."""
    images = images_in(registry)
    candidates = sorted(images, key=lambda image: image is not current)
    ranks = ((_rank(registry, layer, x, None, images), x) for x in candidates)
    found = [(rank, x) for rank, x in ranks if rank is not None]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def share_image(registry: LayerRegistry, layer: Layer, other: Layer) -> bool:
    """Whether two layers may belong to one image; also where the image is not open."""
    images = images_in(registry)
    own = [x for x in images if _rank(registry, layer, x, None, images) is not None]
    return not own or any(_rank(registry, other, x, None, images) is not None for x in own)


def pairing_note(registry: LayerRegistry, layer: Layer, image: Image) -> str:
    """What to know about a layer that belongs to another image of its shape; else empty."""
    fitting = _as_image_of(label_shape(layer), image, None) is not None
    if not fitting or rank_of(registry, layer, image) is not None:
        return ""
    source = LayerMetadata.of(first_result(registry, layer)).source
    made_from = _by_id(registry).get(source)
    origin = f"was made from {made_from.name}" if made_from else "seems to belong to another image"
    return f"{layer.name} {origin}, not {image.name}: the result has the edges of {image.name}."


def label_shape(layer: Layer) -> tuple[int, ...]:
    """Shape of labels, or of the image of stacked class probabilities."""
    shape = tuple(full_resolution(layer).shape)
    stacked = isinstance(layer, Image) and not is_result(layer)
    return shape[1:] if stacked else shape


def fits(labels: Labels, image: Image, axes: str | None) -> bool:
    """Whether labels have the shape of an image, with or without its channels."""
    return _as_image_of(tuple(full_resolution(labels).shape), image, axes) is not None


def first_result(registry: LayerRegistry, layer: Layer) -> Layer:
    """The result that a layer was first made from, as far as they are open; or the layer itself."""
    if not LayerMetadata.of(layer).source:
        return layer
    by_id = _by_id(registry)
    while (source := by_id.get(LayerMetadata.of(layer).source)) and LayerMetadata.of(source).source:
        layer = source
    return layer


def _by_id(registry: LayerRegistry) -> dict[str, Layer]:
    return {str(x.unique_id): x for x in registry.viewer.layers}


def _as_image_of(shape: tuple[int, ...], image: Image, axes: str | None) -> AxesImage | None:
    """The image, if labels of this shape fit it."""
    try:
        found = as_image(image, axes or _axes_of(image, shape), labels_shape=shape)
    except (TypeError, ValueError):  # the axes are asked for elsewhere
        return None
    return found if shape in (found.label_shape, found.shape) else None


def _may_fit(shape: tuple[int, ...], image: Image) -> bool:
    """Whether an image or a level of it has the shape of labels, with or without one axis more."""
    full = _full_shape(image, shape)
    return shape == full or any(shape == full[:i] + full[i + 1 :] for i in range(len(full)))


def _full_shape(image: Image, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of an image with its channels, or of the level that has labels of this shape."""
    return tuple(full_resolution(image, level=level_like(image, shape)).shape)


def _axes_of(image: Image, shape: tuple[int, ...]) -> str | None:
    """Axes of an image whose channels the labels do not have, however many; else None."""
    whole = _full_shape(image, shape)
    axes = layer_axes(image, len(whole)) or guess_axes(whole, shape, rgb=image.rgb)
    return axes if "C" in axes else None


def _subject(layer: Layer) -> str:
    return _subject_of(layer.name)


@lru_cache(maxsize=1024)  # each choice of a layer ranks all layers
def _subject_of(name: str) -> str:
    """The name of a layer without words such as "labels"."""
    name = normalize("NFC", name).casefold()
    plain = NUMBER.sub("", name)
    while (shorter := strip_word(plain, WORDS)) not in ("", plain):
        name = plain = shorter
    return name


def _distance(layer: Layer, image: Image, axes: str) -> int:
    """How far a layer is from an image that it fits; 0: in the same place, no axis guessed."""
    is_apart = apart(image, layer, axes) is not None
    return 2 * is_apart + ("C" in axes and not image.rgb)
