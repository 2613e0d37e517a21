"""Training targets of SOLO: grids, the object of each cell, and losses.

Sections and equations are those of the first paper, arXiv:1912.04488.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, one_hot
from torchvision.ops import sigmoid_focal_loss

CENTRE = 0.2  # epsilon, section 3.3.1: the centre region's share of an object's box
POSITIVES = 96  # masks per image and training step, sampled at random
ALPHA, GAMMA = 0.5, 2.0  # of the focal loss; with the paper's 0.25 scores rise more slowly


@dataclass(frozen=True)
class Level:
    """A grid of square cells of `cell` pixels, for objects of a range of scales.

    The scale of an object is ``sqrt(height * width)`` of its box.
    """

    cell: float
    smallest: float
    largest: float
    rows: int
    columns: int

    @property
    def count(self) -> int:
        return self.rows * self.columns

    def cell_geometry(self, device: torch.device) -> Tensor:
        """Centre x, centre y and edge of each cell, ``(cells, 3)`` in pixels, row by row."""
        y = (torch.arange(self.rows, device=device) + 0.5) * self.cell
        x = (torch.arange(self.columns, device=device) + 0.5) * self.cell
        y, x = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([x, y, torch.full_like(x, self.cell)], -1).reshape(-1, 3)


def make_grids(levels: Sequence[Sequence[float]], height: int, width: int) -> list[Level]:
    """Grids of an image from the result of `choose_levels`; cells of 0 are skipped."""
    return [
        Level(cell, smallest, largest, ceil(height / cell), ceil(width / cell))
        for cell, smallest, largest in levels
        if cell > 0
    ]


def assign_objects(levels: Sequence[Level], boxes: Tensor, centres: Tensor) -> Tensor:
    """Index of the object of each cell of all grids, or -1.

    A cell is positive where it meets the centre region of an object in its grid's range: the box
    shrunk to `CENTRE` around the centre of mass, limited to 3 x 3 cells (section 3.3.1). The
    smallest object wins. `boxes` are ``(N, 4)``, `centres` of mass ``(N, 2)`` as x, y.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    order = sizes.prod(1).argsort(stable=True)
    sizes, centres = sizes[order], centres[order]
    ranks = torch.cat([_smallest_object_rank(level, sizes, centres) for level in levels])
    return torch.cat([order, order.new_full((1,), -1)])[ranks]


def _smallest_object_rank(level: Level, sizes: Tensor, centres: Tensor) -> Tensor:
    """Rank of the smallest object of each cell; the number of objects where there is none."""
    scales = sizes.prod(1).sqrt()
    fitting = (scales >= level.smallest) & (scales < level.largest)
    limit = torch.tensor([level.columns - 1, level.rows - 1], device=sizes.device)
    step = torch.arange(-1, 2, device=sizes.device)
    cells = (centres / level.cell).long()[:, None] + torch.cartesian_prod(step, step)
    first, last = (
        (edge / level.cell).floor()[:, None]
        for edge in (centres - sizes * CENTRE / 2, centres + sizes * CENTRE / 2)
    )
    inside = (cells >= first.clamp(min=0)) & (cells <= last.minimum(limit))
    rank, which = torch.where(inside.all(2) & fitting[:, None])
    x, y = cells[rank, which].unbind(1)
    nobody = rank.new_full((level.count,), len(sizes))
    return nobody.scatter_reduce(0, y * level.columns + x, rank, "amin")


def centres_of_mass(masks: Tensor) -> Tensor:
    """Centres of mass ``(N, 2)`` as x, y in pixels of masks ``(N, H, W)``."""
    across, down = masks.sum(1).float(), masks.sum(2).float()
    x = torch.arange(across.shape[1], device=masks.device) + 0.5
    y = torch.arange(down.shape[1], device=masks.device) + 0.5
    return torch.stack([across @ x, down @ y], 1) / across.sum(1).clamp(min=1)[:, None]


def downsample_masks(masks: Tensor, stride: int) -> Tensor:
    """Fraction of each square of `stride` pixels inside each mask."""
    return avg_pool2d(masks[:, None].float(), stride)[:, 0]


def sample_positives(owners: Tensor) -> Tensor:
    """Random subset of the positive cells, at most `POSITIVES`."""
    positive = torch.where(owners >= 0)[0]
    return positive[torch.randperm(len(positive))[:POSITIVES].to(positive.device)]


def category_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Focal loss of all cells over the number of positive ones (L_cate of eq. 4).

    Class 0 is background.
    """
    expected = one_hot(classes, logits.shape[1] + 1)[:, 1:].to(logits)
    loss: Tensor = sigmoid_focal_loss(logits, expected, alpha=ALPHA, gamma=GAMMA, reduction="sum")
    return loss / (classes > 0).sum().clamp(min=1)


def dice_loss(logits: Tensor, expected: Tensor) -> Tensor:
    """Dice loss ``1 - D(p, q)`` of each mask, eq. (6) and (7)."""
    p, q = logits.sigmoid().flatten(1), expected.flatten(1)
    return 1 - 2 * (p * q).sum(1) / ((p * p).sum(1) + (q * q).sum(1)).clamp(min=1e-4)
