"""MONAI's networks for volumes, shaped by the voxel size; they work on flat images as well."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.mednext import MedNeXt, create_mednext
from monai.networks.nets.segresnet_ds import SegResNetDS
from torch import nn

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.meta_device import meta_device

Steps = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Topology:
    """Kernels and strides of a U-Net's levels.

    Parameters
    ----------
    kernels, strides : tuple of tuple of int
        One entry a level, the finest first; one number an axis.
    """

    kernels: Steps
    strides: Steps


def topology(spacing: Sequence[float], poolings: int) -> Topology:
    """Kernels and strides for a voxel size, as nnU-Net chooses them.

    An axis is halved, and convolved across, only where its voxels are less than twice as long as
    the shortest: coarse axes wait until the fine ones have become as coarse.

    Parameters
    ----------
    spacing : sequence of float
        World units between voxels along each axis.
    poolings : int
        How often the finest axis is halved.

    Returns
    -------
    Topology
        For ``poolings + 1`` levels.

    References
    ----------
    Isensee et al., nnU-Net, Nature Methods 2021, doi:10.1038/s41592-020-01008-z, online methods.
    """
    size = list(spacing)
    kernels, strides = [], [(1,) * len(size)]
    kernel = [1] * len(size)
    for _ in range(poolings):
        near = [s < 2 * min(size) for s in size]
        kernel = [3 if n else k for n, k in zip(near, kernel, strict=True)]
        kernels.append(tuple(kernel))
        strides.append(tuple(2 if n else 1 for n in near))
        size = [s * k for s, k in zip(size, strides[-1], strict=True)]
    near = [s < 2 * min(size) for s in size]
    kernels.append(tuple(3 if n else k for n, k in zip(near, kernel, strict=True)))
    return Topology(tuple(kernels), tuple(strides))


UNET = {
    "small": (16, 32, 64, 128),
    "medium": (32, 64, 128, 256, 320),
    "large": (32, 64, 128, 256, 320, 320),
}
# Not a tile's own statistics, which make a tile of air look like anything at all.
NORM = "batch"
SEGRESNET = {
    "small": (8, (1, 2, 2, 4)),
    "medium": (16, (1, 2, 2, 4)),
    "large": (32, (1, 2, 2, 4, 4)),
}


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """The network of that name and size for that voxel size, from random weights.

    Parameters
    ----------
    spec : ModelSpec
        Name, and the size as encoder.
    inputs : Inputs
        Channels, classes and voxel size.
    """
    return BUILDERS[spec.name](str(spec.encoder), inputs)


def stride(spec: ModelSpec, spacing: Sequence[float]) -> tuple[int, ...]:
    """What a tile's edges are multiples of, along each axis.

    Parameters
    ----------
    spec : ModelSpec
        Name, and the size as encoder.
    spacing : sequence of float
        World units between voxels along each axis.
    """
    size = str(spec.encoder)
    if spec.name == "unet3d":
        strides = topology(spacing, len(UNET[size]) - 1).strides
        return tuple(prod(axis) for axis in zip(*strides, strict=True))
    if spec.name == "mednext":
        return (16,) * len(spacing)
    with meta_device():
        network = _segresnet(size, Inputs(1, 2, tuple(spacing)))
    return tuple(int(n) for n in network.shape_factor())  # type: ignore[operator]


def _unet3d(size: str, inputs: Inputs) -> nn.Module:
    filters = UNET[size]
    levels = topology(inputs.spacing, len(filters) - 1)
    return DynUNet(
        inputs.ndim,
        inputs.channels,
        inputs.classes,
        kernel_size=levels.kernels,
        strides=levels.strides,
        upsample_kernel_size=levels.strides[1:],
        filters=filters,
        norm_name=NORM,
    )


def _segresnet(size: str, inputs: Inputs) -> nn.Module:
    filters, blocks = SEGRESNET[size]
    return SegResNetDS(
        inputs.ndim,
        init_filters=filters,
        in_channels=inputs.channels,
        out_channels=inputs.classes,
        norm=NORM,
        blocks_down=blocks,
        resolution=inputs.spacing,
    )


def _mednext(size: str, inputs: Inputs) -> nn.Module:
    """The published variants, and a tiny one that a CPU can train."""
    if size != "tiny":
        return create_mednext(size[0], inputs.ndim, inputs.channels, inputs.classes)
    return MedNeXt(
        inputs.ndim,
        init_filters=16,
        in_channels=inputs.channels,
        out_channels=inputs.classes,
        kernel_size=3,
        use_residual_connection=True,
        blocks_down=(1, 1, 1, 1),
        blocks_bottleneck=1,
        blocks_up=(1, 1, 1, 1),
    )


BUILDERS: dict[str, Callable[[str, Inputs], nn.Module]] = {
    "unet3d": _unet3d,
    "segresnet": _segresnet,
    "mednext": _mednext,
}
