"""The pixels of an image that a model was trained on, so that an evaluation leaves them out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .images.axes_image import AxesImage, reorient_image
from .images.fingerprint import fingerprint
from .images.orientation import reorient
from .images.run_lengths import from_runs
from .trained_model import TrainedModel
from .training.held_out import HeldOutImage

Mask = NDArray[np.bool_]


def recorded_mask(model: TrainedModel, image: AxesImage, name: str = "trained") -> Mask | None:
    """Pixels of an image that a model was trained on, or that were held out ("held_out").

    In the axes of the image's labels; None if the model's record does not hold the image.
    """
    records = model.provenance.get("trained_on")
    if not isinstance(records, list):
        return None
    oriented = reorient_image(image, model.orientation)
    own = fingerprint(oriented)
    masks = [_mask(r, name, oriented) for r in records if _is_of(r, own)]
    if not masks:
        return None
    mask = np.logical_or.reduce(masks)
    return np.asarray(reorient(mask, image.label_axes, oriented.orientation, image.orientation))


def seen_before(model: TrainedModel, images: Sequence[HeldOutImage]) -> str:
    """A sentence if a model may have learned from what is held out of a training that follows."""
    is_known = isinstance(model.provenance.get("trained_on"), list)
    masks = ((recorded_mask(model, each.image), each.mask) for each in images)
    seen = any(own is not None and own[... if m is None else m].any() for own, m in masks)
    if not images or (is_known and not seen):
        return ""
    some = "has" if seen else "may have"
    return f" The model that it goes on from {some} learned from part of it, so it scores too high."


def _is_of(record: object, own: str) -> bool:
    return isinstance(record, dict) and record.get("fingerprint") == own


def _mask(record: dict[str, Any], name: str, image: AxesImage) -> Mask:
    """The mask of a record in the axes of an image; ValueError if it is of another shape."""
    try:
        axes, shape = record["axes"], record["shape"]
        if {a: image.length(a) for a in image.label_axes} != dict(zip(axes, shape, strict=True)):
            raise ValueError("another shape")
        return from_runs(record[name], shape).transpose([axes.index(a) for a in image.label_axes])
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"What the model file records of {image.name} is damaged: train the model again."
        ) from None
