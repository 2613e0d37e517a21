"""Two models as one: objects from the one, the classes between them from the other."""

from collections.abc import Collection
from dataclasses import replace
from uuid import uuid4

from .images.classes import values_of
from .segmenter import Segmenter
from .trained_model import TrainedModel


def merge_panoptic(
    semantic: Segmenter,
    instance: Segmenter,
    *,
    stuff: Collection[str | int] | str | None = None,
) -> Segmenter:
    """Merge a semantic and an instance model into one that gives both.

    Where an object of the instance model is surer than any class of the semantic one, the pixel is
    the object's; else it belongs to that class. `predict_objects` gives one Labels array and a
    table with segment, class, "thing" or "stuff", score and area.

    Parameters
    ----------
    semantic : Segmenter
        Trained to give a class for every pixel.
    instance : Segmenter
        Trained to give objects, on images with as many channels.
    stuff : collection of str or int, or str, optional
        Names or values of the semantic model's classes that have no single objects, or one name.
        None: all but "background" and those of which the instance model has objects, by name.

    Returns
    -------
    Segmenter
        Holds both models; `save` writes one file. It shares their networks.

    Raises
    ------
    ValueError
        If the models are not of these kinds, do not go together, or no class is left; if `stuff`
        names a class that is not there, or one of which there are objects.

    References
    ----------
    Kirillov et al., Panoptic Segmentation, CVPR 2019, arXiv:1801.00868.
    """
    around, things = _model(semantic, "semantic"), _model(instance, "instance")
    _require_fit(around, things)
    values = _stuff_values(around, things, stuff)
    parts = {"semantic": around.identity, "instance": things.identity}
    provenance = things.provenance | {"id": uuid4().hex, "merged": parts}
    merged = Segmenter(device=instance.device)
    merged.spec = instance.spec
    merged.trained = replace(things, stuff=around, stuff_values=values, provenance=provenance)
    return merged


def _model(segmenter: Segmenter, kind: str) -> TrainedModel:
    model = segmenter.ready()
    given = "semantic" if model.kind == "semantic" else "instance"
    if given != kind or model.kind == "panoptic":
        wanted = "a class for every pixel" if kind == "semantic" else "single objects"
        raise ValueError(
            f"The {kind} model is {segmenter.spec.name}, which gives "
            f"{'classes only' if model.kind == 'semantic' else model.kind + ' results'}: give one "
            f"that was trained to give {wanted}."
        )
    return model


def _require_fit(around: TrainedModel, things: TrainedModel) -> None:
    for name in ("channels", "orientation"):
        ours, theirs = getattr(around, name), getattr(things, name)
        if ours != theirs and all((ours, theirs)):
            raise ValueError(
                f"The semantic model was trained on images with {name} {ours}, the instance model "
                f"with {theirs}: train both on the same kind of images."
            )


def _stuff_values(
    around: TrainedModel, things: TrainedModel, stuff: Collection[str | int] | str | None
) -> tuple[int, ...]:
    taken = {c.name.lower() for c in things.classes[1:]}
    free = [c for c in around.classes if c.name.lower() not in taken]
    if not free:
        raise ValueError(
            "All classes of the semantic model have names of the instance model's, so none is "
            "left as stuff: train one of the two with other names for its classes."
        )
    if stuff is None:
        values = tuple(c.value for c in free if c.name.lower() != "background")
    else:
        values = tuple(sorted(set(values_of(stuff, around.classes))))
    twice = [c.name for c in around.classes if c.value in values and c not in free]
    if twice:
        raise ValueError(
            f"{', '.join(map(repr, twice))} cannot be stuff, since the instance model has objects "
            f"of that name: choose among {', '.join(c.name for c in free)}."
        )
    if not values:
        raise ValueError(
            "No class of the semantic model is left as stuff: name some of "
            f"{', '.join(c.name for c in around.classes)} with stuff=[...]."
        )
    return values
