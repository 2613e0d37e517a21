"""Tensors and a JSON header in one safetensors file, without executable code.

The metadata of the file hold a checksum of all its bytes, with zeros in the place of the checksum.
"""

import hashlib
import json
from collections.abc import Mapping
from io import BufferedReader
from math import inf, isfinite
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import nn

from .error_messages import printable
from .io.checked_json import MAX_HEADER, Header, first_line, parse_json
from .io.output_paths import check_output_path
from .io.replace_file import atomic_write

CHECKSUM = "sha256"
NO_DIGEST = "0" * 64

Tensors = dict[str, torch.Tensor]


class DamagedFileError(ValueError):
    """A file is not what was written; the message is the reason."""


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
    text = json.dumps({**header, "checksum": CHECKSUM})
    data = memoryview(serialise(stored, {key: text, CHECKSUM: NO_DIGEST}))
    size = 8 + int.from_bytes(data[:8], "little")
    place = _place_of_digest(bytes(data[:size]))
    digest = hashlib.sha256(data).hexdigest()
    with atomic_write(path, overwrite=overwrite) as file:
        file.writelines((data[:place], digest.encode(), data[place + len(digest) :]))


def read_tensors(path: Path, key: str) -> tuple[Header, Tensors]:
    """JSON header and tensors of a file; both are empty if it is of another kind.

    Raises DamagedFileError.
    """
    with path.open("rb") as file:
        head = _read_head(file)
        metadata = _metadata(head)
        digest = metadata.get(CHECKSUM)
        if digest is not None and _digest_of(head, file) != digest:
            raise DamagedFileError("its contents do not match its checksum")
    header = _header(metadata.get(key))
    if digest is None and has_checksum(header):
        raise DamagedFileError("its checksum is missing")
    try:
        with safe_open(path, framework="pt") as opened:
            names = opened.keys() if header else []
            return header, {name: opened.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise DamagedFileError(first_line(error)) from None


def has_checksum(header: Header) -> bool:
    """Whether a file with this header has a checksum; those of earlier versions have none."""
    return "checksum" in header


def require_regular_file(path: Path, noun: str) -> None:
    """Refuse what is no file that can be read to its end, such as a folder or a device."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: NUL in the name
        raise FileNotFoundError(f"There is no {noun} {printable(str(path))}.") from None
    except OSError as error:  # a loop of links, too long a name, a folder that cannot be searched
        raise OSError(
            f"The {noun} {printable(str(path))} cannot be opened ({error.strerror}): choose "
            "another."
        ) from None
    if not S_ISREG(mode):
        what = "a folder" if S_ISDIR(mode) else "a device or a pipe"
        raise ValueError(f"{printable(str(path))} is {what}: choose a {noun}.")


def require_finite_tensors(tensors: Mapping[str, torch.Tensor], unbounded: str = "") -> None:
    """Refuse NaN and infinite numbers; a tensor `unbounded` may have infinity."""
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() and tensor.numel()):
            continue
        low, high = map(float, tensor.aminmax())
        is_unbounded = unbounded and f".{name}".endswith(f".{unbounded}") and high == inf
        if not (isfinite(low) and (isfinite(high) or is_unbounded)):
            raise ValueError(f"the tensor {name} has NaN or infinite numbers")


def _read_head(file: BufferedReader) -> bytes:
    """The length and the text of safetensors' own header."""
    start = file.read(8)
    size = int.from_bytes(start, "little")
    if len(start) < 8 or size > MAX_HEADER:
        raise DamagedFileError("it is no safetensors file")
    text = file.read(size)
    if len(text) < size:
        raise DamagedFileError("it is cut off")
    return start + text


def _metadata(head: bytes) -> dict[str, str]:
    try:
        metadata = parse_json(head[8:]).get("__metadata__") or {}
    except ValueError as error:
        raise DamagedFileError(first_line(error)) from None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise DamagedFileError("its metadata are no texts")
    return metadata


def _place_of_digest(head: bytes) -> int:
    """Where the checksum begins in a file that begins with `head`."""
    label = f'"{CHECKSUM}":"'.encode()  # elsewhere its quotation marks have backslashes
    if head.count(label) != 1:
        raise DamagedFileError("its checksum cannot be found")
    return head.index(label) + len(label)


def _digest_of(head: bytes, file: BufferedReader) -> str:
    """The checksum of a file of which `head` has been read."""
    place = _place_of_digest(head)
    total = hashlib.sha256(head[:place] + NO_DIGEST.encode() + head[place + len(NO_DIGEST) :])
    return hashlib.file_digest(file, lambda: total).hexdigest()


def _header(text: str | None) -> Header:
    """The JSON header; empty if it is missing or none."""
    try:
        return parse_json(text or "")
    except ValueError:
        return {}
