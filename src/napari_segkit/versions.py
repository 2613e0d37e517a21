"""Versions of the packages that affect results."""

from functools import cache
from importlib.metadata import version

version_of = cache(version)  # reads a file each time

PACKAGES = (
    *("napari-segkit", "torch", "torchvision", "segmentation-models-pytorch", "timm", "monai"),
    "numpy",
)


def versions() -> dict[str, str]:
    """Installed version of each package that affects predictions."""
    return {name: version_of(name) for name in PACKAGES}
