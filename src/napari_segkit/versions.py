"""Versions of the packages that affect results."""

from functools import cache
from importlib.metadata import version

PACKAGES = (
    *("napari-segkit", "torch", "torchvision", "segmentation-models-pytorch", "timm", "monai"),
    "numpy",
)


def versions() -> dict[str, str]:
    """Installed version of each package that affects predictions."""
    return {name: _version(name) for name in PACKAGES}


_version = cache(version)  # which reads a file
