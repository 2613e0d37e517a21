"""Which image the layers of a viewer belong to."""

import re
from collections.abc import Sequence
from unicodedata import normalize

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_segkit.images.axes_image import (
    AxesImage,
    as_image,
    full_resolution,
    guess_axes,
    layer_axes,
)
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.placement import data_to_world
from napari_segkit.images.types import AnyArray, LayerOptions
from napari_segkit.io.name_words import IMAGE_WORDS, PREDICTION_WORDS, strip_word

from .layer_registry import LayerRegistry
from .snapshots import placement

WORDS = (*IMAGE_WORDS, *PREDICTION_WORDS, "scribbles", "objects", "refined")
NUMBER = re.compile(r" \[\d+\]$")  # napari numbers equal names
MADE_FROM_RESULTS = ("refined", "probability")  # not from an image
CHOSEN, NAMED, SHAPED = range(3)  # how a layer belongs to an image; the first is the surest


def images_in(registry: LayerRegistry) -> list[Image]:
    """The images of the viewer, topmost first; not those that are results."""
    layers = reversed(registry.viewer.layers)
    return [x for x in layers if isinstance(x, Image) and not LayerMetadata.of(x).kind]


def rank_of(
    registry: LayerRegistry, layer: Layer, image: Image, *, axes: str | None = None
) -> int | None:
    """How surely a layer belongs to an image, lower is better; None: to another, or to none.

    It belongs to the image it was made from or chosen for; else to the one with its name; else to
    those in its place that have its shape. `axes` are those of the image.
    """
    shape = label_shape(layer)
    if _as_image_of(shape, image, axes) is None:
        return None
    own = str(image.unique_id)
    made_from, chosen = first_source(registry, layer), registry.images_of(layer)
    if own == made_from or own in chosen:
        return CHOSEN
    if made_from:
        return None
    if _subject(layer) == _subject(image):
        return NAMED
    others = [x for x in images_in(registry) if x is not image and x is not layer]
    if chosen or any(_subject(layer) == _subject(x) for x in others):
        return None
    distance = _distance(layer, shape, image, axes)
    nearer = (x for x in others if distance and _as_image_of(shape, x, None) is not None)
    if any(_distance(layer, shape, x, None) < distance for x in nearer):
        return None
    return SHAPED + distance


def image_of(registry: LayerRegistry, layer: Layer, current: Image | None) -> Image | None:
    """The image a layer belongs to: the current one, if it may be; None: there is none."""
    images = images_in(registry)
    candidates = sorted(images, key=lambda image: image is not current)
    ranks = ((rank_of(registry, layer, x), x) for x in candidates)
    found = [(rank, x) for rank, x in ranks if rank is not None]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def share_image(registry: LayerRegistry, layer: Layer, other: Layer) -> bool:
    """Whether two layers may belong to one image; also where the image is not open."""
    images = [x for x in images_in(registry) if rank_of(registry, layer, x) is not None]
    return not images or any(rank_of(registry, other, x) is not None for x in images)


def pairing_note(registry: LayerRegistry, layer: Layer, image: Image) -> str:
    """What to know about a layer that belongs to another image of its shape; else empty."""
    fitting = _as_image_of(label_shape(layer), image, None) is not None
    if not fitting or rank_of(registry, layer, image) is not None:
        return ""
    source = first_source(registry, layer)
    made_from = [x.name for x in registry.viewer.layers if str(x.unique_id) == source]
    origin = f"was made from {made_from[0]}" if made_from else "belongs to another image"
    return f"{layer.name} {origin}, not {image.name}: the result has the edges of {image.name}."


def label_shape(layer: Layer) -> tuple[int, ...]:
    """Shape of labels, or of the image of stacked class probabilities."""
    shape = tuple(full_resolution(layer).shape)
    stacked = isinstance(layer, Image) and not LayerMetadata.of(layer).kind
    return shape[1:] if stacked else shape


def fits(labels: Labels, image: Image, axes: str | None) -> bool:
    """Whether labels have the shape of an image, with or without its channels."""
    return _as_image_of(tuple(full_resolution(labels).shape), image, axes) is not None


def first_source(registry: LayerRegistry, layer: Layer) -> str:
    """`unique_id` of the layer that a result was first made from; empty if it is not known."""
    by_id = {str(x.unique_id): x for x in registry.viewer.layers}
    record = LayerMetadata.of(layer)
    while record.source in by_id and (earlier := LayerMetadata.of(by_id[record.source])).source:
        record = earlier
    is_lost = record.kind in MADE_FROM_RESULTS and record.source not in by_id
    return "" if is_lost else record.source


def _as_image_of(shape: tuple[int, ...], image: Image, axes: str | None) -> AxesImage | None:
    """The image, if labels of this shape fit it."""
    try:
        found = as_image(image, axes or _axes_of(image, shape), labels_shape=shape)
    except (TypeError, ValueError):  # the axes are asked for elsewhere
        return None
    return found if shape in (found.label_shape, found.shape) else None


def _axes_of(image: Image, shape: tuple[int, ...]) -> str | None:
    """Axes of an image whose channels the labels do not have, however many; else None."""
    known = layer_axes(image, full_resolution(image).ndim)
    axes = known or guess_axes(image, shape)
    return axes if "C" in axes else None


def _subject(layer: Layer) -> str:
    """The name of a layer without words such as "labels"."""
    name = normalize("NFC", layer.name).casefold()
    plain = NUMBER.sub("", name)
    while (shorter := strip_word(plain, WORDS)) not in ("", plain):
        name = plain = shorter
    return name


def _distance(layer: Layer, shape: tuple[int, ...], image: Image, axes: str | None) -> int:
    """How far a layer is from an image that it fits; 0: in the same place, no axis guessed."""
    found = _as_image_of(shape, image, axes)
    assert found is not None
    kept = [i for i, axis in enumerate(found.axes[: image.ndim]) if axis != "C"]
    kept = kept if len(kept) == layer.ndim else list(range(image.ndim))
    first = layer.ndim - min(layer.ndim, len(kept))
    own = _matrix(layer, range(first, layer.ndim))
    other = _matrix(image, kept)
    elsewhere = own.shape != other.shape or not np.allclose(own, other)
    return 2 * elsewhere + ("C" in found.axes and not image.rgb)


def _matrix(layer: Layer, kept: Sequence[int]) -> AnyArray:
    place = placement(layer, kept)
    options = LayerOptions(
        scale=place["scale"],
        translate=place["translate"],
        rotate=place["rotate"],
        shear=place["shear"],
        affine=place["affine"],
    )
    return data_to_world(options, len(kept))
