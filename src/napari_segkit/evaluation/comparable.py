"""Labels made comparable: colours and objects become classes, and both lie in one place."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_segkit.config import EvaluateConfig
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.class_labels import with_classes
from napari_segkit.images.colour_masks import classes_by_colour
from napari_segkit.images.geometry import apart
from napari_segkit.images.types import is_layer
from napari_segkit.instances.results import Objects

from .label_pair import LabelPair
from .same_place import require_same_place
from .slab_reader import get_labels, pixel_spacing


def comparable(pairs: Sequence[LabelPair], config: EvaluateConfig) -> list[LabelPair]:
    """Pairs whose colours and objects became classes; ValueError if they lie apart."""
    if config.kind == "semantic" and config.labels_are != "objects":
        pairs = [_objects_as_classes(pair) for pair in pairs]
    pairs = _colours_as_classes([_with_place(pair) for pair in pairs])
    found = [(pair.name or "labels", pair.apart) for pair in pairs]
    require_same_place(found, by_index=config.by_index)
    return pairs


def _objects_as_classes(pair: LabelPair) -> LabelPair:
    """A pair whose prediction, if it is objects of a model, became the classes of its pixels."""
    objects = pair.prediction
    if not isinstance(objects, Objects):
        return pair
    return replace(pair, prediction=with_classes(objects.class_labels, objects.classes))


def _with_place(pair: LabelPair) -> LabelPair:
    found = pair.apart or apart(get_labels(pair.prediction), get_labels(pair.truth))
    return replace(pair, apart=found)


def _colours_as_classes(pairs: Sequence[LabelPair]) -> list[LabelPair]:
    """Pairs whose colour masks became class labels, the same in all of them."""
    predictions = [get_labels(pair.prediction) for pair in pairs]
    truths = [get_labels(pair.truth) for pair in pairs]
    of_truths, of_predictions = classes_by_colour(truths, predictions)
    read = zip(pairs, zip(predictions, truths, of_predictions, of_truths, strict=True), strict=True)
    return [
        replace(
            pair,
            prediction=pair.prediction if new_p is p else new_p,
            truth=pair.truth if new_t is t else new_t,
            spacing=pair.spacing
            if new_t is t
            else _scale(t, len(full_resolution(new_t, "truth").shape)),
        )
        for pair, (p, t, new_p, new_t) in read
    ]


def _scale(colours: Any, ndim: int) -> tuple[float, ...] | None:
    """World units between the pixels of a layer of colours; None of an array."""
    return pixel_spacing(colours, len(colours.scale), None)[:ndim] if is_layer(colours) else None
