"""The model file: tensors and a JSON header in one safetensors file, without executable code."""

import json
from dataclasses import asdict, replace
from math import inf
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from .config import ModelSpec, RefineConfig, TrainConfig
from .config._schema import from_dict, to_dict
from .images.classes import LabelClass
from .images.intensity import Statistics
from .io.output_paths import model_path
from .models import Inputs, build, model_info, outputs
from .models.meta_device import meta_device
from .models.weights.pretrained import available
from .tensor_file import (
    MALFORMED,
    Tensors,
    first_line,
    network_tensors,
    read_tensors,
    write_tensors,
)
from .trained_model import TrainedModel
from .versions import versions

FORMAT = 1
KEY = "segkit"
STUFF = "stuff."  # prefix of the tensors of a merged semantic model
Header = dict[str, Any]  # JSON values, unchecked where they come from a file


def save(model: TrainedModel, path: str | PathLike[str], *, overwrite: bool = True) -> None:
    """Write a model file; an existing file is replaced only after the new one is complete."""
    tensors = network_tensors(model.network)
    if model.stuff:
        tensors |= {STUFF + k: v for k, v in network_tensors(model.stuff.network).items()}
    write_tensors(Path(path), tensors, KEY, header(model), overwrite=overwrite)


def load(path: str | PathLike[str]) -> TrainedModel:
    """Read a model file, onto the CPU and in evaluation mode."""
    path = Path(path)
    if not path.is_file() and model_path(path).is_file():  # as given to `Segmenter.save`
        path = model_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no model file {path}.")
    try:
        text, tensors = read_tensors(path, KEY)
    except SafetensorError as error:
        raise ValueError(
            f"{path.name} is not a complete napari-segkit model file ({error}): it may be "
            "truncated or of another type; choose a file saved by the Model dock or Segmenter.save."
        ) from None
    return _read_models(_header(text, path), tensors, path)


def header(model: TrainedModel) -> Header:
    """All metadata as JSON-able values."""
    return {
        "format": FORMAT,
        "spec": to_dict(_without_path(model.spec)),
        "config": to_dict(model.config),
        "classes": [asdict(c) for c in model.classes],
        "channels": model.channels,
        "axes": model.axes,
        "spacing": model.spacing,
        "orientation": model.orientation,
        "unit": model.unit,
        "tile_size": model.tile_size,
        "overlap": model.overlap,
        "nonzero": model.nonzero,
        "object_size": model.object_size,
        "stuff": header(model.stuff) if model.stuff else None,
        "stuff_values": model.stuff_values,
        "refine": to_dict(model.refine),
        "statistics": asdict(model.statistics) if model.statistics else None,
        "contrast": model.contrast,
        "white": model.white,
        "history": model.history,
        "provenance": model.provenance,
    }


def _without_path(spec: ModelSpec) -> ModelSpec:
    """Drop a local path of weights; their file name stays in the provenance."""
    published = (None, *model_info(spec.name).weights, *available(spec))
    return spec if spec.weights in published else replace(spec, weights=None)


def _header(text: str, path: Path) -> Header:
    try:
        written = json.loads(text)
        number = int(written["format"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ValueError(
            f"{path.name} holds tensors but no napari-segkit header: it was not saved by "
            "napari-segkit, or was changed; choose a file saved by the Model dock or "
            "Segmenter.save."
        ) from None
    if number > FORMAT:
        raise ValueError(
            f"{path.name} was saved by a newer napari-segkit (file format {number}; this version "
            f"reads up to {FORMAT}): update napari-segkit to open it."
        )
    return dict(written)


def _network(spec: ModelSpec, inputs: Inputs, tensors: Tensors) -> nn.Module:
    """Build the network only if its tensor shapes match the file, which bounds the memory."""
    lengths = {length for tensor in tensors.values() for length in tensor.shape}
    classes = {inputs.classes, inputs.classes - 1}  # some have no background output
    if inputs.channels not in lengths or not classes & lengths:
        raise ValueError("tensors do not match this model")
    with meta_device():
        expected = network_tensors(build(spec, inputs))
    if {k: v.shape for k, v in expected.items()} != {k: v.shape for k, v in tensors.items()}:
        raise ValueError("tensors do not match this model")
    network = build(spec, inputs)
    network.load_state_dict(tensors, strict=False)  # shared tensors have one name in the file
    return network.eval()


def _other_versions(written: Header) -> str:
    """Names and versions of libraries that differ from those that wrote the file."""
    try:
        saved = {str(k): str(v) for k, v in written["provenance"]["versions"].items()}
    except (AttributeError, KeyError, TypeError):
        return ""
    here = versions()
    other = [f"{k} {v}, here {here[k]}" for k, v in saved.items() if k in here and here[k] != v]
    return f" (it was saved with {'; '.join(other)})" if other else ""


def _read_models(written: Header, tensors: Tensors, path: Path) -> TrainedModel:
    try:
        stuff = written.get("stuff")
        if stuff is None:
            return _read_model(written, tensors)
        if stuff.get("stuff"):
            raise ValueError("more than two models")
        things = {k: v for k, v in tensors.items() if not k.startswith(STUFF)}
        rest = {k[len(STUFF) :]: v for k, v in tensors.items() if k.startswith(STUFF)}
        return replace(
            _read_model(written, things),
            stuff=_read_model(stuff, rest),
            stuff_values=tuple(written["stuff_values"]),
        )
    except MALFORMED as error:
        raise ValueError(
            f"{path.name} has a header that does not match its tensors or this version "
            f"({first_line(error)}); save the model again, or update "
            f"napari-segkit{_other_versions(written)}."
        ) from None


def _read_model(written: Header, tensors: Tensors) -> TrainedModel:
    spec = from_dict(ModelSpec, written["spec"])
    classes = tuple(LabelClass(**c) for c in written["classes"])
    spacing, ndim = tuple(map(float, written["spacing"])), len(written["tile_size"])
    if len(spacing) != 3 or not all(0 < s < inf for s in spacing) or ndim not in (2, 3):
        raise ValueError("invalid spacing or tile size")
    if not isinstance(written["provenance"], dict):
        raise ValueError("invalid provenance")
    inputs = Inputs(int(written["channels"]), outputs(spec, len(classes)), spacing[-ndim:])
    network = _network(spec, inputs, tensors)
    statistics = written["statistics"]
    return TrainedModel(
        network=network,
        spec=spec,
        config=from_dict(TrainConfig, written["config"]),
        classes=classes,
        channels=written["channels"],
        axes=written["axes"],
        spacing=spacing,
        orientation=written.get("orientation", ""),
        unit=written.get("unit", ""),
        tile_size=tuple(written["tile_size"]),
        overlap=tuple(written["overlap"]),
        nonzero=written["nonzero"],
        object_size=float(written.get("object_size", 0.0)),
        refine=from_dict(RefineConfig, written.get("refine", {})),
        statistics=Statistics(tuple(statistics["low"]), tuple(statistics["high"]))
        if statistics
        else None,
        contrast=tuple(map(float, written.get("contrast", ()))),
        white=float(written.get("white", 1.0)),
        history=tuple(written["history"]),
        provenance=written["provenance"],
    )
