"""Losses that leave unlabelled pixels out exactly."""

import torch
from segmentation_models_pytorch.losses import DiceLoss
from torch import nn
from torch.nn import functional as F

from napari_segkit.images.labels import IGNORE


class CrossEntropyDice(nn.Module):
    """Cross-entropy plus Dice over labelled pixels; targets of `IGNORE` count in neither."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = DiceLoss("multiclass", ignore_index=IGNORE)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Parameters
        ----------
        logits : Tensor
            ``(N, classes, *spatial)``.
        target : Tensor
            Class indices ``(N, *spatial)``, int64, at least one of them not `IGNORE`.

        Returns
        -------
        Tensor
            A scalar.
        """
        return F.cross_entropy(logits, target, ignore_index=IGNORE) + self.dice(logits, target)
