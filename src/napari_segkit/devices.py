"""Where torch runs: the choice, what it has free, and why a graphics card is not used."""

import os
import shutil
from pathlib import Path

import psutil

from ._triton_workaround import keep_apart

keep_apart()  # before torch's companions are imported; every use of torch comes through here

import torch  # noqa: E402


def choose(device: str = "auto") -> torch.device:
    """The torch device that a name stands for.

    Parameters
    ----------
    device : str
        "auto" (the first of CUDA, MPS and CPU that works), "cpu", "cuda", "cuda:1", "mps".

    Returns
    -------
    torch.device
        A device that exists here.

    Raises
    ------
    ValueError
        If the device is not here; the message lists those that are.
    """
    present = list_devices()
    wanted = present[1] if device == "auto" else device
    if wanted not in present and f"{wanted}:0" not in present:
        reason = gpu_problem() if wanted.startswith("cuda") else None
        raise ValueError(
            f"device is {device!r}, which is not here; choose one of {', '.join(present)}."
            + (f" {reason}" if reason else "")
        )
    return torch.device(wanted)


def list_devices() -> list[str]:
    """Names that `choose` accepts here: "auto", then the best device first, "cpu" last."""
    cuda = (
        [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["auto", *cuda, *mps, "cpu"]


def describe(device: str = "auto") -> str:
    """One line for a person: the device, its threads where it is a CPU, its free memory."""
    chosen, free = choose(device), _gib(free_memory(device))
    if chosen.type == "cuda":
        return f"{torch.cuda.get_device_name(chosen)}, {free} free"
    if chosen.type == "mps":
        return f"Apple GPU (MPS), {free} free"
    count = torch.get_num_threads()
    return f"CPU, {count} thread{'s' * (count > 1)}, {free} free"


def free_memory(device: str = "auto") -> int:
    """Bytes that are free on a device now; ValueError where it is not here."""
    chosen = choose(device)
    if chosen.type == "cuda":
        return int(torch.cuda.mem_get_info(chosen)[0])
    return int(psutil.virtual_memory().available)


def gpu_problem() -> str | None:
    """Why a graphics card that is here is not used, and what mends it; None where all is well."""
    if torch.cuda.is_available() or torch.backends.mps.is_available() or not _has_nvidia():
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            "An NVIDIA card is here, but this torch is built for the CPU only: install a CUDA "
            "build with the command that pytorch.org gives for your system."
        )
    return (
        f"An NVIDIA card is here, but torch (built for CUDA {torch.version.cuda}) cannot use it: "
        "update the NVIDIA driver, or install a torch built for the driver's CUDA version."
    )


def use_threads(count: int) -> None:
    """Let torch use `count` CPU threads from now on."""
    torch.set_num_threads(max(1, count))


def leave_a_core() -> None:
    """Let torch use all CPU cores but one from now on: the window needs it."""
    use_threads((os.cpu_count() or 2) - 1)


def _has_nvidia() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
