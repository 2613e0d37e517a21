"""Whether a prediction fits into memory, before any work, and what does."""

from math import isqrt, prod
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.devices import free_memory
from napari_segkit.models import outputs

from .columns import FLOAT, MAX_OPEN, open_bytes

if TYPE_CHECKING:
    from .plan import TilePlan

IDS = 3 * 4  # bytes per pixel of objects: ids as predicted, those that are kept, and linked ones
WATERSHED = 16  # bytes per pixel, beside the probabilities, while objects are separated
BLOCK = 2**23  # pixels of a block of objects that go into a file, about
GIB = 2**30


def require_memory(plan: "TilePlan", *, probabilities: bool, keeps_labels: bool) -> None:
    """ValueError if the result and what is blended of it exceed the free memory, with what fits.

    Only what is sure to be held: not what the network needs for a batch, which is halved where
    memory runs out. `keeps_labels` says whether the result is in memory.
    """
    parts = _needed(plan, probabilities=probabilities, keeps_labels=keeps_labels)
    needed, free = sum(parts.values()), free_memory("cpu")
    if needed <= free:
        return
    image, pixels = plan.original, _pixels(plan)
    listed = ", ".join(f"{name} {size / GIB:.1f}" for name, size in parts.items() if size)
    length = isqrt(int(0.8 * pixels * free / needed))  # leaves some for the network
    spatial = prod(image.spatial_shape(2))
    fits = f"a region, such as {length} x {length} pixels"
    if pixels > spatial and length**2 >= spatial:
        fits = f"a region, such as {length**2 // spatial} of its planes"
    others = [
        *(["write it to a zarr folder, such as result.zarr (`out=`)"] if keeps_labels else []),
        *(["leave the probabilities out"] if probabilities else []),
        *(["leave three_axes out"] if plan.settings.three_axes else []),
        *(["leave the refinement out"] if plan.model.refine.smoother and "frames" in parts else []),
    ]
    raise ValueError(
        f"The prediction of {image.name} ({' x '.join(map(str, image.label_shape))} pixels) needs "
        f"about {needed / GIB:.1f} GiB of the {free / GIB:.1f} GiB that are free ({listed}): "
        f"{' or '.join([f'predict {fits}', *others])}."
    )


def fits_memory(plan: "TilePlan", *, probabilities: bool) -> bool:
    """Whether the result and what is blended of it can be held in the free memory."""
    parts = _needed(plan, probabilities=probabilities, keeps_labels=True)
    return sum(parts.values()) <= free_memory("cpu")


def _pixels(plan: "TilePlan") -> int:
    return prod(plan.original.label_shape) if plan.region is None else plan.region.pixels


def _needed(plan: "TilePlan", *, probabilities: bool, keeps_labels: bool) -> dict[str, int]:
    """Bytes of each part."""
    model, pixels = plan.model, _pixels(plan)
    maps = max(len(model.classes), outputs(model.spec, len(model.classes), model.config))
    values = IDS if model.predicts_objects else np.min_scalar_type(max(model.values)).itemsize
    needs = {"labels": keeps_labels * pixels * values}
    needs["probabilities"] = probabilities * pixels * FLOAT * len(model.classes)
    if keeps_labels and plan.settings.uncertainty:
        needs["uncertainty"] = pixels * FLOAT
    if plan.settings.three_axes:
        needs["other axes"] = pixels * FLOAT * maps
    if model.config.voxel_size is not None:
        needs["resampled image"] = FLOAT * prod(plan.image.shape)
    if plan.needs_whole_frames and not model.info.has_masks:
        frame = max((_frame(plan, box) for box in plan.boxes()), default=0)
        if model.predicts_objects and not (keeps_labels or plan.resamples):
            frame = min(frame, 2 * BLOCK)  # with what is around it
        copies = 2 if model.refine.smoother or model.refine.clean else 1
        needs["frames"] = frame * (FLOAT * maps * copies + WATERSHED * model.predicts_objects)
    elif not model.info.has_masks:
        open_cells = max((open_bytes(plan, box) for box in plan.boxes()), default=0)
        needs["rows of tiles"] = min(open_cells, MAX_OPEN)
    return needs


def _frame(plan: "TilePlan", box: tuple[slice, ...]) -> int:
    """Pixels of what is computed for a box of a frame, or for the largest block of it."""
    if plan.is_divided:
        contexts = [plan.context(cell.region).box for cell in plan.cells]
        return max(prod([side.stop - side.start for side in box]) for box in contexts)
    if plan.region is None:
        return prod(plan.frame_shape)
    return prod([side.stop - side.start for side in plan.context(box).box])
