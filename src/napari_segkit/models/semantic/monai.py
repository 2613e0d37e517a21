"""Networks of MONAI for volumes and plane images, with kernels chosen by the voxel size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import prod
from typing import Any, TypeAlias

from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.mednext import MedNeXt, create_mednext
from monai.networks.nets.segresnet_ds import SegResNetDS
from torch import nn

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.meta_device import meta_device

Options: TypeAlias = Mapping[str, Any]  # of the builder
Steps = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Topology:
    """Kernels and strides of each level of a U-Net, finest first, one number per axis."""

    kernels: Steps
    strides: Steps


def topology(spacing: Sequence[float], poolings: int) -> Topology:
    """Choose kernels and strides for a voxel size, as nnU-Net does.

    An axis is pooled and convolved only while its voxels are less than twice as long as the
    shortest. Isensee et al., Nature Methods 2021, doi:10.1038/s41592-020-01008-z.
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
# Not instance norm, which would amplify noise in tiles of background.
NORM = "batch"
SEGRESNET = {
    "small": (8, (1, 2, 2, 4)),
    "medium": (16, (1, 2, 2, 4)),
    "large": (32, (1, 2, 2, 4, 4)),
}


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """Build the network of that name and size for the voxel size."""
    return BUILDERS[spec.name](str(spec.encoder), inputs, spec.options)


@lru_cache(maxsize=64)  # a network is built to know them, and every prediction asks
def stride(spec: ModelSpec, spacing: tuple[float, ...]) -> tuple[int, ...]:
    """Pixels along each axis that the edges of tiles are multiples of."""
    size = str(spec.encoder)
    if spec.name == "unet3d":
        filters = _filters(size, spec.options)
        strides = topology(spacing, len(filters) - 1).strides
        return tuple(prod(axis) for axis in zip(*strides, strict=True))
    if spec.name == "mednext":
        return (16,) * len(spacing)
    with meta_device():
        network = _segresnet(size, Inputs(1, 2, tuple(spacing)), spec.options)
    return tuple(int(n) for n in network.shape_factor())  # type: ignore[operator]


def _filters(size: str, options: Options) -> Sequence[int]:
    """Channels of each level of a U-Net."""
    return options.get("filters", UNET[size])


def _unet3d(size: str, inputs: Inputs, options: Options) -> nn.Module:
    filters = _filters(size, options)
    levels = topology(inputs.spacing, len(filters) - 1)
    create = partial(
        DynUNet,
        inputs.ndim,
        inputs.channels,
        inputs.classes,
        kernel_size=levels.kernels,
        strides=levels.strides,
        upsample_kernel_size=levels.strides[1:],
        norm_name=NORM,
    )
    return create(**{"filters": filters, **options})


def _segresnet(size: str, inputs: Inputs, options: Options) -> nn.Module:
    filters, blocks = SEGRESNET[size]
    create = partial(
        SegResNetDS,
        inputs.ndim,
        in_channels=inputs.channels,
        out_channels=inputs.classes,
        norm=NORM,
        resolution=inputs.spacing,
    )
    return create(**{"init_filters": filters, "blocks_down": blocks, **options})


def _mednext(size: str, inputs: Inputs, options: Options) -> nn.Module:
    """Build a published variant, or a tiny one that a CPU can train."""
    kernel_size = options.get("kernel_size", 3)
    if size != "tiny":
        return create_mednext(
            size[0], inputs.ndim, inputs.channels, inputs.classes, kernel_size=kernel_size
        )
    return MedNeXt(
        inputs.ndim,
        init_filters=16,
        in_channels=inputs.channels,
        out_channels=inputs.classes,
        kernel_size=kernel_size,
        use_residual_connection=True,
        blocks_down=(1, 1, 1, 1),
        blocks_bottleneck=1,
        blocks_up=(1, 1, 1, 1),
    )


BUILDERS: dict[str, Callable[[str, Inputs, Options], nn.Module]] = {
    "unet3d": _unet3d,
    "segresnet": _segresnet,
    "mednext": _mednext,
}
