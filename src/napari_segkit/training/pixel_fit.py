"""Fit the pixel classifier to features of labelled pixels: a few Newton-like steps."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_segkit.models.finite import require_finite

if TYPE_CHECKING:
    from napari_segkit.models.pixels.classifier import PixelClassifier

MIN_SHARE = 0.01  # of the training pixels; those of a smaller class are repeated
ITERATIONS = {2: 8, 3: 30}
PRIOR = {2: 6.0, 3: 0.01}  # strength of the pull of the weights to zero, in pixels
PRIOR_POWER = {2: 0.5, 3: 0.0}  # it is divided by the number of training pixels to this power
JITTER = {2: 0.0, 3: 0.1}  # added noise, in standard deviations of a feature
BALANCE = {2: 0.0, 3: 1.0}  # weighting for a feature's mean and spread; 1: per class, 0: per pixel


@torch.no_grad()
def fit(
    network: "PixelClassifier", features: Tensor, targets: Tensor, seed: int
) -> Iterator[float]:
    """Fit a softmax regression with a fixed bound on its curvature (Boehning 1992).

    `features` are ``(F, pixels)``. Yields the loss before each iteration.
    """
    ndim, classes = len(network.spacing), len(network.bias)
    mean, spread = _mean_and_spread(features, targets, BALANCE[ndim])
    require_finite("features of the labelled pixels", [mean, spread])
    network.mean.copy_(mean)
    network.scale.copy_(1 / spread.clamp_min(1e-6))
    embedded = network.embed(_add_noise(features, JITTER[ndim] * spread, seed))
    centre = embedded.mean(dim=1, keepdim=True)
    embedded = embedded - centre
    one_hot = functional.one_hot(targets, classes).T.to(embedded.dtype)
    offset = one_hot.mean(dim=1).clamp_min(1e-6).log()
    prior = PRIOR[ndim] / len(targets) ** PRIOR_POWER[ndim]
    inverse = _inverse_curvature(embedded, prior)
    weight = torch.zeros_like(network.weight)
    for _ in range(ITERATIONS[ndim]):
        logits = torch.addmm(offset[:, None], weight, embedded)
        loss = functional.cross_entropy(logits.T, targets).item()
        slope = (logits.softmax(dim=0) - one_hot) @ embedded.T + prior * weight
        weight = weight - slope @ inverse
        network.weight.copy_(weight)
        network.bias.copy_(offset - (weight @ centre).squeeze(1))
        yield loss


def _add_noise(features: Tensor, amounts: Tensor, seed: int) -> Tensor:
    """Add noise: air is one exact value here, and another one in the next volume.

    The narrow cosine features of volumes are unconstrained between training values; without
    noise, air of an MRI with slightly different normalisation could get any class.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(features.shape, generator=generator).to(features)
    return features + amounts[:, None] * noise


def join(
    features: Sequence[Tensor], targets: Sequence[Tensor], classes: int
) -> tuple[Tensor, Tensor]:
    """Join those of all tiles, and repeat pixels of classes too small to be learned from once."""
    counts = torch.stack([torch.bincount(t, minlength=classes) for t in targets]).sum(0)
    repeats = (MIN_SHARE * counts.sum() / counts.clamp_min(1)).ceil().long().clamp_min(1)
    again = [
        torch.arange(len(t), device=t.device).repeat_interleave(repeats[t] - 1) for t in targets
    ]
    more = [f.index_select(1, columns) for f, columns in zip(features, again, strict=True)]
    return (
        torch.cat([*features, *more], 1),
        torch.cat([*targets, *(t[columns] for t, columns in zip(targets, again, strict=True))]),
    )


def _mean_and_spread(features: Tensor, targets: Tensor, balance: float) -> tuple[Tensor, Tensor]:
    """Mean and spread of each feature; balanced, a large background does not dominate."""
    weights = torch.bincount(targets).to(features.dtype)[targets] ** -balance
    weights /= weights.sum()
    mean = features @ weights
    return mean, ((features - mean[:, None]).square_() @ weights).sqrt_()


def _inverse_curvature(embedded: Tensor, prior: float) -> Tensor:
    """Inverse of the curvature bound, in double precision on the CPU."""
    bound = 0.5 * (embedded @ embedded.T).cpu().double()
    bound.diagonal().add_(prior)
    return torch.cholesky_inverse(torch.linalg.cholesky(bound)).to(embedded)
