"""Files of pretrained weights: download on request, check the hash, read tensors only."""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, is_zipfile

from napari_segkit._triton_workaround import isolate_triton

from .matching import Tensors
from .server import in_time, require_server

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS_NAME = "model.safetensors"
ALTERNATIVE = "give the path of another weights file"
NESTED_KEYS = ("state_dict", "model_state_dict", "network_weights", "model")


class WeightsError(ValueError):
    """Pretrained weights cannot be used; the message says which, why, and what to do."""

    remedies: tuple[str, ...] = ()


@dataclass(frozen=True)
class UrlFile:
    """A file in torch's cache whose name ends with the first digits of its SHA-256."""

    address: str

    @property
    def path(self) -> Path:
        """Path in the cache, whether or not it is there."""
        folder = Path(import_library("torch.hub").get_dir()) / "checkpoints"
        return folder / self.address.rsplit("/", 1)[-1]

    def sha256(self) -> str | None:
        """First digits of the SHA-256 from the file name, or None."""
        digits = re.search(r"-([0-9a-f]{8,64})\.", self.address.rsplit("/", 1)[-1])
        return digits and digits[1]

    def download(self) -> None:
        """Download it; torch removes it if the hash differs."""
        require_server(self.address)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        import_library("torch.hub").download_url_to_file(
            self.address, str(self.path), self.sha256(), progress=False
        )


@dataclass(frozen=True)
class HubFile:
    """A safetensors file of the Hugging Face hub, in the hub's cache.

    The cache links to files named by their SHA-256. Where there are no links (Windows without
    developer mode, a file copied by hand) the hub is asked for the hash; without network the
    file is read unchecked, since it can hold tensors only.
    """

    repository: str
    revision: str

    @property
    def address(self) -> str:
        """URL of the file."""
        return self._url(self.revision)

    @property
    def path(self) -> Path:
        """Path in the cache, whether or not it is there."""
        from huggingface_hub import constants

        name = "models--" + self.repository.replace("/", "--")
        folder = Path(constants.HF_HUB_CACHE) / name
        branch = folder / "refs" / self.revision
        commit = branch.read_text().strip() if branch.is_file() else self.revision
        return folder / "snapshots" / commit / SAFETENSORS_NAME

    def sha256(self) -> str | None:
        """SHA-256, or None where neither the cache nor the hub has it."""
        name: str | None = self.path.resolve().name
        if name == SAFETENSORS_NAME:
            name = self._hub_hash()
        return name if re.fullmatch(r"[0-9a-f]{64}", name or "") else None

    def download(self) -> None:
        """Download it with the hub's client."""
        from huggingface_hub import constants, hf_hub_download

        if not constants.HF_HUB_OFFLINE:
            require_server(self.address)
        hf_hub_download(self.repository, SAFETENSORS_NAME, revision=self.revision)

    def _hub_hash(self) -> str | None:
        from huggingface_hub import get_hf_file_metadata

        address = self._url(self.path.parent.name)
        return in_time(lambda: get_hf_file_metadata(address).etag)

    def _url(self, revision: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, SAFETENSORS_NAME, revision=revision)


def import_library(name: str) -> Any:
    """Import torch, or a library that uses it, when needed: this takes seconds."""
    isolate_triton()
    return import_module(name)


def fetch(file: UrlFile | HubFile) -> Path:
    """Download a file unless it is cached, check its hash, and return its path."""
    if not file.path.is_file():
        try:
            file.download()
        except Exception as error:  # the libraries raise errors of all sorts
            raise WeightsError(
                f"The weights file {file.path.name} is not on this computer and could not be "
                f"downloaded ({reason(error)}): download {file.address} and put it at "
                f"{file.path}, or {ALTERNATIVE}."
            ) from error
    expected = file.sha256()
    if expected and not _sha256(file.path).startswith(expected):
        raise WeightsError(
            f"The weights file {file.path.resolve()} is damaged or not the original: its "
            f"SHA-256 does not begin with {expected[:16]}; delete it to download it again, or "
            f"{ALTERNATIVE}."
        )
    return file.path


def read(path: Path) -> Tensors:
    """Read the tensors of a safetensors or torch file; code in it is never run.

    They take no more memory than the file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise WeightsError(
            f"The weights file {path} cannot be read ({error.strerror}): {ALTERNATIVE}."
        ) from error
    return _read_safetensors(path) if start[8:] == b"{" else _read_torch(path)


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError

    try:
        return import_library("safetensors.torch").load_file(path, device="cpu")
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is not a complete weights file ({reason(error)}): download it again, or "
            f"{ALTERNATIVE}."
        ) from None


def _read_torch(path: Path) -> Tensors:
    if _may_inflate(path):
        raise WeightsError(
            f"{path} is damaged or would take more memory than the file has bytes, because it is "
            f"compressed or holds more than tensors: save it with torch.save, or {ALTERNATIVE}."
        )
    try:
        loaded = import_library("torch").load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of all sorts
        raise WeightsError(
            f"{path} cannot be read: it is damaged, or contains Python objects that could run "
            "code; save only the state_dict, or "
            f"{ALTERNATIVE}."
        ) from error
    return _tensors(loaded, path)


def _may_inflate(path: Path) -> bool:
    """Whether reading a torch file may take more memory than the file; torch compresses nothing."""
    size = path.stat().st_size
    if not size:
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        if data.find(b"\nbytearray\n") >= 0:  # a pickle can make one of any length
            return True
    if not is_zipfile(path):
        return False
    with suppress(BadZipFile), ZipFile(path) as archive:
        members = archive.infolist()
        is_stored = all(member.compress_type == ZIP_STORED for member in members)
        return not is_stored or sum(member.file_size for member in members) > size
    return True


def _has_contents(tensor: "Tensor") -> bool:
    """Whether the file holds a tensor number by number, which one of repeated numbers does not."""
    library = import_library("torch")
    if tensor.layout != library.strided or tensor.is_quantized or tensor.device.type != "cpu":
        return False
    size: int = tensor.numel() * tensor.element_size()
    return size <= tensor.untyped_storage().nbytes()


def _tensors(loaded: object, path: Path) -> Tensors:
    """Return the state dict, also from inside the dicts that training scripts save."""
    for nest in NESTED_KEYS:
        if isinstance(loaded, dict) and isinstance(loaded.get(nest), dict):
            loaded = loaded[nest]
    named = loaded.items() if isinstance(loaded, dict) else ()
    tensors = {str(k): v for k, v in named if isinstance(v, import_library("torch").Tensor)}
    tensors = {name: tensor for name, tensor in tensors.items() if _has_contents(tensor)}
    if not tensors:
        raise WeightsError(f"{path} contains no named tensors (no state_dict): {ALTERNATIVE}.")
    return tensors


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason(error: Exception) -> str:
    """First sentence of an error message, without its full stop."""
    text = str(error).strip() or type(error).__name__
    return re.split(r"\.\s|\n", text)[0].rstrip(".")
