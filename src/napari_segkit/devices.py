"""Devices of torch: choice, free memory, and why a graphics card is not used."""

import os
import shutil
import sys
from pathlib import Path

import psutil

from ._triton_workaround import isolate_triton

isolate_triton()  # before torchvision or an optimiser is imported

import torch  # noqa: E402

from .arguments import as_device  # noqa: E402


def choose(device: str = "auto") -> torch.device:
    """Return the torch device of a name; ValueError lists the available ones.

    "auto" is the first of CUDA, MPS and CPU that works.
    """
    device, present = as_device(device), list_devices()
    name = present[1] if device == "auto" else device
    if name not in present and f"{name}:0" not in present:
        reason = gpu_problem() if name.startswith("cuda") else None
        raise ValueError(
            f"device is {device!r}, which is not available; choose one of {', '.join(present)}."
            + (f" {reason}" if reason else "")
        )
    return torch.device(name)


def list_devices() -> list[str]:
    """Names that `choose` accepts: "auto", then the best device first, "cpu" last."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cuda = [f"cuda:{i}" for i in range(count)]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["auto", *cuda, *mps, "cpu"]


def describe(device: str = "auto") -> str:
    """One line for people: the device, CPU threads, free memory."""
    chosen, free = choose(device), _gib(free_memory(device))
    if chosen.type == "cuda":
        return f"{torch.cuda.get_device_name(chosen)}, {free} free"
    if chosen.type == "mps":
        return f"Apple GPU (MPS), {free} free"
    count = torch.get_num_threads()
    return f"CPU, {count} thread{'s' * (count > 1)}, {free} free"


def free_memory(device: str = "auto") -> int:
    """Free memory of a device in bytes."""
    chosen = choose(device)
    if chosen.type == "cuda":
        return int(torch.cuda.mem_get_info(chosen)[0])
    return min(int(psutil.virtual_memory().available), _left_of_limit())


def _left_of_limit() -> int:
    """Bytes left of the limit that the system may set to this process, as ``ulimit -v`` does."""
    try:
        import resource
    except ImportError:  # Windows has none
        return sys.maxsize
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(0, limit - int(psutil.Process().memory_info().vms))


def gpu_problem() -> str | None:
    """Why a graphics card is not used and how to fix that; None if there is no problem."""
    if torch.cuda.is_available() or torch.backends.mps.is_available() or not _has_nvidia():
        return None
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            "This computer has an NVIDIA GPU, but torch is built for the CPU only: install a CUDA "
            "build with the command that pytorch.org gives for your system."
        )
    return (
        "This computer has an NVIDIA GPU, but torch (built for CUDA "
        f"{torch.version.cuda}) cannot use it: update the NVIDIA driver, or install a torch built "
        "for the driver's CUDA version."
    )


def use_threads(count: int) -> None:
    """Set the number of CPU threads of torch."""
    torch.set_num_threads(max(1, count))


def leave_a_core() -> None:
    """Let torch use all CPU cores but one, which the window needs."""
    use_threads((os.cpu_count() or 2) - 1)


def _has_nvidia() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
