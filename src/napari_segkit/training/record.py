"""What a model file keeps of the training of its model, and of the images."""

from datetime import UTC, datetime
from math import prod
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import IGNORE, to_indices
from napari_segkit.images.run_lengths import to_runs
from napari_segkit.images.types import LazyArray
from napari_segkit.versions import versions

from .dataset import LabelledImages
from .held_out import HeldOut, Mask
from .state import TrainingState
from .training_setup import TrainingSetup

MAX_RUNS = 20_000  # numbers of all masks together
LEAST_RUNS = 32  # of one mask, however many there are
MAX_PIXELS = 2**28  # of all images together, whose labels are read again in some seconds


def provenance(setup: TrainingSetup, state: TrainingState) -> dict[str, object]:
    """Where a model came from: its images, validations, device and versions."""
    best, spec, data = state.best, setup.spec, setup.data
    objects = {} if data.class_of is None else {"objects": data.object_count}
    every = {"validations": list(state.validations)} if state.validations else {}
    score = {"validation": best.figures, **every} if best else every
    start = {"start": state.start} if state.start else {}
    return {
        **objects,
        **score,
        **start,
        "id": uuid4().hex,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "images": [i.name for i in data.images],
        "weights": spec.weights and Path(spec.weights).name,
        "images_seen": state.images,
        "seconds": round(state.schedule.seconds, 1),
        "device": str(setup.device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def trained_on(labelled: LabelledImages, held_out: HeldOut) -> list[dict[str, object]]:
    """For each image its fingerprint, and the pixels trained on and held out as run-lengths.

    Of a larger set, and of labels that are out of reach now, all that is not held out counts as
    trained on.
    """
    count = len(labelled.pairs)
    whole = [each for each in held_out.images if each.mask is None]
    most = max(LEAST_RUNS, MAX_RUNS // (2 * max(count + len(whole), 1)))
    exactly = sum(prod(image.label_shape) for image, _ in labelled.pairs) <= MAX_PIXELS
    masks = held_out.masks or [None] * count
    left_out = labelled.left_out or [None] * count
    rows = []
    for (image, values), held, out in zip(labelled.pairs, masks, left_out, strict=True):
        trained = _labelled(values, labelled, exactly=exactly)
        trained = trained if out is None else trained & ~out
        rows.append(_row(image, labelled, trained, held, most))
    for each in whole:
        held = _labelled(each.values, labelled, exactly=exactly)
        rows.append(_row(each.image, labelled, None, held, most))
    return rows


def _labelled(labels: LazyArray, labelled: LabelledImages, *, exactly: bool) -> Mask:
    try:
        values = np.asarray(labels) if exactly else None
    except Exception:  # noqa: BLE001
        values = None
    if values is None:
        return np.broadcast_to(np.True_, labels.shape)
    if labelled.class_of is not None:
        return np.asarray(values != IGNORE)
    return np.asarray(to_indices(values, [c.value for c in labelled.classes]) != IGNORE)


def _row(
    image: AxesImage, labelled: LabelledImages, trained: Mask | None, held: Mask | None, most: int
) -> dict[str, object]:
    return {
        "name": image.name,
        "fingerprint": labelled.prints_of(image)[0],
        "axes": image.label_axes,
        "shape": list(image.label_shape),
        "trained": [] if trained is None else to_runs(trained, most),
        "held_out": [] if held is None else to_runs(held, most),
    }
