"""The mean of what a 2D network gives for slices along Z, Y and X of a volume."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

import numpy as np

from napari_segkit.config import PredictConfig, RefineConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.regions import Box, Part, Region, label_box, union
from napari_segkit.images.slices import along, note_unlike_axes

from .blending import blend_frame
from .plan import TilePlan, make_plan
from .progress import Progress, TileStep

Frames = Iterable[dict[str, int]]


def require_three_axes(image: AxesImage, config: PredictConfig, *, in_memory: bool) -> None:
    """ValueError where the mean over three axes is asked for and cannot be taken."""
    if not config.three_axes:
        return
    if image.length("Z") < 2:
        raise ValueError(
            f"three_axes=True, but {image.name} has no slices along Z (axes {image.axes}, shape "
            f"{image.shape}): leave it out, or specify its axes."
        )
    if not in_memory:
        raise ValueError(
            "three_axes=True needs the probabilities of the whole volume in memory: leave out the "
            "zarr folder, or three_axes."
        )


def other_plans(plan: TilePlan, frames: Frames) -> list[TilePlan]:
    """The plans along Y and X for what some frames of a plan need; none if that is all."""
    boxes = list(_needed(plan, frames)) if plan.settings.three_axes else []
    if not boxes:
        return []
    note_unlike_axes(plan.original)
    model = replace(plan.model, refine=RefineConfig())
    settings = replace(plan.settings, three_axes=False)
    parts = (Part(union(boxes)),)
    plans = []
    for axis in "YX":
        image = along(plan.original, axis)
        region = Region(image.label_axes, image.label_shape, parts)
        plans.append(
            make_plan(model, image, plan.config, plan.device, plan.statistics, settings, region)
        )
    return plans


def count_steps(plans: Iterable[TilePlan]) -> int:
    """Number of steps of all of these plans."""
    return sum(plan.context(plan.box(frame)).steps for plan in plans for frame in plan.frames())


def predict_others(
    plan: TilePlan, others: Iterable[TilePlan], progress: Progress
) -> Generator[TileStep, object, None]:
    """Predict along the other axes, so that what the plan predicts becomes the mean."""
    plan.others.clear()
    for other in others:
        for frame in other.frames():
            context = other.context(other.box(frame))
            blended = yield from blend_frame(other, frame, context, progress)
            if blended is None or progress.is_finishing:
                return
            if not plan.others:
                shape = len(blended), *plan.original.label_shape
                axes = f"C{plan.original.label_axes}"
                plan.others.append(AxesImage(np.zeros(shape, np.float32), axes))
            # the same array, whose axes have other names here
            total = replace(plan.others[0], axes=f"C{other.original.label_axes}")
            part = total.read(frame, context.box)
            part += blended


def _needed(plan: TilePlan, frames: Frames) -> Iterator[Box]:
    """The part of each frame that is computed, along the axes of the labels."""
    for frame in frames:
        box = plan.box(frame)
        if plan.needs_whole_frames:
            box = plan.context(box).box
        yield label_box(plan.original.label_axes, frame, box)
