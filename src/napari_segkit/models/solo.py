"""SOLO (Wang et al. 2020, arXiv:1912.04488) in its second form (SOLOv2, arXiv:2003.10152)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_segkit.config import ModelSpec

from . import Inputs
from .solo_detect import detect
from .solo_parts import Head, MaskBranch, Pyramid, mask_logits
from .solo_targets import (
    LEVELS,
    Level,
    assign,
    category_loss,
    centres_of_mass,
    choose_levels,
    dice_loss,
    draw,
    grids,
    shrink,
)

WIDTH = 64  # channels of the pyramid and the heads
FEATURES = 32  # channels E of the mask feature map
DICE = 3.0  # lambda, eq. (4) of the first paper
USUAL = np.array([[8.0, 8.0], [256.0, 256.0]])  # sizes, where none were told

Target = dict[str, Tensor]


class Solo(nn.Module):
    """Objects by locations: each cell of a grid says what is there, and how to cut it out."""

    scales: Tensor

    def __init__(self, encoder: str, channels: int, classes: int, width: int = WIDTH) -> None:
        super().__init__()
        self.floor = 0.05
        pyramid = Pyramid(encoder, channels, width)
        self.backbone, self.fpn = pyramid.backbone, pyramid.fpn
        self.mask_branch = MaskBranch(pyramid.stem, width, FEATURES)
        self.head = Head(width, classes - 1, FEATURES)
        self.register_buffer("scales", torch.zeros(LEVELS, 3))
        self.set_sizes(USUAL)

    def set_sizes(self, sizes: np.ndarray) -> None:
        levels = choose_levels(sizes)
        rows = levels + [(0.0, 0.0, 0.0)] * (LEVELS - len(levels))
        self.scales.copy_(torch.tensor(rows))

    def sizes_text(self) -> str:
        cells = ", ".join(f"{cell:.0f}" for cell, *_ in self.scales.tolist() if cell)
        return f"grids with cells of {cells} pixels"

    def forward(self, images: Tensor, targets: list[Target] | None = None) -> Any:
        maps = self.backbone(images)
        stem = maps.pop("stem")
        pyramid = list(self.fpn(maps).values())
        features = self.mask_branch(stem, pyramid)
        levels = grids(self.scales.tolist(), *images.shape[-2:])
        categories, kernels = self.head(pyramid, levels)
        places = torch.cat([level.places(features) for level in levels])
        if self.training:
            return self._losses(levels, categories, kernels, places, features, targets or [])
        return [
            detect(levels, *of_image, places, self.floor)
            for of_image in zip(categories.sigmoid(), kernels, features, strict=True)
        ]

    def _losses(
        self,
        levels: list[Level],
        categories: Tensor,
        kernels: Tensor,
        places: Tensor,
        features: Tensor,
        targets: list[Target],
    ) -> dict[str, Tensor]:
        stride = 2
        classes, dice = [], [kernels.sum()[None] * 0]
        for kernel, feature, target in zip(kernels, features, targets, strict=True):
            owners = assign(levels, target["boxes"], centres_of_mass(target["masks"]))
            labels = torch.cat([target["labels"], target["labels"].new_zeros(1)])
            classes.append(labels[owners])
            chosen = draw(owners)
            if len(chosen):
                logits = mask_logits(kernel[chosen], feature, places[chosen])
                objects, which = owners[chosen].unique(return_inverse=True)
                wanted = shrink(target["masks"][objects], stride)
                dice.append(dice_loss(logits, wanted[which]))
        given = torch.cat(classes)
        positives = int((given > 0).sum())
        loss = torch.cat(dice)
        return {
            "category": category_loss(categories.flatten(0, 1), given, positives),
            "mask": DICE * loss.sum() / max(len(loss) - 1, 1),
        }


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    return Solo(str(spec.encoder), inputs.channels, inputs.classes)
