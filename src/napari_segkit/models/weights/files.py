"""Files of pretrained weights: fetched on request, checked, and read as tensors alone."""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit._triton_workaround import keep_apart

if TYPE_CHECKING:
    from torch import Tensor

SAFE = "model.safetensors"
INSTEAD = "choose another file of weights by its path"
NESTS = ("state_dict", "model_state_dict", "network_weights", "model")


class WeightsError(ValueError):
    """Pretrained weights cannot be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class UrlFile:
    """A file whose name carries the beginning of its SHA-256, kept in torch's cache.

    Parameters
    ----------
    address : str
        Where it can be fetched.
    """

    address: str

    @property
    def place(self) -> Path:
        """Where it lies, or would lie, on this machine."""
        return (
            Path(library("torch.hub").get_dir()) / "checkpoints" / self.address.rsplit("/", 1)[-1]
        )

    def sha256(self) -> str | None:
        """The first digits of its SHA-256, which its name ends with; None where it does not."""
        digits = re.search(r"-([0-9a-f]{8,64})\.", self.address.rsplit("/", 1)[-1])
        return digits and digits[1]

    def download(self) -> None:
        """Fetch it; nothing is left behind where the hash differs."""
        self.place.parent.mkdir(parents=True, exist_ok=True)
        library("torch.hub").download_url_to_file(
            self.address, str(self.place), self.sha256(), progress=False
        )


@dataclass(frozen=True)
class HubFile:
    """A safetensors file of the Hugging Face hub, kept in the hub's own cache.

    In the cache a name points at the file proper, which is named by its SHA-256. Where there are
    no such links (Windows without developer mode, or a file put there by hand), the hub is asked
    for the hash; without network the file is then read unchecked, as it holds tensors only.

    Parameters
    ----------
    repository : str
        Such as "smp-hub/resnet18.imagenet".
    revision : str
        A commit, or "main".
    """

    repository: str
    revision: str

    @property
    def address(self) -> str:
        """Where it can be fetched."""
        return self._url(self.revision)

    @property
    def place(self) -> Path:
        """Where it lies, or would lie, on this machine."""
        from huggingface_hub import constants

        name = "models--" + self.repository.replace("/", "--")
        folder = Path(constants.HF_HUB_CACHE) / name
        branch = folder / "refs" / self.revision
        commit = branch.read_text().strip() if branch.is_file() else self.revision
        return folder / "snapshots" / commit / SAFE

    def sha256(self) -> str | None:
        """Its SHA-256; None where neither the cache nor the hub tells."""
        name: str | None = self.place.resolve().name
        if name == SAFE:
            name = self._asked()
        return name if re.fullmatch(r"[0-9a-f]{64}", name or "") else None

    def download(self) -> None:
        """Fetch it with the hub's own client."""
        from huggingface_hub import hf_hub_download

        hf_hub_download(self.repository, SAFE, revision=self.revision)

    def _asked(self) -> str | None:
        from huggingface_hub import get_hf_file_metadata

        with suppress(Exception):  # without network there is nothing to compare with
            return get_hf_file_metadata(self._url(self.place.parent.name)).etag
        return None

    def _url(self, revision: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, SAFE, revision=revision)


def library(name: str) -> Any:
    """Import torch or a library on top of it, at the last moment: they take seconds.

    Parameters
    ----------
    name : str
        Such as "torchvision.models".
    """
    keep_apart()
    return import_module(name)


def fetch(file: UrlFile | HubFile) -> Path:
    """Make sure that a file is here, and is the one it should be.

    Parameters
    ----------
    file : UrlFile or HubFile
        Downloaded only where it is not in the cache.

    Returns
    -------
    pathlib.Path
        Of the file, its hash checked, also that of a cached one.

    Raises
    ------
    WeightsError
        If it is missing and cannot be fetched, or its hash differs.
    """
    if not file.place.is_file():
        try:
            file.download()
        except Exception as error:  # the libraries raise errors of all sorts
            raise WeightsError(
                f"The weights file {file.place.name} is not on this machine and could not be "
                f"fetched ({reason(error)}): download {file.address} and put it at "
                f"{file.place}, or {INSTEAD}."
            ) from error
    wanted = file.sha256()
    if wanted and not _sha256(file.place).startswith(wanted):
        raise WeightsError(
            f"The weights file {file.place.resolve()} is damaged or not the genuine one: its "
            f"SHA-256 does not begin with {wanted[:16]}; delete it to have it fetched again, or "
            f"{INSTEAD}."
        )
    return file.place


def read(path: Path) -> dict[str, "Tensor"]:
    """The tensors of a file; whatever else it holds is never run.

    Parameters
    ----------
    path : pathlib.Path
        A file in the form of safetensors, or one that ``torch.save`` wrote.

    Returns
    -------
    dict of str to torch.Tensor
        By name, on the CPU.

    Raises
    ------
    WeightsError
        If the file is incomplete, or holds Python objects besides tensors.
    """
    with path.open("rb") as file:
        start = file.read(9)
    return _read_safe(path) if start[8:] == b"{" else _read_torch(path)


def _read_safe(path: Path) -> dict[str, "Tensor"]:
    from safetensors import SafetensorError

    try:
        return library("safetensors.torch").load_file(path, device="cpu")
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is no complete file of weights ({reason(error)}): get it again, or {INSTEAD}."
        ) from None


def _read_torch(path: Path) -> dict[str, "Tensor"]:
    try:
        loaded = library("torch").load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of all sorts
        raise WeightsError(
            f"{path} is not read: it is damaged, or holds Python objects that could run code, "
            "where a file of weights holds tensors alone; save its state_dict by itself, or "
            f"{INSTEAD}."
        ) from error
    return _tensors(loaded, path)


def _tensors(loaded: Any, path: Path) -> dict[str, "Tensor"]:
    """The state dict inside what training scripts save around it."""
    for nest in NESTS:
        if isinstance(loaded, dict) and isinstance(loaded.get(nest), dict):
            loaded = loaded[nest]
    named = loaded.items() if isinstance(loaded, dict) else ()
    tensors = {str(k): v for k, v in named if isinstance(v, library("torch").Tensor)}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors with names (no state_dict): {INSTEAD}.")
    return tensors


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason(error: Exception) -> str:
    """The first sentence of a library's message.

    Parameters
    ----------
    error : Exception
        Whatever it raised.

    Returns
    -------
    str
        To stand inside a sentence: without a stop at its end.
    """
    text = str(error).strip() or type(error).__name__
    return re.split(r"\.\s|\n", text)[0].rstrip(".")
