"""Tensors and a JSON header in one safetensors file, without executable code."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as serialise
from torch import nn

from .io.output_paths import check_output_path
from .io.replace_file import atomic_write

# Errors that a header of other contents than expected can cause.
MALFORMED = (  # RecursionError is a RuntimeError
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError),
    ValueError,
)

Tensors = dict[str, torch.Tensor]


def network_tensors(network: nn.Module) -> Tensors:
    """Parameters and buffers; tensors shared under several names are listed once."""
    unique = {name for name, _ in [*network.named_parameters(), *network.named_buffers()]}
    return {name: t for name, t in network.state_dict().items() if name in unique}


def write_tensors(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    key: str,
    header: Mapping[str, object],
    *,
    overwrite: bool = True,
) -> None:
    """Write a file; an existing one is replaced only after the new one is complete.

    `key` tells the kind of file.
    """
    check_output_path(path, overwrite=overwrite)
    stored = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(serialise(stored, {key: json.dumps(header)}))


def read_tensors(path: Path, key: str) -> tuple[str, Tensors]:
    """JSON header and tensors; none of a file of another kind. SafetensorError if damaged."""
    with safe_open(path, framework="pt") as file:
        header = (file.metadata() or {}).get(key, "")
        names = file.keys() if header else []
        return header, {name: file.get_tensor(name) for name in names}


def first_line(error: Exception) -> str:
    """The reason in a message about a malformed file."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
