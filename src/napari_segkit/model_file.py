"""The model file: tensors and a JSON header in one safetensors file, without executable code."""

import warnings
from dataclasses import replace
from os import PathLike
from os.path import exists, isfile
from pathlib import Path

import torch
from torch import nn

from .error_messages import printable
from .io.checked_json import MALFORMED, MAX_REASON, Header, first_line
from .io.output_paths import model_path
from .model_header import FORMAT, header, read_header, read_stuff_values
from .models import Inputs, build, network_inputs, outputs
from .models.mean_network import MeanNetwork
from .models.meta_device import meta_device
from .models.tensor_checks import UNBOUNDED, require_usable
from .tensor_file import (
    DamagedFileError,
    Tensors,
    has_checksum,
    network_tensors,
    read_tensors,
    require_finite_tensors,
    require_regular_file,
    write_tensors,
)
from .trained_model import TrainedModel
from .versions import versions

KEY = "segkit"
MAX_CHANNELS = 2**16
STUFF = "stuff."  # prefix of the tensors of a merged semantic model


def save(model: TrainedModel, path: str | PathLike[str], *, overwrite: bool = True) -> None:
    """Write a model file; an existing file is replaced only after the new one is complete."""
    tensors = network_tensors(model.network)
    if model.stuff:
        tensors |= {STUFF + k: v for k, v in network_tensors(model.stuff.network).items()}
    write_tensors(Path(path), tensors, KEY, header(model), overwrite=overwrite)


def load(path: str | PathLike[str]) -> TrainedModel:
    """Read a model file, onto the CPU and in evaluation mode."""
    path = Path(path)
    if not exists(path) and isfile(model_path(path)):  # the name that `Segmenter.save` was given
        path = model_path(path)
    require_regular_file(path, "model file")
    try:
        written, tensors = read_tensors(path, KEY)
    except DamagedFileError as error:
        raise ValueError(
            f"{path.name} is not a complete napari-segkit model file ({error}): it may be damaged, "
            "truncated or of another type; choose a file saved by the Model dock or Segmenter.save."
        ) from None
    _require_format(written, path)
    model = _read_models(written, tensors, path)
    if not has_checksum(written):
        warnings.warn(
            f"{path.name} has no checksum, because an earlier version of napari-segkit saved it: "
            "damage to it may go unnoticed; save the model again to add one.",
            UserWarning,
            stacklevel=3,
        )
    return model


def _require_format(written: Header, path: Path) -> None:
    number = written.get("format")
    if type(number) is not int or number < 1:
        raise ValueError(
            f"{path.name} holds tensors but no napari-segkit header: it was not saved by "
            "napari-segkit, or was changed; choose a file saved by the Model dock or "
            "Segmenter.save."
        )
    if number > FORMAT:
        raise ValueError(
            f"{path.name} was saved by a newer napari-segkit (file format {number}; this version "
            f"reads up to {FORMAT}): update napari-segkit to open it."
        )


def _network(model: TrainedModel, tensors: Tensors) -> nn.Module:
    """The network of a model, or the mean of several."""
    if model.members == 1:
        return _one_network(model, tensors)
    own = [_below(f"members.{n}.", tensors) for n in range(model.members)]
    if sum(map(len, own)) != len(tensors):
        raise ValueError("tensors do not match this model")
    return MeanNetwork([_one_network(model, each) for each in own]).eval()


def _one_network(model: TrainedModel, tensors: Tensors) -> nn.Module:
    """Build a network only if its tensors are those of the file, which bounds the memory."""
    spec, count = model.spec, outputs(model.spec, len(model.classes), model.config)
    inputs = Inputs(model.channels, count, model.spacing[-model.ndim :])
    lengths = {length for tensor in tensors.values() if tensor.numel() for length in tensor.shape}
    classes = {count, count - 1}  # some have no background output
    channels = network_inputs(spec, inputs).channels
    backed = channels in lengths and not classes.isdisjoint(lengths)
    if str(spec.encoder).startswith("tu-"):  # some of timm's take seconds to build
        backed = backed and any(name.startswith("encoder.") for name in tensors)
    if not backed or channels > MAX_CHANNELS:
        raise ValueError("tensors do not match this model")
    with meta_device():
        expected = network_tensors(build(spec, inputs))
    if _shapes(expected) != _shapes(tensors):
        raise ValueError("tensors do not match this model")
    require_finite_tensors(tensors, UNBOUNDED)
    network = build(spec, inputs)
    network.load_state_dict(tensors, strict=False)  # shared tensors have one name in the file
    require_usable(network)
    return network.eval()


def _below(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin with a prefix, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def _shapes(tensors: Tensors) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _other_versions(written: Header) -> str:
    """Names and versions of libraries that differ from those that wrote the file."""
    try:
        saved = {str(k): str(v) for k, v in written["provenance"]["versions"].items()}
    except (AttributeError, KeyError, TypeError):
        return ""
    here = versions()
    other = [f"{k} {v}, here {here[k]}" for k, v in saved.items() if k in here and here[k] != v]
    return printable(f" (it was saved with {'; '.join(other)})"[:MAX_REASON]) if other else ""


def _read_models(written: Header, tensors: Tensors, path: Path) -> TrainedModel:
    try:
        stuff = written.get("stuff")
        if stuff is None:
            if written.get("stuff_values"):
                raise ValueError("invalid stuff")
            return _read_model(written, tensors)
        if stuff.get("stuff"):
            raise ValueError("more than two models")
        things = {k: v for k, v in tensors.items() if not k.startswith(STUFF)}
        return replace(
            _read_model(written, things),
            stuff=_read_model(stuff, _below(STUFF, tensors)),
            stuff_values=read_stuff_values(written),
        )
    except MALFORMED as error:
        raise ValueError(
            f"{path.name} has a header that does not match its tensors or this version "
            f"({first_line(error)}); save the model again, or update "
            f"napari-segkit{_other_versions(written)}."
        ) from None


def _read_model(written: Header, tensors: Tensors) -> TrainedModel:
    model = read_header(written)  # all of it, before anything is built
    return replace(model, network=_network(model, tensors))
