"""SOLO (Wang et al. 2020, arXiv:1912.04488) in its second form, SOLOv2 (arXiv:2003.10152)."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.ops import FeaturePyramidNetwork

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.finite import require_finite
from napari_segkit.models.in_channels import set_channels

from .object_scales import LEVELS, SMALLEST_CELL, choose_levels, grids_text
from .solo_inference import detect
from .solo_layers import STRIDE, Head, MaskBranch, mask_logits
from .solo_targets import (
    Level,
    assign_objects,
    category_loss,
    centres_of_mass,
    dice_loss,
    downsample_masks,
    make_grids,
    sample_positives,
)
from .torchvision_encoder import encoder

WIDTH = 64  # channels of the pyramid and the heads
FEATURES = 32  # channels E of the mask feature map
DICE = 3.0  # lambda of eq. (4) of the first paper
FLOOR = 0.05
DEFAULT_SIZES = np.geomspace(8, 256, 50).repeat(2).reshape(-1, 2)  # object sizes before training

Target = dict[str, Tensor]


class Solo(nn.Module):
    """Instances by location: each grid cell predicts a class and a mask kernel."""

    levels: Tensor

    def __init__(self, encoder_name: str, channels: int, classes: int) -> None:
        super().__init__()
        self.floor = FLOOR
        body = encoder(encoder_name)
        set_channels(body.network, channels)
        self.backbone = IntermediateLayerGetter(body.network, body.layers)
        stem, *widths = body.widths
        self.fpn = FeaturePyramidNetwork(widths, WIDTH)
        self.mask_branch = MaskBranch(stem, WIDTH, FEATURES)
        self.head = Head(WIDTH, classes - 1, FEATURES)
        self.register_buffer("levels", torch.zeros(LEVELS, 3))
        self.set_sizes(DEFAULT_SIZES)

    def set_sizes(self, sizes: np.ndarray) -> None:
        """Fit the grids to object sizes ``(objects, 2)`` in pixels; no objects, no change."""
        if len(sizes):
            levels = choose_levels(sizes)
            unused = [(0.0, 0.0, 0.0)] * (LEVELS - len(levels))
            self.levels.copy_(torch.tensor(levels + unused))

    def has_usable_sizes(self) -> bool:
        """Whether there is a grid, and no cell is smaller than a training gives."""
        cells, smallest, largest = self.levels.unbind(1)
        used = cells > 0
        in_range = (cells >= SMALLEST_CELL) & (smallest >= 0) & (largest >= smallest)
        return bool(used.any()) and bool((in_range | (self.levels == 0).all(1)).all())

    def sizes_text(self) -> str:
        """Describe the grids in one line."""
        return grids_text(cell for cell, *_ in self.levels.tolist() if cell)

    def measure_batch_statistics(self, batches: Iterable[Tensor]) -> None:
        """Recompute the batch statistics of the encoder."""
        update_bn(batches, self.backbone)

    def forward(
        self, images: Tensor, targets: Sequence[Target] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Return losses in training, else the result of `detect` for each image.

        Images are ``(B, channels, H, W)`` with edges multiples of 32. Targets have "boxes"
        ``(N, 4)``, "labels" ``(N,)`` and "masks" ``(N, H, W)``.
        """
        maps = self.backbone(images)
        stem = maps.pop("stem")
        pyramid = list(self.fpn(maps).values())
        features = self.mask_branch(stem, pyramid)
        levels = make_grids(self.levels.tolist(), *images.shape[-2:])
        categories, kernels = self.head(pyramid, levels)
        geometry = torch.cat([level.cell_geometry(images.device) for level in levels])
        if self.training:
            owners = [_owners(levels, target) for target in targets or ()]
            return {
                "category": _category_loss(categories, owners, targets or ()),
                "mask": DICE * _mask_loss(kernels, geometry, features, owners, targets or ()),
            }
        require_finite("outputs of the network", [categories, kernels, features])
        return [
            detect(score, kernel, geometry, feature, self.floor)
            for score, kernel, feature in zip(categories.sigmoid(), kernels, features, strict=True)
        ]


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    return Solo(str(spec.encoder), inputs.channels, inputs.classes)


def _owners(levels: Sequence[Level], target: Target) -> Tensor:
    return assign_objects(levels, target["boxes"], centres_of_mass(target["masks"]))


def _category_loss(logits: Tensor, owners: Sequence[Tensor], targets: Sequence[Target]) -> Tensor:
    classes = [
        torch.cat([target["labels"], target["labels"].new_zeros(1)])[owner]  # -1 is the last
        for owner, target in zip(owners, targets, strict=True)
    ]
    return category_loss(logits.flatten(0, 1), torch.cat(classes))


def _mask_loss(
    kernels: Tensor,
    geometry: Tensor,
    features: Tensor,
    owners: Sequence[Tensor],
    targets: Sequence[Target],
) -> Tensor:
    """Mean over the masks sampled from all images; 0 without any."""
    losses = []
    for kernel, feature, owner, target in zip(kernels, features, owners, targets, strict=True):
        cells = sample_positives(owner)
        objects, which = torch.unique(owner[cells], return_inverse=True)
        expected = downsample_masks(target["masks"][objects], STRIDE)[which]
        losses.append(dice_loss(mask_logits(kernel[cells], feature, geometry[cells]), expected))
    loss = torch.cat(losses)
    return loss.sum() / max(len(loss), 1)
