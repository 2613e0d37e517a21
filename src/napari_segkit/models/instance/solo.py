"""SOLO (Wang et al. 2020, arXiv:1912.04488) in its second form, SOLOv2 (arXiv:2003.10152)."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchvision.ops import FeaturePyramidNetwork

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs

from .object_scales import LEVELS, choose_levels, grids_text
from .solo_inference import detect
from .solo_layers import STRIDE, Head, MaskBranch, encoder, mask_logits
from .solo_targets import (
    Level,
    assign,
    category_loss,
    centres_of_mass,
    dice_loss,
    draw,
    grids,
    shares,
)

WIDTH = 64  # channels of the pyramid and the heads
FEATURES = 32  # channels E of the mask feature map
DICE = 3.0  # lambda of eq. (4) of the first paper
FLOOR = 0.05
USUAL = np.geomspace(8, 256, 50).repeat(2).reshape(-1, 2)  # sizes, until others are told

Target = dict[str, Tensor]


class Solo(nn.Module):
    """Objects by locations: each cell of a grid says what is there, and how to cut it out.

    Parameters
    ----------
    encoder_name : str
        Such as "resnet18".
    channels, classes : int
        Of the images; of the labels, the background included.

    Attributes
    ----------
    floor : float
        Detections with lower scores are left out.
    """

    levels: Tensor

    def __init__(self, encoder_name: str, channels: int, classes: int) -> None:
        super().__init__()
        self.floor = FLOOR
        self.backbone, (stem, *widths) = encoder(encoder_name, channels)
        self.fpn = FeaturePyramidNetwork(widths, WIDTH)
        self.mask_branch = MaskBranch(stem, WIDTH, FEATURES)
        self.head = Head(WIDTH, classes - 1, FEATURES)
        self.register_buffer("levels", torch.zeros(LEVELS, 3))
        self.set_sizes(USUAL)

    def set_sizes(self, sizes: np.ndarray) -> None:
        """Fit the grids to the objects that are to be learned.

        Parameters
        ----------
        sizes : numpy.ndarray
            Height and width of each object in pixels, ``(objects, 2)``; none keeps the grids.
        """
        if len(sizes):
            levels = choose_levels(sizes)
            unused = [(0.0, 0.0, 0.0)] * (LEVELS - len(levels))
            self.levels.copy_(torch.tensor(levels + unused))

    def sizes_text(self) -> str:
        """The grids in words, such as "grids with cells of 5, 11 pixels"."""
        return grids_text(cell for cell, *_ in self.levels.tolist() if cell)

    def measure_batch_statistics(self, batches: Iterable[Tensor]) -> None:
        """Measure the encoder's batch statistics anew.

        Parameters
        ----------
        batches : iterable of torch.Tensor
            Images as `forward` takes them, on the network's device.
        """
        update_bn(batches, self.backbone)

    def forward(self, images: Tensor, targets: Sequence[Target] | None = None) -> Any:
        """Losses in training, detections in evaluation.

        Parameters
        ----------
        images : torch.Tensor
            ``(B, channels, H, W)``; H and W are multiples of 32.
        targets : sequence of dict
            In training, for each image: "boxes" ``(N, 4)``, "labels" ``(N,)`` and "masks"
            ``(N, H, W)``.

        Returns
        -------
        dict or list of dict
            In training the losses "category" and "mask", scalars; otherwise what
            `solo_detect.detect` gives of each image.
        """
        maps = self.backbone(images)
        stem = maps.pop("stem")
        pyramid = list(self.fpn(maps).values())
        features = self.mask_branch(stem, pyramid)
        levels = grids(self.levels.tolist(), *images.shape[-2:])
        categories, kernels = self.head(pyramid, levels)
        places = torch.cat([level.places(images.device) for level in levels])
        if self.training:
            owners = [_owners(levels, target) for target in targets or ()]
            return {
                "category": _category_loss(categories, owners, targets or ()),
                "mask": DICE * _mask_loss(kernels, places, features, owners, targets or ()),
            }
        return [
            detect(score, kernel, places, feature, self.floor)
            for score, kernel, feature in zip(categories.sigmoid(), kernels, features, strict=True)
        ]


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """SOLO on that encoder, from random weights.

    Parameters
    ----------
    spec : ModelSpec
        Its encoder.
    inputs : Inputs
        Channels and classes.
    """
    return Solo(str(spec.encoder), inputs.channels, inputs.classes)


def _owners(levels: Sequence[Level], target: Target) -> Tensor:
    return assign(levels, target["boxes"], centres_of_mass(target["masks"]))


def _category_loss(logits: Tensor, owners: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
    classes = [
        torch.cat([target["labels"], target["labels"].new_zeros(1)])[owner]  # -1 is the last
        for owner, target in zip(owners, targets, strict=True)
    ]
    return category_loss(logits.flatten(0, 1), torch.cat(classes))


def _mask_loss(
    kernels: Tensor,
    places: Tensor,
    features: Tensor,
    owners: Sequence[Tensor],
    targets: Sequence[Target],
) -> Tensor:
    """Mean over the masks of all images that are learned in this step; 0 where there are none."""
    losses = []
    for kernel, feature, owner, target in zip(kernels, features, owners, targets, strict=True):
        cells = draw(owner)
        objects, which = torch.unique(owner[cells], return_inverse=True)
        wanted = shares(target["masks"][objects], STRIDE)[which]
        losses.append(dice_loss(mask_logits(kernel[cells], feature, places[cells]), wanted))
    loss = torch.cat(losses)
    return loss.sum() / max(len(loss), 1)
