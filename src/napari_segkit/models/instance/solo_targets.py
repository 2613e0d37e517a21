"""What SOLO learns from: its grids, which object each cell answers for, and the losses.

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
POSITIVES = 96  # masks of an image that are learned in one step, drawn by chance
ALPHA, GAMMA = 0.5, 2.0  # of the focal loss; 0.25, the paper's, is unsure for longer


@dataclass(frozen=True)
class Level:
    """One grid of square cells over an image, and the objects it answers for.

    Parameters
    ----------
    cell : float
        Edge of a cell in pixels.
    smallest, largest : float
        Scales of its objects, ``sqrt(height * width)`` of the box: from, and below.
    rows, columns : int
        Cells down and across.
    """

    cell: float
    smallest: float
    largest: float
    rows: int
    columns: int

    @property
    def count(self) -> int:
        """Number of cells."""
        return self.rows * self.columns

    def places(self, device: torch.device) -> Tensor:
        """Centre x and y of each cell, and its edge: ``(cells, 3)`` pixels, row by row."""
        y = (torch.arange(self.rows, device=device) + 0.5) * self.cell
        x = (torch.arange(self.columns, device=device) + 0.5) * self.cell
        y, x = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([x, y, torch.full_like(x, self.cell)], -1).reshape(-1, 3)


def grids(levels: Sequence[Sequence[float]], height: int, width: int) -> list[Level]:
    """The grids over an image of that size: with fixed cells, a larger image has more of them.

    Parameters
    ----------
    levels : sequence of sequence of float
        As `sizes.choose_levels` gives them; those with cells of 0 are left out.
    height, width : int
        Of the image in pixels.
    """
    return [
        Level(cell, smallest, largest, ceil(height / cell), ceil(width / cell))
        for cell, smallest, largest in levels
        if cell > 0
    ]


def assign(levels: Sequence[Level], boxes: Tensor, centres: Tensor) -> Tensor:
    """Say which object each cell answers for.

    A cell is positive where it meets the centre region of an object of its grid's scales: the
    object's box shrunk to `CENTRE` about the centre of mass, but no cells further away than the
    next to that of the centre itself (section 3.3.1). Where several claim a cell, the smallest
    object has it.

    Parameters
    ----------
    levels : sequence of Level
        The grids.
    boxes : torch.Tensor
        ``(N, 4)``, x0 y0 x1 y1 in pixels.
    centres : torch.Tensor
        ``(N, 2)``, x and y of the centres of mass.

    Returns
    -------
    torch.Tensor
        An object's position, or -1, for each cell of each grid in turn.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    order = sizes.prod(1).argsort(stable=True)
    sizes, centres = sizes[order], centres[order]
    ranks = torch.cat([_claims(level, sizes, centres) for level in levels])
    return torch.cat([order, order.new_full((1,), -1)])[ranks]


def _claims(level: Level, sizes: Tensor, centres: Tensor) -> Tensor:
    """Rank of the smallest object that claims each cell; their number, where none does."""
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
    """Centre of mass of each mask.

    Parameters
    ----------
    masks : torch.Tensor
        ``(N, H, W)``, 0 and 1.

    Returns
    -------
    torch.Tensor
        x and y, ``(N, 2)`` in pixels.
    """
    across, down = masks.sum(1).float(), masks.sum(2).float()
    x = torch.arange(across.shape[1], device=masks.device) + 0.5
    y = torch.arange(down.shape[1], device=masks.device) + 0.5
    return torch.stack([across @ x, down @ y], 1) / across.sum(1).clamp(min=1)[:, None]


def shares(masks: Tensor, stride: int) -> Tensor:
    """The share of each square of `stride` pixels that is inside a mask.

    Parameters
    ----------
    masks : torch.Tensor
        ``(N, H, W)``, 0 and 1.
    stride : int
        Divides H and W.

    Returns
    -------
    torch.Tensor
        ``(N, H / stride, W / stride)``, between 0 and 1.
    """
    return avg_pool2d(masks[:, None].float(), stride)[:, 0]


def draw(owners: Tensor) -> Tensor:
    """Positions of the cells whose masks are learned: all positive ones, or `POSITIVES` of them.

    Parameters
    ----------
    owners : torch.Tensor
        As `assign` gives it.
    """
    positive = torch.where(owners >= 0)[0]
    return positive[torch.randperm(len(positive))[:POSITIVES].to(positive.device)]


def category_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Focal loss of all cells, over the number of positive ones (L_cate of eq. 4).

    Parameters
    ----------
    logits : torch.Tensor
        ``(cells, things)``.
    classes : torch.Tensor
        ``(cells,)``: 0 where no object is, else the position of its class.
    """
    wanted = one_hot(classes, logits.shape[1] + 1)[:, 1:].to(logits)
    loss: Tensor = sigmoid_focal_loss(logits, wanted, alpha=ALPHA, gamma=GAMMA, reduction="sum")
    return loss / (classes > 0).sum().clamp(min=1)


def dice_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Dice loss of each mask, ``1 - D(p, q)`` of eq. (6) and (7).

    Parameters
    ----------
    logits, wanted : torch.Tensor
        ``(N, h, w)``; what is wanted lies between 0 and 1.

    Returns
    -------
    torch.Tensor
        ``(N,)``.
    """
    p, q = logits.sigmoid().flatten(1), wanted.flatten(1)
    return 1 - 2 * (p * q).sum(1) / ((p * p).sum(1) + (q * q).sum(1)).clamp(min=1e-4)
