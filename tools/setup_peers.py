"""Install what `make peers` compares with into an environment of its own, .peers.

    python tools/setup_peers.py [FOLDER]

Each package is installed alone: of one that cannot be, the reason goes into packages.json, and from
there into its rows. TORCH_INDEX names another index for torch. What is there already is kept.
"""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

# Package, what pip installs for it, the module that has to be found.
PEERS = (
    ("pydensecrf2", ("pydensecrf2>=1.1",), "pydensecrf.densecrf"),
    ("scikit-learn", ("scikit-learn",), "sklearn.ensemble"),
    ("scikit-image", ("scikit-image",), "skimage.segmentation"),
    ("torch", ("torch", "torchvision"), "torch, torchvision"),
    ("torchmetrics", ("torchmetrics",), "torchmetrics"),
    ("monai", ("monai",), "monai.inferers"),
    ("surface-distance", ("surface-distance",), "surface_distance"),
    ("cellpose", ("cellpose>=3.1,<4",), "cellpose.models"),
    ("stardist", ("stardist", "tensorflow"), "stardist.models"),
    ("napari-convpaint", ("napari-convpaint", "PyQt6"), "napari_convpaint.convpaint_model"),
)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".peers").absolute()
    if not (folder / "pyvenv.cfg").exists():
        venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    reasons = {name: install(python, name, packages) for name, packages, _ in PEERS}
    found = {}
    for name, _, module in PEERS:  # at the end: a later package may have broken one
        reason = reasons[name] or run(python, "-c", f"import {module}")
        found[name] = {"reason": reason} if reason else {"version": version(python, name)}
        print(f"{name}: {reason or found[name]['version']}", flush=True)
    (folder / "packages.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def install(python: Path, name: str, packages: tuple[str, ...]) -> str:
    """Why pip could not install a package; empty if it did."""
    print(f"Installing {name}", flush=True)
    index = os.environ.get("TORCH_INDEX")
    where = ["--index-url", index] if name == "torch" and index else []
    return run(python, "-m", "pip", "install", "--quiet", *packages, *where)


def run(python: Path, *command: str) -> str:
    """The reason of a failure in one line; empty if there is none."""
    quiet = os.environ | {"QT_QPA_PLATFORM": "offscreen", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([python, *command], capture_output=True, text=True, env=quiet)
    return reason(done.stderr) if done.returncode else ""


def reason(log: str) -> str:
    """What pip or Python says last, without hosts and paths of this machine."""
    lines = [line.strip() for line in log.splitlines() if line.strip()] or ["no message"]
    errors = [line for line in lines if re.match(r"(error|ERROR):|\w*Error:", line)] or lines
    text = re.sub(r"\S*://\S+|(?<!\w)/\S+", "…", errors[-1])
    return text[:200]


def version(python: Path, name: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
