"""A prediction and its truth, as arrays, layers or objects, and lists of them."""

from dataclasses import dataclass
from typing import Any

from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.types import ImageSource, is_layer

from .metric import LabelSource
from .slab_reader import get_labels


@dataclass(frozen=True)
class LabelPair:
    """A prediction and its truth; the name of the image, if it has one."""

    prediction: LabelSource
    truth: LabelSource
    name: str | None = None
    apart: str | None = None  # how they differ in place; of layers it is found out
    group: str | None = None
    image: ImageSource | None = None  # to recognise what a model was trained on
    spacing: tuple[float, ...] | None = None  # of a file, along Z Y X or Y X


def as_pairs(prediction: LabelSource, truth: LabelSource, images: object = None) -> list[LabelPair]:
    """The pairs of one prediction and truth, or of two lists of them, with their images."""
    predictions, truths = _as_list(prediction), _as_list(truth)
    if predictions is None and truths is None:
        return [as_pair(prediction, truth, _only_image(images))]
    if not predictions or not truths or len(predictions) != len(truths):
        lengths = ["one array" if s is None else len(s) for s in (predictions, truths)]
        raise ValueError(
            f"prediction holds {lengths[0]} and truth {lengths[1]}: give one of each, or two lists "
            "of the same length."
        )
    every = _as_list(images) if images is not None else [None] * len(truths)
    if every is None or len(every) != len(truths):
        count = "one image" if every is None else f"{len(every)} images"
        raise ValueError(f"images holds {count} and truth {len(truths)}: give one for each truth.")
    return [as_pair(*each) for each in zip(predictions, truths, every, strict=True)]


def _only_image(images: Any) -> Any:
    return images[0] if isinstance(images, list | tuple) and len(images) == 1 else images


def as_pair(prediction: LabelSource, truth: LabelSource, image: Any = None) -> LabelPair:
    """One prediction and its truth; ValueError if they have no pixels or are the same layer."""
    labels = get_labels(prediction)
    for role, source in (("prediction", labels), ("truth", get_labels(truth))):
        full_resolution(source, role)  # refuses what has no pixels
    if is_layer(labels) and labels is get_labels(truth):
        raise ValueError(
            f"{labels.name} is given as prediction and as truth: give the labels to compare with."
        )
    name = getattr(labels, "name", None) if is_layer(labels) else None
    return LabelPair(prediction, truth, name, image=image)


def _as_list(source: object) -> list[LabelSource] | None:
    """The arrays, layers or objects of a list; None of an array, also as nested lists."""
    if not isinstance(source, list | tuple):
        return None
    labels = all(is_layer(s) or _shape(s) or hasattr(s, "labels") for s in source)
    return list(source) if labels else None


def _shape(source: object) -> object:
    """Shape of an array or of a picture of Pillow; empty of a number, None of a list."""
    interface = getattr(source, "__array_interface__", {})
    return getattr(source, "shape", interface.get("shape"))
