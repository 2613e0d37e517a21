"""Layers of SOLOv2 with weights: encoder, heads, mask branch (arXiv:2003.10152)."""

from collections import OrderedDict
from collections.abc import Sequence
from math import floor, log, log2

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate
from torchvision.models.convnext import LayerNorm2d

from .solo_targets import Level

STRIDE = 2  # of the mask feature map
FINEST = 4  # stride of the pyramid's first map
DEPTH = 3  # convolutions of each branch of the head
# Initial coefficients of u, v, u2, v2, uv, 1: every mask is a disc around its cell.
DISC = (0.0, 0.0, -1.0, -1.0, 0.0, 1.0)
PRIOR_PROBABILITY = 0.01  # of an object in a cell, of a new network (Lin et al. 2017)


def block(inputs: int, width: int, size: int = 3) -> nn.Sequential:
    """Convolution, layer norm and ReLU.

    The papers use group norm over the entire map, which depends on the rest of the tile.
    """
    convolve = nn.Conv2d(inputs, width, size, padding=size // 2, bias=False)
    named = {"convolve": convolve, "normalise": LayerNorm2d(width), "relu": nn.ReLU(inplace=True)}
    return nn.Sequential(OrderedDict(named))


class MaskBranch(nn.Module):
    """Mask feature map F, shared by all objects (section 3.3.2 of the second paper).

    The paper's has stride 4. Here the encoder's first map is added at stride 2, because nuclei
    may be ten pixels wide.
    """

    def __init__(self, stem: int, width: int, features: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.ModuleList(block(width, width) for _ in range(max(level, 1))) for level in range(4)
        )
        self.narrow = block(width, features, 1)
        self.stem = block(stem, features, 1)
        self.last = nn.Sequential(block(features, features), nn.Conv2d(features, features, 1))

    def forward(self, stem: Tensor, pyramid: Sequence[Tensor]) -> Tensor:
        """F, ``(B, E, H / 2, W / 2)``, from the encoder's first map and the pyramid's four."""
        total = self.levels[0][0](pyramid[0])  # type: ignore[index]
        for blocks, x in zip(self.levels[1:], pyramid[1:], strict=True):
            for convolve in blocks:  # type: ignore[attr-defined]
                x = _double(convolve(x))
            total = total + x
        features: Tensor = self.last(_double(self.narrow(total)) + self.stem(stem))
        return features


class Head(nn.Module):
    """Category and kernel branch, shared by all grids (section 3.2 of the second paper)."""

    def __init__(self, width: int, things: int, features: int) -> None:
        super().__init__()
        self.category, self.kernel = (
            nn.Sequential(
                *(block(width, width) for _ in range(DEPTH)),
                nn.Conv2d(width, outputs, 3, padding=1),
            )
            for outputs in (things, features + len(DISC))
        )
        biases = [-log(1 / PRIOR_PROBABILITY - 1)] * things, [0.0] * features + list(DISC)
        for branch, bias in zip((self.category, self.kernel), biases, strict=True):
            last = branch[-1]
            nn.init.normal_(last.weight, std=0.01)  # type: ignore[arg-type]
            last.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, pyramid: Sequence[Tensor], levels: Sequence[Level]) -> tuple[Tensor, Tensor]:
        """Logits ``(B, cells, things)`` and kernels G ``(B, cells, E + 6)``, grid after grid."""
        cells = [sample_cells(pyramid, level) for level in levels]
        categories = torch.cat([self.category(x).flatten(2) for x in cells], 2)
        kernels = torch.cat([self.kernel(x).flatten(2) for x in cells], 2)
        return categories.mT, kernels.mT


def sample_cells(pyramid: Sequence[Tensor], level: Level) -> Tensor:
    """Sample features ``(B, width, rows, columns)`` at the centres of a grid's cells.

    Uses the coarsest map of the pyramid that is finer than the cells.
    """
    chosen = min(max(floor(log2(level.cell / FINEST)), 0), len(pyramid) - 1)
    x = pyramid[chosen]
    pixels = FINEST * 2**chosen * torch.tensor([x.shape[3], x.shape[2]], device=x.device)
    geometry = 2 * level.cell_geometry(x.device)[:, :2] / pixels - 1
    geometry = geometry.view(1, level.rows, level.columns, 2).expand(len(x), -1, -1, -1)
    return grid_sample(x, geometry, padding_mode="border", align_corners=False)


def mask_logits(kernels: Tensor, features: Tensor, geometry: Tensor) -> Tensor:
    """Mask logits ``(N, h, w)``: each kernel G as a 1 x 1 convolution of F and coordinates.

    Coordinates are u, v, u2, v2, uv, relative to the kernel's cell and in units of its edge. The
    papers use positions in the image; relative ones do not depend on the tile. `kernels` are
    ``(N, E + 6)``, `features` ``(E, h, w)`` or ``(N, E, h, w)``, `geometry` centre x, centre y and
    edge of the cells in pixels, ``(N, 3)``.
    """
    channels, height, width = features.shape[-3:]
    x = (torch.arange(width, device=features.device) + 0.5) * STRIDE
    y = (torch.arange(height, device=features.device) + 0.5) * STRIDE
    centre_x, centre_y, edge = geometry[:, :, None].unbind(1)
    u, v = (x - centre_x) / edge, (y - centre_y) / edge
    of_u, of_v, of_uu, of_vv, of_uv, constant = kernels[:, channels:, None].unbind(1)
    down = [of_v * v + of_vv * v * v + constant, torch.ones_like(v), of_uv * v]
    across = [torch.ones_like(u), of_u * u + of_uu * u * u, u]
    of_features = kernels[:, None, :channels] @ features.flatten(-2)
    return torch.baddbmm(
        of_features.view(-1, height, width), torch.stack(down, 2), torch.stack(across, 1)
    )


def _double(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
