"""Several networks that predict together."""

from collections.abc import Iterable
from math import log

import torch
from torch import Tensor, nn

from .logits import log_probabilities_of


class MeanNetwork(nn.Module):
    """Map images to logits whose probabilities are the mean of those of several networks."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        """Logarithm of the mean probabilities; one logit where each network gives one."""
        total, outputs = None, 0
        for member in self.members:
            logits = member(images)
            own, outputs = log_probabilities_of(logits), logits.shape[1]
            total = own if total is None else torch.logaddexp(total, own)
        if outputs == 1:
            return total[:, 1:] - total[:, :1]
        return total - log(len(self.members))
