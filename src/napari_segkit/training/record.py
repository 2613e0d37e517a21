"""What a model file keeps of the images that its model was trained on."""

import numpy as np

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.fingerprint import fingerprint
from napari_segkit.images.labels import IGNORE, to_indices
from napari_segkit.images.run_lengths import to_runs
from napari_segkit.images.types import LazyArray

from .dataset import LabelledImages
from .held_out import HeldOut, Mask

MAX_RUNS = 20_000  # numbers of all masks together
LEAST_RUNS = 32  # of one mask, however many there are


def trained_on(labelled: LabelledImages, held_out: HeldOut) -> list[dict[str, object]]:
    """For each image its fingerprint, and the pixels trained on and held out as run-lengths."""
    count = len(labelled.pairs) + len(held_out.images)
    most = max(LEAST_RUNS, MAX_RUNS // (2 * max(count, 1)))
    whole = [each for each in held_out.images if each.mask is None]
    masks = held_out.masks or [None] * len(labelled.pairs)
    left_out = labelled.left_out or [None] * len(labelled.pairs)
    rows = []
    for (image, values), held, out in zip(labelled.pairs, masks, left_out, strict=True):
        trained = _labelled(values, labelled)
        trained = trained if out is None else trained & ~out
        rows.append(_row(image, trained, held, most))
    return rows + [_row(e.image, None, _labelled(e.values, labelled), most) for e in whole]


def _labelled(labels: LazyArray, labelled: LabelledImages) -> Mask:
    values = np.asarray(labels)
    if labelled.class_of is not None:
        return np.asarray(values != IGNORE)
    return np.asarray(to_indices(values, [c.value for c in labelled.classes]) != IGNORE)


def _row(image: AxesImage, trained: Mask | None, held: Mask | None, most: int) -> dict[str, object]:
    return {
        "name": image.name,
        "fingerprint": _fingerprint(image),
        "axes": image.label_axes,
        "shape": list(image.label_shape),
        "trained": [] if trained is None else to_runs(trained, most),
        "held_out": [] if held is None else to_runs(held, most),
    }


def _fingerprint(image: AxesImage) -> str:
    """Empty if the image is out of reach when the training ends."""
    try:
        return fingerprint(image)
    except Exception:  # noqa: BLE001
        return ""
