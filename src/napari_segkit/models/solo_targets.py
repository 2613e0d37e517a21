"""What SOLO learns from: cells, who is responsible in which, and the losses (papers: `solo`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, log2

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, one_hot
from torchvision.ops import sigmoid_focal_loss

LEVELS = 5  # the most grids there are at once
CENTRE = 0.2  # epsilon of the paper, 3.3.1: the centre region's share of an object's box
SMALLEST_CELL = 4.0  # pixels
TAILS = 5.0  # per cent of the objects, at either end, that lie outside the levels' octaves
OVERLAP = 1.25  # how far a level's range of scales reaches into the next one's
ALPHA, GAMMA = 0.25, 2.0  # of the focal loss
POSITIVES = 96  # masks of an image that are learned in a step, drawn at random


@dataclass(frozen=True)
class Level:
    """One grid of square cells over the image.

    Parameters
    ----------
    cell : float
        Edge of a cell in pixels.
    smallest, largest : float
        Scales of the objects that it answers for, ``sqrt(height * width)`` of the box.
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

    def places(self, like: Tensor) -> Tensor:
        """Centre x, y and edge of each cell, ``(cells, 3)`` pixels, row by row."""
        y = (torch.arange(self.rows, device=like.device) + 0.5) * self.cell
        x = (torch.arange(self.columns, device=like.device) + 0.5) * self.cell
        y, x = torch.meshgrid(y, x, indexing="ij")
        return torch.stack([x, y, torch.full_like(x, self.cell)], -1).reshape(-1, 3)


def choose_levels(sizes: np.ndarray) -> list[tuple[float, float, float]]:
    """Cells for objects of these sizes: a grid for each octave of scales.

    Parameters
    ----------
    sizes : numpy.ndarray
        Height and width of each object in pixels, ``(objects, 2)``.

    Returns
    -------
    list of tuple of float
        Edge of a cell, half the scale in the middle of its octave; smallest and largest scale.
        The first starts at 0, the last has no end.
    """
    scales = np.sqrt(np.prod(np.asarray(sizes, float), axis=1))
    low, high = np.percentile(scales, [TAILS, 100 - TAILS])
    count = min(max(round(log2(high / low)), 1), LEVELS)
    borders = np.geomspace(low, high, count + 1)
    levels = []
    for k, (start, end) in enumerate(zip(borders[:-1], borders[1:], strict=True)):
        levels.append(
            (
                max(float(np.sqrt(start * end)) / 2, SMALLEST_CELL),
                float(start) / OVERLAP if k else 0.0,
                float(end) * OVERLAP if k < count - 1 else inf,
            )
        )
    return levels


def grids(levels: Sequence[Sequence[float]], height: int, width: int) -> list[Level]:
    """The grids over an image of that size: cells are given in pixels, their number follows."""
    return [
        Level(cell, smallest, largest, ceil(height / cell), ceil(width / cell))
        for cell, smallest, largest in levels
        if cell > 0
    ]


def assign(levels: Sequence[Level], boxes: Tensor, centres: Tensor) -> Tensor:
    """Which object each cell answers for.

    A cell is positive where it meets the centre region of an object of its level's scales: the
    box shrunk to `CENTRE` about the centre of mass, and no more than the cells next to that
    centre (3.3.1 of the first paper). Where several do, the smallest object has it.

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
        An object's position, or -1, for each cell of each level in turn.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    scales = sizes.prod(1).sqrt()
    order = scales.argsort(stable=True)  # position in it: the smallest object's is 0
    half = sizes[order] * CENTRE / 2
    centres, scales = centres[order], scales[order]
    around = torch.cartesian_prod(*[torch.arange(-1, 2, device=boxes.device)] * 2)
    owners = []
    for level in levels:
        limit = torch.tensor([level.columns - 1, level.rows - 1], device=boxes.device)
        middle = (centres / level.cell).long()
        first = ((centres - half) / level.cell).floor().long()
        last = ((centres + half) / level.cell).floor().long()
        cells = middle[:, None] + around
        meets = (cells >= first[:, None].clamp(min=0)) & (cells <= last[:, None].minimum(limit))
        mine = (scales >= level.smallest) & (scales < level.largest)
        object_, place = torch.where(meets.all(2) & mine[:, None])
        cell = cells[object_, place]
        owner = order.new_full((level.count,), len(order))
        owner.scatter_reduce_(0, cell[:, 1] * level.columns + cell[:, 0], object_, "amin")
        owners.append(owner)
    known = torch.cat([order, order.new_full((1,), -1)])
    return known[torch.cat(owners)]


def centres_of_mass(masks: Tensor) -> Tensor:
    """x and y of each mask's centre of mass in pixels, ``(N, 2)``; `masks` is ``(N, H, W)``."""
    across, down = masks.sum(1).float(), masks.sum(2).float()
    x = torch.arange(across.shape[1], device=masks.device) + 0.5
    y = torch.arange(down.shape[1], device=masks.device) + 0.5
    area = across.sum(1).clamp(min=1)
    return torch.stack([across @ x / area, down @ y / area], 1)


def shrink(masks: Tensor, stride: int) -> Tensor:
    """The share of each square of `stride` pixels that is inside, ``(N, H / stride, ...)``."""
    return avg_pool2d(masks[:, None].float(), stride)[:, 0]


def draw(owners: Tensor) -> Tensor:
    """Cells whose masks are learned: all positive ones, or `POSITIVES` of them by chance."""
    positive = torch.where(owners >= 0)[0]
    chosen = torch.randperm(len(positive))[:POSITIVES].to(positive.device)
    return positive[chosen]


def category_loss(logits: Tensor, classes: Tensor, positives: int) -> Tensor:
    """Focal loss over all cells (Lin et al. 2017), for each positive cell.

    Parameters
    ----------
    logits : torch.Tensor
        ``(cells, things)``.
    classes : torch.Tensor
        ``(cells,)``: 0 where no object is, else the class's position.
    positives : int
        How many cells are positive.
    """
    wanted = one_hot(classes, logits.shape[1] + 1)[:, 1:].to(logits)
    loss: Tensor = sigmoid_focal_loss(logits, wanted, alpha=ALPHA, gamma=GAMMA, reduction="sum")
    return loss / max(positives, 1)


def dice_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """``1 - D`` of each mask, eq. (6, 7) of the first paper.

    Parameters
    ----------
    logits, wanted : torch.Tensor
        ``(N, h, w)``; what is wanted is a share between 0 and 1.
    """
    soft, wanted = logits.sigmoid().flatten(1), wanted.flatten(1)
    both = (soft * wanted).sum(1)
    return 1 - 2 * both / ((soft * soft).sum(1) + (wanted * wanted).sum(1)).clamp(min=1e-4)
