"""Several trained models as one that predicts the mean of their probabilities."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from uuid import uuid4

from torch import nn

from .arguments import given, require_type
from .config import ModelSpec, RefineConfig
from .images.intensity_range import IntensityRange
from .models import model_info
from .models.mean_network import MeanNetwork
from .segmenter import Segmenter
from .trained_model import MAX_MEMBERS, TrainedModel
from .versions import versions


def mean_model(models: Sequence[Segmenter]) -> Segmenter:
    """Make one model of several, which predicts the mean of their probabilities.

    It is saved to one file and predicts as any other model: classes, objects, uncertainty and
    refinement follow from the mean. A prediction takes as long as those of all of them.

    Parameters
    ----------
    models : sequence of Segmenter
        Two or more trained models of one method with the same classes, channels and normalisation,
        such as those of the folds of a cross-validation. Not Mask R-CNN, SOLO and panoptic models,
        whose objects have no mean. The networks of a model that is a mean itself count one by one.

    Returns
    -------
    Segmenter
        Holds all networks, which it shares with `models`; on the device of the first.

    Raises
    ------
    ValueError
        If there are fewer than two models, one is given twice, or they cannot predict together.
    """
    if not isinstance(models, list | tuple) or len(models) < 2:
        raise ValueError(f"models is {given(models)}: give a list of two or more trained models.")
    for number, each in enumerate(models):
        require_type(f"models[{number}]", each, Segmenter)
    mean = mean_of([each.ready() for each in models])
    return Segmenter.of_trained(mean, device=models[0].device)


def mean_of(models: Sequence[TrainedModel]) -> TrainedModel:
    """The mean of trained models; ValueError if they cannot predict together."""
    for number, model in enumerate(models, 1):
        require_mean(model.spec, is_merged=model.stuff is not None)
        if problem := next(_differences(models[0], model), None):
            raise ValueError(
                f"Model {number} cannot predict together with model 1: {problem}. Give models that "
                "were trained alike, such as the folds of a cross-validation."
            )
    networks = [network for model in models for network in _networks(model)]
    if len({id(network) for network in networks}) < len(networks):
        raise ValueError("The same model is given twice: give each of them once.")
    if len(networks) > MAX_MEMBERS:
        raise ValueError(
            f"{len(networks)} networks are given: one model holds at most {MAX_MEMBERS}."
        )
    smallest = min(models, key=lambda m: m.tile_size)
    return replace(
        smallest,
        network=MeanNetwork(networks).eval(),
        members=len(networks),
        object_size=median(m.object_size for m in models),
        separation=_shared_separation(models),
        contrast=tuple(map(min, zip(*(m.contrast for m in models), strict=False))),
        white=max(m.white for m in models),
        intensities=_shared_intensities(models),
        history=(),
        learning_rates=(),
        provenance=_provenance(models),
        refine=_shared_refinement(models),
    )


def _shared_separation(models: Sequence[TrainedModel]) -> float | None:
    """The median of those that were chosen."""
    chosen = [m.separation for m in models if m.separation is not None]
    return median(chosen) if chosen else None


def require_mean(spec: ModelSpec, *, is_merged: bool = False) -> None:
    """ValueError if models of a spec have no mean."""
    if is_merged or model_info(spec.name).has_masks:
        made = "A model merged from two" if is_merged else model_info(spec.name).title
        raise ValueError(
            f"{made} predicts objects with masks, which have no mean: use one of the models, or "
            "semantic models with objects='distance' for objects."
        )


def _shared_intensities(models: Sequence[TrainedModel]) -> IntensityRange | None:
    """Those of the training images of all models, if they are known."""
    ranges = [model.intensities for model in models]
    known = [each for each in ranges if each is not None]
    ends = [end for each in known for end in (each.smallest, each.largest)]
    return IntensityRange.of(ends) if len(known) == len(ranges) else None


def _networks(model: TrainedModel) -> list[nn.Module]:
    network = model.network
    return list(network.members) if isinstance(network, MeanNetwork) else [network]


def _differences(first: TrainedModel, model: TrainedModel) -> Iterator[str]:
    """Why there is no mean of two models."""
    own, other = _traits(model), _traits(first)
    for trait, value in own.items():
        if value != other[trait]:
            yield f"its {trait} is {value}, and that of model 1 is {other[trait]}"
    shapes = [
        {name: tuple(t.shape) for name, t in _networks(m)[0].state_dict().items()}
        for m in (model, first)
    ]
    if shapes[0] != shapes[1]:
        yield "its network has layers of other sizes"


def _traits(model: TrainedModel) -> dict[str, object]:
    """What models that predict together have in common."""
    return {
        "method": f"{model.spec.name} ({model.spec.encoder})",
        "kind of objects": model.spec.objects,
        "list of classes": ", ".join(f"{c.value} {c.name}" for c in model.classes),
        "number of channels": model.channels,
        "number of slices": model.spec.slices,
        "list of channels": ", ".join(model.channel_names),
        "number of dimensions": model.ndim,
        "orientation": model.orientation,
        "unit of the pixel size": model.unit,
        "stride": model.strides,
        "voxel_size": model.config.voxel_size,
        "resize": model.config.resize,
        "normalisation": _normalisation(model),
        "number of logits of two classes": 2 - model.config.has_one_logit,
    }


def _normalisation(model: TrainedModel) -> str:
    how = model.config.normalise
    if model.statistics is not None:
        return f"{how} from {model.statistics.low} to {model.statistics.high}"
    return f"{how} over non-zero pixels" if model.nonzero else how


def _shared_refinement(models: Sequence[TrainedModel]) -> RefineConfig:
    """The refinement settings that all models share; none, which is said, if they differ."""
    first = models[0].refine
    if all(m.refine == first for m in models):
        return first
    warnings.warn(
        "The models have different refinement settings, so their mean has none: set `refine` of "
        "the result.",
        UserWarning,
        stacklevel=4,
    )
    return RefineConfig()


def _provenance(models: Sequence[TrainedModel]) -> dict[str, object]:
    """Where the networks came from; what any of them was trained on, they all were."""
    records = [m.provenance for m in models]
    images = dict.fromkeys(name for r in records for name in _listed(r, "images"))
    known = all(isinstance(r.get("trained_on"), list) for r in records)
    trained_on = [row for r in records for row in _listed(r, "trained_on")]
    objects = {"objects": max(_number(r, "objects") for r in records)}
    return {
        **(objects if all("objects" in r for r in records) else {}),
        "id": uuid4().hex,
        "date": max(str(r.get("date", "")) for r in records),
        "mean_of": [m.identity for m in models],
        "images": list(images),
        "images_seen": int(sum(_number(r, "images_seen") for r in records)),
        "seconds": round(sum(_number(r, "seconds") for r in records), 1),
        "versions": versions(),
        **({"trained_on": trained_on} if known else {}),
    }


def _listed(record: dict[str, object], name: str) -> list[object]:
    value = record.get(name)
    return value if isinstance(value, list) else []


def _number(record: dict[str, object], name: str) -> float:
    value = record.get(name)
    return value if isinstance(value, int | float) else 0
