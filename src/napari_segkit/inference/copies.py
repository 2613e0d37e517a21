"""Probabilities of tiles as the mean over mirrored copies, and over passes with dropout."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor, nn

from napari_segkit.config import PredictConfig
from napari_segkit.tiling import are_alike
from napari_segkit.torch_random import RandomSource, random_numbers
from napari_segkit.trained_model import TrainedModel

from .network import PredictionNetwork, shared_copy

Predict = Callable[[Tensor], Tensor]
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


@dataclass(frozen=True)
class Symmetry:
    """Quarter turns in the plane of the slices, then mirroring; axes are counted from the last."""

    turns: int = 0
    mirrored: tuple[int, ...] = ()

    def apply(self, images: Tensor) -> Tensor:
        return images.rot90(self.turns, (-2, -1)).flip(self.mirrored)

    def undo(self, images: Tensor) -> Tensor:
        return images.flip(self.mirrored).rot90(-self.turns, (-2, -1))


def symmetries(model: TrainedModel) -> tuple[Symmetry, ...]:
    """The mirrored and turned copies that a training made of its patches; each occurs once."""
    config = model.config.augment
    if "augment" in model.info.unused or not config.augment:
        return (Symmetry(),)
    chosen = (config.depth_flip, config.vertical_flip, config.horizontal_flip)[-model.ndim :]
    axes = [axis for axis, flip in zip(range(-model.ndim, 0), chosen, strict=True) if flip]
    turns = range(4) if config.quarter_turns and _may_turn(model) else range(1)
    if len(turns) > 1 and {-2, -1} <= set(axes):
        axes.remove(-2)  # the same as mirroring the other axis and two turns
    subsets = product(*([(), (axis,)] for axis in axes))
    return tuple(Symmetry(n, sum(each, ())) for each, n in product(subsets, turns))


def require_copies(model: TrainedModel, config: PredictConfig) -> None:
    """ValueError for copies, slices or passes with dropout that a model does not have."""
    name = model.info.title
    if config.three_axes and (model.ndim == 3 or model.info.has_masks):
        kind = "predicts objects with masks" if model.info.has_masks else "takes whole volumes"
        raise ValueError(
            f"three_axes=True, but this {name} {kind}: leave three_axes out, or train a semantic "
            "method with dims='2D'."
        )
    if config.flips and model.info.has_masks:
        raise ValueError(
            f"flips=True, but {name} predicts objects with masks, of which there "
            "is no mean over mirrored copies: leave flips out."
        )
    if config.flips and len(symmetries(model)) == 1:
        takes_none = "augment" in model.info.unused
        advice = "leave flips out" + ("" if takes_none else ", or train it with augment")
        raise ValueError(
            f"flips=True, but this {name} was not trained on mirrored or turned patches: {advice}."
        )
    if config.passes > 1 and not _dropout_layers(model.network):
        raise ValueError(
            f"passes={config.passes}, but the network of this {name} has no "
            "dropout, so all passes are the same: choose passes=1, or train a method with "
            "dropout, such as fpn or deeplabv3plus."
        )
    if model.stuff is not None:
        require_copies(model.stuff, config)


def mean_over_symmetries(predict: Predict, images: Tensor, copies: Sequence[Symmetry]) -> Tensor:
    """Mean of what is predicted for copies of images, each put back into place."""
    total = copies[0].undo(predict(copies[0].apply(images)))
    for symmetry in copies[1:]:
        total += symmetry.undo(predict(symmetry.apply(images)))
    return total / len(copies)


def mean_over_passes(predict: Predict, images: Tensor, seeds: Sequence[Sequence[int]]) -> Tensor:
    """Mean over passes with other random numbers; `seeds` are those of the passes of each image.

    Images are predicted one by one: the random numbers of one do not depend on its batch.
    """
    return torch.cat(
        [_mean_of_seeds(predict, images[i : i + 1], own) for i, own in enumerate(seeds)]
    )


def _mean_of_seeds(predict: Predict, image: Tensor, seeds: Sequence[int]) -> Tensor:
    total: Tensor | float = 0.0
    for seed in seeds:
        with random_numbers(RandomSource(seed)):
            total = total + predict(image)
    return torch.as_tensor(total) / len(seeds)


def with_dropout(network: PredictionNetwork) -> PredictionNetwork:
    """A copy whose dropout is on; other predictions with the same network go on without it."""
    module = shared_copy(network.module)
    for layer in _dropout_layers(module):
        layer.train()
    return replace(network, module=module)


def _dropout_layers(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, DROPOUT) and m.p > 0]


def _may_turn(model: TrainedModel) -> bool:
    """Whether the training turned patches, square ones of equal spacing; as `training.augment`."""
    height, width = (model.patch or model.tile_size)[-2:]
    alike = model.config.voxel_size is not None or are_alike(model.spacing[-2:])
    return height == width and alike and len(set(model.strides[-2:])) == 1
