"""Levels that separate objects, predicted like classes."""

from dataclasses import replace

from napari_segkit.config import RefineConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.regions import Part, Region, label_box
from napari_segkit.instances.level_targets import count_outputs
from napari_segkit.trained_model import TrainedModel

from .plan import TilePlan


def level_plan(plan: TilePlan) -> TilePlan:
    """The tiles of a plan, by a model whose classes are the levels of its objects.

    Of a region, it has all that the objects there depend on.
    """
    settings = replace(plan.settings, uncertainty=None)
    return replace(plan, model=_of_levels(plan.model), settings=settings, region=_around(plan))


def _of_levels(model: TrainedModel) -> TrainedModel:
    """The same network as a model that predicts classes."""
    count = count_outputs(str(model.spec.objects), len(model.classes))
    levels = [LabelClass(n, f"level {n}", model.classes[0].color) for n in range(count)]
    return replace(
        model,
        spec=replace(model.spec, objects=None),
        classes=tuple(levels),
        refine=RefineConfig(),
        stuff=None,
        stuff_values=(),
    )


def _around(plan: TilePlan) -> Region | None:
    if plan.region is None:
        return None
    axes, shape = plan.original.label_axes, plan.original.label_shape
    contexts = [(frame, plan.context(plan.box(frame)).box) for frame in plan.frames()]
    return Region(axes, shape, tuple([Part(label_box(axes, *each)) for each in contexts]))
