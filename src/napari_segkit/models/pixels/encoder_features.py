"""Features of an encoder that does not learn: its maps at several scales, one value a pixel."""

import warnings
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_segkit.models.in_channels import set_channels

STRIDE = 32  # edges of what an encoder reads are multiples of it
LEVELS = 4  # its maps down to a sixteenth of the image; deeper ones say little of a single pixel
MEAN, SPREAD = 0.449, 0.226  # of the photographs that encoders are trained with


def create(name: str, channels: int) -> nn.Module:
    """An encoder of segmentation-models-pytorch with random weights, frozen.

    Parameters
    ----------
    name : str
        One of smp's, or "tu-" and one of timm's.
    channels : int
        Channels of the images.

    Raises
    ------
    ValueError
        If it gives no maps at several scales.
    """
    colour = name.startswith("mit_")  # smp builds these for three channels only
    encoder = _create(name, 3 if colour else channels)
    if colour:
        set_channels(encoder, channels)
    return encoder.requires_grad_(False).eval()


def _create(name: str, channels: int) -> nn.Module:
    reasons = []
    for depth in (5, 4, 3):
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=DeprecationWarning)  # timm-...
                return smp.encoders.get_encoder(
                    name, in_channels=channels, depth=depth, weights=None
                )
        except Exception as error:  # noqa: BLE001 (timm raises errors of all sorts)
            reasons.append((str(error).splitlines() or [type(error).__name__])[0])
    raise ValueError(
        f"The pixel classifier cannot use the encoder {name!r} ({reasons[0]}): choose another one, "
        "such as 'resnet18', or 'filters' for none."
    )


def reaches(encoder: Any) -> list[float]:
    """How far each feature of `maps` sees at least: the pixels between its values."""
    widths = encoder.out_channels[1 : LEVELS + 1]
    return [2.0**level for level, width in enumerate(widths, 1) for _ in range(width)]


@torch.no_grad()
def maps(encoder: Any, image: Tensor) -> Tensor:
    """The encoder's maps, brought to the image's size; a volume goes slice by slice.

    Parameters
    ----------
    encoder : torch.nn.Module
        As `create` made it.
    image : Tensor
        float32 ``(C, *spatial)``, about 0 to 1.

    Returns
    -------
    Tensor
        float32 ``(F, *spatial)``.
    """
    slices = image.unsqueeze(1) if image.ndim == 3 else image
    found = [_plane(encoder, plane) for plane in slices.unbind(1)]
    return torch.stack(found, 1).reshape(-1, *image.shape[1:])


def _plane(encoder: Any, plane: Tensor) -> Tensor:
    """One slice, padded to what the encoder can halve."""
    height, width = plane.shape[-2:]
    padding = (0, -width % STRIDE, 0, -height % STRIDE)
    padded = functional.pad(((plane - MEAN) / SPREAD)[None], padding, mode="replicate")
    levels = [level for level in encoder(padded)[1 : LEVELS + 1] if level.shape[1]]
    size = padded.shape[-2:]
    full = [functional.interpolate(level, size, mode="bilinear") for level in levels]
    return torch.cat(full, 1)[0, :, :height, :width]
