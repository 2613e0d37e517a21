"""Merge a semantic and an instance model into one panoptic model."""

from collections.abc import Collection
from dataclasses import replace
from uuid import uuid4

from .arguments import require_type
from .images.classes import values_of
from .models import KINDS
from .segmenter import Segmenter
from .trained_model import TrainedModel


def merge_panoptic(
    semantic: Segmenter,
    instance: Segmenter,
    *,
    stuff: Collection[str | int] | str | None = None,
) -> Segmenter:
    """Merge a semantic and an instance model into one panoptic model.

    A pixel belongs to an object of the instance model if that is more probable than any class of
    the semantic model, else to that class. `predict_objects` then gives one Labels array and a
    table with segment, class, "thing" or "stuff", score and area.

    Parameters
    ----------
    semantic : Segmenter
        Trained to predict a class for every pixel.
    instance : Segmenter
        Trained to predict objects, on images with the same number of channels.
    stuff : collection of str or int, or str, optional
        Stuff classes (without single objects): names or values of classes of the semantic model, or
        one name. None: all classes except "background" and those that the instance model also has,
        by name.

    Returns
    -------
    Segmenter
        Holds both models and shares their networks; `save` writes one file.

    Raises
    ------
    ValueError
        If the models are of other kinds or incompatible; if `stuff` names an unknown class, or a
        class of the instance model; if no stuff class is left.

    References
    ----------
    Kirillov et al., Panoptic Segmentation, CVPR 2019, arXiv:1801.00868.
    """
    semantic_model = _require(semantic, "semantic", objects=False)
    instance_model = _require(instance, "instance", objects=True)
    _require_compatible(semantic_model, instance_model)
    values = _stuff_values(semantic_model, instance_model, stuff)
    merged_ids = {"semantic": semantic_model.identity, "instance": instance_model.identity}
    provenance = instance_model.provenance | {"id": uuid4().hex, "merged": merged_ids}
    merged = replace(
        instance_model, stuff=semantic_model, stuff_values=values, provenance=provenance
    )
    return Segmenter.of_trained(merged, device=instance.device)


def _require(segmenter: Segmenter, role: str, *, objects: bool) -> TrainedModel:
    require_type(role, segmenter, Segmenter)
    model = segmenter.ready()
    if model.predicts_objects != objects or model.stuff is not None:
        required = "objects" if objects else "a class for every pixel"
        raise ValueError(
            f"The {role} model is {segmenter.spec.name}, which predicts "
            f"{KINDS[model.kind].predicts}: choose one that was trained to predict {required}."
        )
    return model


def _require_compatible(semantic_model: TrainedModel, instance_model: TrainedModel) -> None:
    for name in ("channels", "orientation"):
        first, second = getattr(semantic_model, name), getattr(instance_model, name)
        if first != second and all((first, second)):
            raise ValueError(
                f"The semantic model was trained on images with {name} {first}, the instance model "
                f"with {second}: train both on the same kind of images."
            )


def _stuff_values(
    semantic_model: TrainedModel,
    instance_model: TrainedModel,
    stuff: Collection[str | int] | str | None,
) -> tuple[int, ...]:
    taken = {c.name.lower() for c in instance_model.classes[1:]}
    free = [c for c in semantic_model.classes if c.name.lower() not in taken]
    if not free:
        raise ValueError(
            "All class names of the semantic model are also class names of the instance model, so "
            "no stuff class is left: train one of the two with other class names."
        )
    if stuff is None:
        values = tuple(c.value for c in free if c.name.lower() != "background")
    else:
        values = tuple(sorted(set(values_of(stuff, semantic_model.classes))))
    shared = [c.name for c in semantic_model.classes if c.value in values and c not in free]
    if shared:
        raise ValueError(
            f"{', '.join(map(repr, shared))} cannot be stuff, because the instance model has "
            f"objects of that name: choose among {', '.join(c.name for c in free)}."
        )
    if not values:
        raise ValueError(
            "No stuff class is left in the semantic model: choose some of "
            f"{', '.join(c.name for c in semantic_model.classes)} with stuff=[...]."
        )
    return values
