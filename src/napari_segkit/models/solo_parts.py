"""The parts of SOLO that have weights, and the masks that kernels cut from features."""

from collections import OrderedDict
from collections.abc import Sequence
from math import floor, log2, log

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate
from torchvision.models import mobilenet_v3_large, resnet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.ops import FeaturePyramidNetwork

from .channels import set_channels
from .solo_targets import Level

STRIDE = 2
UNIT = 32.0
MOBILENET = {"1": "stem", "3": "0", "6": "1", "12": "2", "16": "3"}, [16, 24, 40, 112, 960]
RESNET = {"relu": "stem", "layer1": "0", "layer2": "1", "layer3": "2", "layer4": "3"}
PRIOR = (0.0, 0.0, -1.0, -1.0, 0.0, 1.0)


class Pyramid:
    def __init__(self, encoder: str, channels: int, width: int) -> None:
        if encoder.startswith("mobilenet"):
            network: nn.Module = mobilenet_v3_large(weights=None).features
            layers, widths = MOBILENET
        else:
            whole = getattr(resnet, encoder)(weights=None)
            widths = [64, *(whole.fc.in_features >> k for k in (3, 2, 1, 0))]
            network, layers = whole, RESNET
        set_channels(network, channels)
        self.backbone = IntermediateLayerGetter(network, layers)
        self.fpn = FeaturePyramidNetwork(widths[1:], width)
        self.stem = widths[0]


def block(inputs: int, width: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, width, size, padding=size // 2, bias=False),
        nn.GroupNorm(width // 8, width),
        nn.ReLU(inplace=True),
    )


class MaskBranch(nn.Module):
    def __init__(self, stem: int, width: int, features: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            nn.ModuleList(block(width, width) for _ in range(max(k, 1))) for k in range(4)
        )
        self.narrow = block(width, features, 1)
        self.stem = block(stem, features, 1)
        self.fuse = block(features, features)
        self.last = nn.Conv2d(features, features, 1)

    def forward(self, stem: Tensor, pyramid: Sequence[Tensor]) -> Tensor:
        total = 0
        for k, (steps, x) in enumerate(zip(self.steps, pyramid)):
            for step in steps:
                x = step(x)
                if k:
                    x = double(x)
            total = total + x
        x = double(self.narrow(total)) + self.stem(stem)
        return self.last(self.fuse(x))


def double(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class Head(nn.Module):
    def __init__(self, width: int, things: int, features: int, depth: int = 3) -> None:
        super().__init__()
        self.category_branch = nn.Sequential(*(block(width, width) for _ in range(depth)))
        self.kernel_branch = nn.Sequential(*(block(width, width) for _ in range(depth)))
        self.category = nn.Conv2d(width, things, 3, padding=1)
        self.kernel = nn.Conv2d(width, features + 6, 3, padding=1)
        for last in (self.category, self.kernel):
            nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(self.category.bias, -log(99))
        nn.init.zeros_(self.kernel.bias)
        with torch.no_grad():
            self.kernel.bias[-6:] = torch.tensor(PRIOR)

    def forward(self, pyramid: Sequence[Tensor], levels: Sequence[Level]):
        categories, kernels = [], []
        for level in levels:
            x = at_cells(pyramid, level)
            categories.append(self.category(self.category_branch(x)).flatten(2))
            kernels.append(self.kernel(self.kernel_branch(x)).flatten(2))
        return torch.cat(categories, 2).mT, torch.cat(kernels, 2).mT


def at_cells(pyramid: Sequence[Tensor], level: Level) -> Tensor:
    k = min(max(floor(log2(level.cell / 4)), 0), len(pyramid) - 1)
    x = pyramid[k]
    height, width = (4 * 2**k * n for n in x.shape[-2:])
    places = level.places(x)[:, :2] / torch.tensor([width, height], device=x.device) * 2 - 1
    where = places.view(1, level.rows, level.columns, 2).expand(len(x), -1, -1, -1)
    return grid_sample(x, where, mode="bilinear", padding_mode="border", align_corners=False)


def mask_logits(kernels: Tensor, features: Tensor, places: Tensor) -> Tensor:
    e, h, w = features.shape
    y = ((torch.arange(h, device=features.device) + 0.5 - h / 2) * STRIDE / UNIT)[:, None].expand(
        h, w
    )
    x = ((torch.arange(w, device=features.device) + 0.5 - w / 2) * STRIDE / UNIT)[None].expand(h, w)
    basis = torch.cat([features, torch.stack([x, y, x * x, y * y, x * y, torch.ones_like(x)])])
    # change of frame
    s = UNIT / places[:, 2]
    cx = (places[:, 0] - w * STRIDE / 2) / UNIT
    cy = (places[:, 1] - h * STRIDE / 2) / UNIT
    a, b, aa, bb, ab, one = kernels[:, e:].unbind(1)
    a, b, aa, bb, ab = a * s, b * s, aa * s * s, bb * s * s, ab * s * s
    moved = torch.stack(
        [
            a - 2 * aa * cx - ab * cy,
            b - 2 * bb * cy - ab * cx,
            aa,
            bb,
            ab,
            one - a * cx - b * cy + aa * cx * cx + bb * cy * cy + ab * cx * cy,
        ],
        1,
    )
    kernels = torch.cat([kernels[:, :e], moved], 1)
    return (kernels @ basis.flatten(1)).view(-1, h, w)
