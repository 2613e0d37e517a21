"""Boundary or distance levels of a part of a frame, ready for a watershed."""

from collections.abc import Generator

import numpy as np

from napari_segkit.images.types import Floats
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.refinement.instances import rescale_levels

from .context import Context
from .plan import TilePlan
from .postprocess import labels_from_probabilities
from .progress import Progress, TileStep


def typical_size(plan: TilePlan) -> float:
    """Diameter of a typical object in pixels of the finest axis of the original image."""
    model = plan.model
    spacing, trained = plan.original.spacing[-model.ndim :], plan.image.spacing[-model.ndim :]
    return model.object_size * min(trained) / min(spacing)


def refined_levels(
    plan: TilePlan, frame: dict[str, int], context: Context, levels: Floats, progress: Progress
) -> Generator[TileStep, object, Floats]:
    """Levels of the box of a context after smoothing, background where the image is NaN."""
    method = str(plan.model.spec.objects)
    if plan.model.refine.smoother:
        classes = levels_to_classes(levels, method)
        smoothed = yield from labels_from_probabilities(
            plan, frame, context, classes, progress, keep=True
        )
        levels = rescale_levels(levels, np.asarray(smoothed.probabilities), method)
    if (missing := plan.missing(frame, context.box)) is not None:
        levels[:, missing] = np.eye(len(levels), 1)  # background
    return levels
