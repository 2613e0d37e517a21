"""Features of a frozen encoder: its maps at several scales, upsampled to the image."""

from functools import partial
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_segkit.models.in_channels import build_smp

STRIDE = 32  # edges of the input are multiples of it
LEVELS = 4  # maps down to stride 16; deeper ones are too coarse
MEAN, STD = 0.449, 0.226  # of ImageNet


def create(name: str, channels: int) -> nn.Module:
    """Build a frozen encoder with random weights; ValueError if it has no feature maps."""
    reasons = []
    for depth in (5, 4, 3):
        make = partial(smp.encoders.get_encoder, name, depth=depth, weights=None)
        try:
            encoder = build_smp(make, name, channels)
            return encoder.requires_grad_(False).eval()
        except Exception as error:  # noqa: BLE001 (timm raises errors of all sorts)
            reasons.append((str(error).splitlines() or [type(error).__name__])[0])
    raise ValueError(
        f"The pixel classifier cannot use the encoder {name!r} ({reasons[0]}): choose another one, "
        "such as 'resnet18', or 'filters' to use no encoder."
    )


def feature_radii(encoder: Any) -> list[float]:
    """Distance in pixels between the values of each feature: its least receptive radius."""
    widths = encoder.out_channels[1 : LEVELS + 1]
    return [2.0**level for level, width in enumerate(widths, 1) for _ in range(width)]


@torch.no_grad()
def feature_maps(encoder: Any, image: Tensor) -> Tensor:
    """Feature maps ``(F, *spatial)`` of an image ``(C, *spatial)``, slice by slice in 3D."""
    slices = image.unsqueeze(1) if image.ndim == 3 else image
    slices_features = [_plane_features(encoder, plane) for plane in slices.unbind(1)]
    return torch.stack(slices_features, 1).reshape(-1, *image.shape[1:])


def _plane_features(encoder: Any, plane: Tensor) -> Tensor:
    """Pad a slice to the encoder's stride and upsample its maps to the slice's size."""
    height, width = plane.shape[-2:]
    padding = (0, -width % STRIDE, 0, -height % STRIDE)
    padded = functional.pad(((plane - MEAN) / STD)[None], padding, mode="replicate")
    levels = [level for level in encoder(padded)[1 : LEVELS + 1] if level.shape[1]]
    size = padded.shape[-2:]
    full = [functional.interpolate(level, size, mode="bilinear") for level in levels]
    return torch.cat(full, 1)[0, :, :height, :width]
