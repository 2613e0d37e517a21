"""Versions of the packages that affect results."""

from importlib.metadata import version

PACKAGES = (
    *("napari-segkit", "torch", "torchvision", "segmentation-models-pytorch", "timm", "monai"),
    "numpy",
)


def versions() -> dict[str, str]:
    """Installed version of each package that affects predictions."""
    return {name: version(name) for name in PACKAGES}
