"""Matrix NMS of SOLOv2 (arXiv:2003.10152), in memory that grows with the masks and no faster.

A mask is its box and what is in it, and is compared with the few better ones it may overlap.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from napari_segkit.instances.roi_masks import MASK_SIZE

SIGMA = 2.0  # of the Gaussian kernel
RIVALS = 32  # better masks that each one is compared with, at most
FAINT = 0.03  # overlaps that lower a score by less than 0.2 %
BLOCK = 64  # masks whose boxes are held against all better ones at a time
PAIRS = 1024  # pairs of masks that are held at a time
SAMPLES = MASK_SIZE  # along each edge of what two boxes share


def rivals(boxes: Tensor, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the better masks that each may overlap most, by their boxes and areas.

    Parameters
    ----------
    boxes : torch.Tensor
        ``(N, 4)``, x0 y0 x1 y1, the best mask's first.
    crops : torch.Tensor
        ``(N, 28, 28)``, probabilities inside the boxes.

    Returns
    -------
    tuple of torch.Tensor
        ``(N, R)``: numbers of better masks, and whether they may overlap at all.
    """
    areas, most = _areas(boxes, crops), min(RIVALS, len(boxes))
    numbers = [torch.zeros(0, most, dtype=torch.long, device=boxes.device)]
    known = [torch.zeros(0, most, dtype=torch.bool, device=boxes.device)]
    for start in range(0, len(boxes), BLOCK):
        stop = min(start + BLOCK, len(boxes))
        shared = _shared(boxes[start:stop, None], boxes[None, :stop])
        own, others = areas[start:stop, None], areas[:stop]
        both = _area(shared).minimum(own).minimum(others)
        bound = (both / (own + others - both).clamp(min=1e-6)).tril(start - 1)
        values, chosen = bound.topk(min(most, stop), sorted=False)
        room = (0, most - chosen.shape[1])
        numbers.append(pad(chosen, room))
        known.append(pad(values > FAINT, room))
    return torch.cat(numbers), torch.cat(known)


def overlaps(boxes: Tensor, crops: Tensor, better: Tensor, may: Tensor) -> Tensor:
    """Intersection over union of masks with better ones.

    Parameters
    ----------
    boxes, crops : torch.Tensor
        As in `rivals`.
    better, may : torch.Tensor
        What `rivals` gives.

    Returns
    -------
    torch.Tensor
        ``(N, R)``; 0 of those that may not overlap.
    """
    ious, areas, inside = boxes.new_zeros(better.shape), _areas(boxes, crops), crops > 0.5
    rows, columns = torch.where(may)
    for row, column in zip(torch.split(rows, PAIRS), torch.split(columns, PAIRS), strict=True):
        other = better[row, column]
        shared = _shared(boxes[row], boxes[other])
        one, two = (_sample(boxes, inside, which, shared) for which in (row, other))
        both = (one & two).float().mean((1, 2)) * _area(shared)
        ious[row, column] = (both / (areas[row] + areas[other] - both).clamp(min=1e-6)).clamp(max=1)
    return ious


def matrix_nms(scores: Tensor, ious: Tensor, better: Tensor) -> Tensor:
    """Lower each score by how much its mask overlaps better ones: eq. (4) and (5).

    ``s_j * min_i f(iou_ij) / f(max_k iou_ki)`` over the better i and k, with the Gaussian
    ``f(x) = exp(-sigma x2)``. It counts across classes, as a pixel belongs to one object.

    Parameters
    ----------
    scores : torch.Tensor
        ``(N,)``, falling.
    ious : torch.Tensor
        ``(N, R)``, with better masks; 0 where there is none.
    better : torch.Tensor
        ``(N, R)``, their numbers.

    Returns
    -------
    torch.Tensor
        ``(N,)``.
    """
    if not len(scores):
        return scores
    most = ious.amax(1)
    decay = torch.exp(-SIGMA * (ious**2 - most[better] ** 2)).amin(1)
    return scores * decay.clamp(max=1)  # the best mask overlaps no better one


def _sample(boxes: Tensor, inside: Tensor, which: Tensor, places: Tensor) -> Tensor:
    """Where these masks are, in a grid of samples over these boxes ``(M, 4)``."""
    edge = inside.shape[-1]
    steps = (torch.arange(SAMPLES, device=boxes.device) + 0.5) / SAMPLES
    own, (start, size) = boxes[which], (places[:, :2], places[:, 2:] - places[:, :2])
    at = start[..., None] + size[..., None] * steps - own[:, :2, None]
    at = (at * (edge / (own[:, 2:] - own[:, :2]))[..., None]).long().clamp(0, edge - 1)
    first = (which[:, None] * edge + at[:, 1]) * edge
    return inside.flatten()[first[:, :, None] + at[:, 0, None]]


def _areas(boxes: Tensor, crops: Tensor) -> Tensor:
    return (crops > 0.5).float().mean((1, 2)) * _area(boxes)


def _shared(one: Tensor, other: Tensor) -> Tensor:
    """The boxes that two boxes share; they end before they start where there is none."""
    starts = torch.maximum(one[..., :2], other[..., :2])
    return torch.cat([starts, torch.minimum(one[..., 2:], other[..., 2:])], -1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
