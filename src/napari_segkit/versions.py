"""The versions that a result depends on."""

from importlib.metadata import version

PACKAGES = (
    *("napari-segkit", "torch", "torchvision", "segmentation-models-pytorch", "timm", "monai"),
    "numpy",
)


def versions() -> dict[str, str]:
    """Installed version of each package that decides about pixels."""
    return {name: version(name) for name in PACKAGES}
