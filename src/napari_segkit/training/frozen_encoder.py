"""Keep the encoder of a network as it is: its weights and its batch statistics."""

import warnings

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import model_info


def check_frozen(spec: ModelSpec, config: TrainConfig, *, is_trained: bool) -> None:
    """Refuse to freeze the encoder of a method without one, and tell of one that is random."""
    if not config.freeze_encoder:
        return
    if "freeze_encoder" in model_info(spec.name).unused:
        raise ValueError(
            f"freeze_encoder is set, but {spec.name} has no encoder of its own: leave it out, or "
            "choose another method."
        )
    if spec.weights is None and not is_trained:
        warnings.warn(
            "freeze_encoder keeps an encoder with random weights: choose pretrained weights, or "
            "start from a trained model.",
            UserWarning,
            stacklevel=3,
        )


def freeze_encoder(network: nn.Module) -> None:
    """Exclude the encoder from training; the network may be put into training mode."""
    encoder = _encoder_of(network)
    encoder.requires_grad_(False)
    for module in encoder.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = _frozen(type(module))
            module.eval()


def _encoder_of(network: nn.Module) -> nn.Module:
    """The encoder, by the names that smp, torchvision and this package give it."""
    modules = dict(network.named_modules())
    names = ("encoder", "network.backbone", "backbone.body", "backbone")  # body: without a pyramid
    return next(modules[name] for name in names if name in modules)


def _frozen(kind: type) -> type:
    """A batch normalisation that stays in evaluation mode and keeps its statistics."""
    methods = {"train": _stay, "reset_running_stats": _stay}
    return type(f"Frozen{kind.__name__}", (kind,), methods)


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    module.training = False
    return module
