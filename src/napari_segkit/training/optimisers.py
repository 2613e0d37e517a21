"""Optimisers by the names of the configuration."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from napari_segkit.config import TrainConfig

FUSED = ("cpu", "cuda")  # one kernel for all weights of these devices; it takes half the time
MOMENTUM = 0.9


def make_optimiser(
    config: TrainConfig, parameters: Iterable[nn.Parameter], device: torch.device
) -> Optimizer:
    """The optimiser that a configuration names."""
    rate, fused = config.learning_rate, device.type in FUSED
    if config.optimiser == "sgd":
        return SGD(parameters, lr=rate, momentum=MOMENTUM, nesterov=True, fused=fused)
    return OPTIMISERS[config.optimiser](parameters, lr=rate, fused=fused)


OPTIMISERS: dict[str, type[Adam]] = {"adamw": AdamW, "adam": Adam}
