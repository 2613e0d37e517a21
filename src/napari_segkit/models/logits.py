"""From what a network gives to probabilities."""

import torch


def probabilities_of(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities float32 ``(N, classes, ...)`` of logits; one logit is that of two classes."""
    if logits.shape[1] > 1:
        return logits.float().softmax(dim=1)
    second = logits.float().sigmoid()
    return torch.cat([1 - second, second], dim=1)
