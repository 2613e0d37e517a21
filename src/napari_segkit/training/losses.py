"""Losses that ignore unlabelled pixels."""

import torch
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn
from torch.nn import functional as F

from napari_segkit.images.labels import IGNORE


class CrossEntropyDice(nn.Module):
    """Cross-entropy plus Dice; pixels with target `IGNORE` are left out of both."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = DiceLoss("multiclass", ignore_index=IGNORE)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss of logits ``(N, classes, *spatial)`` and int64 indices ``(N, *spatial)``."""
        return F.cross_entropy(logits, target, ignore_index=IGNORE) + self.dice(logits, target)
