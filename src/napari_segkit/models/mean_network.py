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
        first, *others = self.members
        logits = first(images)
        total = log_probabilities_of(logits)
        for member in others:
            total = torch.logaddexp(total, log_probabilities_of(member(images)))
        if logits.shape[1] == 1:
            return total[:, 1:] - total[:, :1]
        return total - log(len(self.members))
