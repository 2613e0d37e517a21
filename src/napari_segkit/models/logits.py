"""From what a network gives to probabilities."""

import torch
from torch.nn.functional import logsigmoid


def probabilities_of(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities float32 ``(N, classes, ...)`` of logits; one logit is that of two classes."""
    if logits.shape[1] > 1:
        return logits.float().softmax(dim=1)
    second = logits.float().sigmoid()
    return torch.cat([1 - second, second], dim=1)


def log_probabilities_of(logits: torch.Tensor) -> torch.Tensor:
    """Logarithms of `probabilities_of`, finite wherever the logits are."""
    if logits.shape[1] > 1:
        return logits.float().log_softmax(dim=1)
    second = logits.float()
    return torch.cat([logsigmoid(-second), logsigmoid(second)], dim=1)
