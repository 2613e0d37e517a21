"""Classes of a prediction that have other values in its truth."""

from collections.abc import Mapping

from . import confusion
from .metric import LabelSource
from .semantic import ClassConfusion, own_names

MOST_SHOWN = 3


def proposed_class_map(
    counted: ClassConfusion, prediction: LabelSource, truth: LabelSource
) -> dict[int, int]:
    """Values that seem to mean the same: of equal names, or the only one that each side lacks."""
    value_of = {name: value for value, name in own_names(truth).items()}
    named = {v: value_of[n] for v, n in own_names(prediction).items() if n in value_of}
    differing = {value: other for value, other in named.items() if value != other}
    if differing:
        return differing
    sides = confusion.truth_pixels(counted.counts), confusion.predicted_pixels(counted.counts)
    true, predicted = ({v for v, n in zip(counted.classes, x, strict=True) if n} for x in sides)
    missed, invented = true - predicted - {0}, predicted - true - {0}
    if len(missed) == len(invented) == 1 and len(true | predicted) <= 3:
        return {invented.pop(): missed.pop()}
    return {}


def class_map_text(class_map: Mapping[int, int]) -> str:
    """Such as "1 of the prediction as 255"."""
    pairs = [f"{value} of the prediction as {other}" for value, other in class_map.items()]
    return ", ".join(pairs[:MOST_SHOWN]) + (" …" if len(pairs) > MOST_SHOWN else "")
