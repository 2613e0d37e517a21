"""Which machine this is, in words that tell one from another and name no person's computer."""

import os
import platform
import re
from pathlib import Path

import psutil


def describe() -> dict[str, str | int]:
    """Processor, cores, memory, system and Python."""
    return {
        "processor": processor(),
        "cores": len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count() or 1,
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "system": f"{platform.system()}, {platform.machine()}",
        "python": platform.python_version(),
    }


def processor() -> str:
    """Model of the processor; where that says little (on servers of a cloud), its generation."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^([^\t\n]+?)\s*: (.+)$", file.read_text(), re.M))
    name = fields.get("model name", platform.machine())
    generation = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    vectors = [v for v in ("avx512f", "avx2") if v in fields.get("flags", "").split()][:1]
    return f"{name} ({', '.join([*generation, *vectors])})" if generation else name


def slug(machine: dict[str, str | int]) -> str:
    """Name of the file of results."""
    text = f"{machine['processor']} {machine['cores']} cores".lower()
    return re.sub(r"[^a-z0-9]+", "-", text.replace("cpu family", "family")).strip("-")
