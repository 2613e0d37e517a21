"""The header of a model file: all that a trained model knows besides its tensors.

What is read is checked field by field, because the file may have been changed.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from math import isfinite
from operator import le
from typing import Any

from torch import nn

from .config import FeatureConfig, ModelSpec, RefineConfig, TrainConfig
from .config._schema import from_dict, to_dict
from .error_messages import printable
from .images.classes import MAX_NAME
from .images.intensity import Statistics
from .images.intensity_range import IntensityRange
from .io.checked_json import (
    Header,
    as_class,
    as_list,
    as_number,
    as_numbers,
    as_text,
    as_typed,
    as_whole,
)
from .models import check_spec, model_info
from .models.weights.pretrained import available
from .tiling import LARGE_TILE, PIXEL_TILE, round_up
from .trained_model import TrainedModel

FORMAT = 1
MAX_HISTORY = 500_000  # steps of which the loss is kept, the last ones
MAX_DEPTH = 8  # of lists and dicts in the provenance
MAX_OBJECT_SIZE = 1e5  # pixels
MAX_OPTION = 4096  # of a builder, such as its channels


def header(model: TrainedModel) -> Header:
    """All metadata as JSON-able values."""
    return {
        "format": FORMAT,
        "spec": to_dict(_without_path(model.spec)),
        "config": to_dict(model.config),
        "classes": [asdict(c) for c in model.classes],
        "channels": model.channels,
        "channel_names": model.channel_names,
        "axes": model.axes,
        "spacing": model.spacing,
        "orientation": model.orientation,
        "unit": model.unit,
        "tile_size": model.tile_size,
        "overlap": model.overlap,
        "patch": model.patch,
        "separation": model.separation,
        "members": model.members,
        "nonzero": model.nonzero,
        "object_size": model.object_size,
        "stuff": header(model.stuff) if model.stuff else None,
        "stuff_values": model.stuff_values,
        "refine": to_dict(model.refine),
        "statistics": asdict(model.statistics) if model.statistics else None,
        "contrast": model.contrast,
        "white": model.white,
        "intensities": asdict(model.intensities) if model.intensities else None,
        "history": model.history[-MAX_HISTORY:],
        "learning_rates": model.learning_rates[:MAX_HISTORY],
        "provenance": model.provenance,
    }


def read_header(written: Header) -> TrainedModel:
    """The model that a header describes, without its network; an error of MALFORMED otherwise."""
    tile_size = _edges(written["tile_size"], "tile size")
    spec = _spec(written["spec"], len(tile_size))
    spacing = as_numbers(written["spacing"], "spacing")
    if len(spacing) != 3:
        raise ValueError("invalid spacing")
    statistics = written["statistics"]
    model = TrainedModel(
        network=nn.Identity(),
        spec=spec,
        config=from_dict(TrainConfig, written["config"]),
        classes=tuple(map(as_class, as_list(written["classes"], "classes"))),
        channels=as_whole(written["channels"], "channels", 1),
        channel_names=tuple(
            as_text(name, "channel")
            for name in as_list(written.get("channel_names", []), "channels")
        ),
        axes=as_text(written["axes"], "axes"),
        spacing=(spacing[0], spacing[1], spacing[2]),
        orientation=as_text(written.get("orientation", ""), "orientation"),
        unit=as_text(written.get("unit", ""), "unit"),
        tile_size=tile_size,
        overlap=_edges(written["overlap"], "overlap"),
        patch=_edges(written.get("patch", []), "patch"),
        separation=_separation(written.get("separation")),
        members=as_whole(written.get("members", 1), "members"),
        nonzero=as_typed(written["nonzero"], bool, "nonzero"),
        object_size=as_number(written.get("object_size", 0.0), "object size", 0, MAX_OBJECT_SIZE),
        refine=from_dict(RefineConfig, written.get("refine", {})),
        statistics=_statistics(statistics) if statistics is not None else None,
        contrast=as_numbers(written.get("contrast", []), "contrast", 0),
        white=as_number(written.get("white", 1.0), "white", 0),
        intensities=_intensities(written.get("intensities")),
        history=as_numbers(written["history"], "history"),
        learning_rates=as_numbers(written.get("learning_rates", []), "learning rates", 0),
        provenance=_provenance(written["provenance"]),
    )
    if not all(map(le, model.tile_size, _largest_tile(model))):
        raise ValueError("invalid tile size")
    return model


def _separation(value: object) -> float | None:
    return None if value is None else as_number(value, "separation", 0, 1)


def _largest_tile(model: TrainedModel) -> list[int]:
    """Edges that a training chooses at most; masks are predicted in tiles as large as the image."""
    if model.info.has_masks:
        return list(model.tile_size)
    own = PIXEL_TILE if model.info.training == "pixels" else LARGE_TILE
    longest = max((own[model.ndim], *(model.config.resized_shape or ())))
    edge = max(longest, model.config.tile.tile_size or 0)
    return [round_up(max(edge, 2 * step), step) for step in model.strides]


def read_stuff_values(written: Header) -> tuple[int, ...]:
    """Values of the classes of the merged semantic model that are used."""
    return tuple(as_whole(v, "stuff") for v in as_list(written["stuff_values"], "stuff"))


def _without_path(spec: ModelSpec) -> ModelSpec:
    """Drop a local path of weights; their file name stays in the provenance."""
    published = (None, *model_info(spec.name).weights, *available(spec))
    return spec if spec.weights in published else replace(spec, weights=None)


def _spec(written: Mapping[str, object], ndim: int) -> ModelSpec:
    spec = from_dict(ModelSpec, written)
    known = as_typed(written.get("features", {}), dict, "features")
    if ndim == 2 and model_info(spec.name).training == "pixels" and "random_features" not in known:
        spec = replace(spec, features=_earlier_features(spec.features))
    texts = [text for text in (spec.name, spec.encoder, spec.weights) if text is not None]
    if any(len(text) > MAX_NAME or printable(text) != text for text in texts):
        raise ValueError("invalid spec")
    check_spec(spec)
    _check_options(spec.options)
    return spec


def _earlier_features(config: FeatureConfig) -> FeatureConfig:
    """Those that plane images had before the config told the number of random features."""
    smallest = 1.0 if config.smallest_scale is None else config.smallest_scale
    return replace(config, smallest_scale=smallest, random_features=128)


def _check_options(options: Mapping[str, object]) -> None:
    """Refuse values that no network is built with; they may take for ever."""
    for value in options.values():
        values = value if isinstance(value, tuple) else (value,)
        numbers = [n for n in values if isinstance(n, int | float)]
        texts = [t for t in values if isinstance(t, str)]
        is_plain = all(isinstance(v, bool | int | float | str | None) for v in values)
        if (
            not is_plain
            or len(values) > MAX_DEPTH
            or not all(abs(n) <= MAX_OPTION for n in numbers)
            or not all(len(t) <= MAX_NAME and printable(t) == t for t in texts)
        ):
            raise ValueError("invalid options")


def _statistics(written: Mapping[str, object]) -> Statistics:
    return Statistics(as_numbers(written["low"], "low"), as_numbers(written["high"], "high"))


def _intensities(written: object) -> IntensityRange | None:
    """Those of the training images; earlier files do not know them."""
    if written is None:
        return None
    ends = as_typed(written, dict, "intensities")
    return IntensityRange(_statistics(ends["smallest"]), _statistics(ends["largest"]))


def _provenance(written: object) -> dict[str, object]:
    """Where the model came from; texts are made printable."""
    provenance = as_typed(_plain(written, 0), dict, "provenance")
    if type(provenance.get("objects", 0)) is not int:
        raise ValueError("invalid provenance")
    return provenance


def _plain(value: object, depth: int) -> Any:
    """JSON values with texts made printable, and None for what is no finite number."""
    if depth > MAX_DEPTH:
        raise ValueError("invalid provenance")
    match value:
        case str():
            return as_text(value, "provenance", 100 * MAX_NAME)
        case dict():
            return {as_text(k, "provenance"): _plain(v, depth + 1) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v, depth + 1) for v in value]
        case float() if not isfinite(value):
            return None
    return value


def _edges(value: object, name: str) -> tuple[int, ...]:
    return tuple(as_whole(edge, name) for edge in as_list(value, name))
