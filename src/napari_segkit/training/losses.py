"""Losses of a step; what pixels with target `IGNORE` hold changes neither value nor gradient."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segkit.config.training import Loss
from napari_segkit.images.labels import IGNORE

FOCUS = 2.0  # exponent of the focal loss, Lin et al. 2017, doi:10.1109/ICCV.2017.324
MISSED = 0.7  # weight of missed pixels in the Tversky loss, Salehi et al. 2017, arXiv:1706.05721


class StepLoss(nn.Module):
    """A loss that is a sum over pixels or images, divided by one count over the whole step.

    So the shares of the parts of a batch add up to the loss of the batch. Cross-entropy and focal
    loss are divided by the labelled pixels; Dice, Tversky and Lovasz are computed for each image,
    over the classes that are labelled in it, and averaged.
    """

    weights: Tensor | None

    def __init__(self, name: Loss = "cross_entropy_dice", weights: Tensor | None = None) -> None:
        super().__init__()
        self.of_pixels, self.of_images = LOSSES[name]
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor, whole: Tensor | None = None) -> Tensor:
        """Share of these images in the loss of a step.

        `logits` are ``(N, classes, *spatial)``, or ``(N, 1, *spatial)`` for the second of two
        classes; `target` holds class indices ``(N, *spatial)``, `whole` those of all images of the
        step, if there are more.
        """
        whole = target if whole is None else whole
        logits = torch.where((target == IGNORE).unsqueeze(1), 0.0, logits.float())
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], 1)
        share = logits.new_zeros(())
        if self.of_pixels is not None:
            share = share + self.of_pixels(logits, target, self.weights) / self._pixels(whole)
        if self.of_images is not None:
            share = share + self.of_images(logits, target) / len(whole)
        return share

    def _pixels(self, target: Tensor) -> Tensor:
        """Labelled pixels, each counted as much as its class weighs."""
        labelled = target[target != IGNORE]
        count = len(labelled) if self.weights is None else self.weights[labelled].sum()
        return torch.as_tensor(count, device=target.device).clamp_min(1e-6)


def _cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    return F.cross_entropy(logits, target, weights, ignore_index=IGNORE, reduction="sum")


def _focal(logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    nothing = {"ignore_index": IGNORE, "reduction": "none"}
    log_p = -F.cross_entropy(logits, target, **nothing)  # type: ignore[arg-type]
    weighted = F.cross_entropy(logits, target, weights, **nothing)  # type: ignore[arg-type]
    return ((1 - log_p.exp()) ** FOCUS * weighted).sum()


def _tversky(missed: float, first_class: int = 0) -> Callable[[Tensor, Tensor], Tensor]:
    """Sum over images of 1 - Tversky index; with `missed` 0.5 it is Dice."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        classes = torch.arange(logits.shape[1], device=target.device)
        truth = (target.unsqueeze(1) == classes.view(-1, *[1] * (target.ndim - 1))).flatten(2)
        p = (logits.softmax(1) * (target != IGNORE).unsqueeze(1)).flatten(2)
        hits, wanted = (p * truth).sum(2), truth.sum(2)
        found = (1 - missed) * p.sum(2) + missed * wanted  # of hits, falsely found and missed
        lost = torch.where(wanted > 0, 1 - hits / found.clamp_min(1e-7), 0.0)
        return lost[:, first_class:].mean(1).sum()

    return loss


def _lovasz_softmax(logits: Tensor, target: Tensor) -> Tensor:
    from segmentation_models_pytorch.losses import LovaszLoss  # takes seconds to load

    lovasz = LovaszLoss("multiclass", ignore_index=IGNORE)
    labelled = (target != IGNORE).flatten(1).any(1).nonzero().flatten().tolist()
    losses = [lovasz(logits[i : i + 1], target[i : i + 1]) for i in labelled]
    return sum(losses, start=0.0 * logits.sum())


OfPixels = Callable[[Tensor, Tensor, Tensor | None], Tensor]
OfImages = Callable[[Tensor, Tensor], Tensor]

_dice = _tversky(0.5)

# What is summed over pixels, and over images.
LOSSES: dict[Loss, tuple[OfPixels | None, OfImages | None]] = {
    "cross_entropy_dice": (_cross_entropy, _dice),
    "cross_entropy": (_cross_entropy, None),
    "dice": (None, _dice),
    "focal": (_focal, None),
    "tversky": (None, _tversky(MISSED)),
    "lovasz": (None, _lovasz_softmax),
    "bce_dice": (_cross_entropy, _tversky(0.5, first_class=1)),  # of two classes it is the BCE
}
