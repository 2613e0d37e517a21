"""Matrix NMS of SOLOv2 (arXiv:2003.10152), with memory linear in the number of masks.

A mask is a box and its 28 x 28 crop, compared with a limited number of better masks.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from napari_segkit.instances.roi_masks import MASK_SIZE

SIGMA = 2.0  # of the Gaussian kernel
MAX_NEIGHBOURS = 32  # better masks to compare each one with, at most
MIN_IOU = 0.03  # lower overlaps change a score by less than 0.2 %
BLOCK = 64  # masks whose boxes are compared with all better ones at once
PAIRS = 1024  # pairs of masks compared at once
SAMPLES = MASK_SIZE  # along each edge of the intersection of two boxes


def better_neighbours(boxes: Tensor, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Choose, for each mask, the better masks that may overlap it most, by boxes and areas.

    `boxes` are ``(N, 4)``, best mask first, `crops` ``(N, 28, 28)`` probabilities. Returns indices
    of better masks and whether they may overlap, both ``(N, R)``.
    """
    areas, count = _areas(boxes, crops), min(MAX_NEIGHBOURS, len(boxes))
    indices = [torch.zeros(0, count, dtype=torch.long, device=boxes.device)]
    may_overlap = [torch.zeros(0, count, dtype=torch.bool, device=boxes.device)]
    for start in range(0, len(boxes), BLOCK):
        stop = min(start + BLOCK, len(boxes))
        shared = _intersection(boxes[start:stop, None], boxes[None, :stop])
        own, others = areas[start:stop, None], areas[:stop]
        both = _area(shared).minimum(own).minimum(others)
        bound = (both / (own + others - both).clamp(min=1e-6)).tril(start - 1)
        values, chosen = bound.topk(min(count, stop), sorted=False)
        padding = (0, count - chosen.shape[1])
        indices.append(pad(chosen, padding))
        may_overlap.append(pad(values > MIN_IOU, padding))
    return torch.cat(indices), torch.cat(may_overlap)


def pairwise_iou(boxes: Tensor, crops: Tensor, better: Tensor, may_overlap: Tensor) -> Tensor:
    """Intersection over union ``(N, R)`` with the masks of `better_neighbours`; 0 where none."""
    ious, areas, inside = boxes.new_zeros(better.shape), _areas(boxes, crops), crops > 0.5
    rows, columns = torch.where(may_overlap)
    for row, column in zip(torch.split(rows, PAIRS), torch.split(columns, PAIRS), strict=True):
        other = better[row, column]
        shared = _intersection(boxes[row], boxes[other])
        one, two = (_sample_masks(boxes, inside, index, shared) for index in (row, other))
        both = (one & two).float().mean((1, 2)) * _area(shared)
        ious[row, column] = (both / (areas[row] + areas[other] - both).clamp(min=1e-6)).clamp(max=1)
    return ious


def matrix_nms(scores: Tensor, ious: Tensor, better: Tensor) -> Tensor:
    """Lower each score by the overlap with better masks, eq. (4) and (5).

    ``s_j * min_i f(iou_ij) / f(max_k iou_ki)`` over the better i and k, with the Gaussian
    ``f(x) = exp(-sigma x2)``, across classes, since a pixel belongs to one object.
    """
    if not len(scores):
        return scores
    largest = ious.amax(1)
    decay = torch.exp(-SIGMA * (ious**2 - largest[better] ** 2)).amin(1)
    return scores * decay.clamp(max=1)  # the best mask has no better one


def _sample_masks(boxes: Tensor, inside: Tensor, index: Tensor, regions: Tensor) -> Tensor:
    """Sample masks on a regular grid inside boxes ``(M, 4)``."""
    edge = inside.shape[-1]
    steps = (torch.arange(SAMPLES, device=boxes.device) + 0.5) / SAMPLES
    own, (start, size) = boxes[index], (regions[:, :2], regions[:, 2:] - regions[:, :2])
    at = start[..., None] + size[..., None] * steps - own[:, :2, None]
    at = (at * (edge / (own[:, 2:] - own[:, :2]))[..., None]).long().clamp(0, edge - 1)
    first = (index[:, None] * edge + at[:, 1]) * edge
    return inside.flatten()[first[:, :, None] + at[:, 0, None]]


def _areas(boxes: Tensor, crops: Tensor) -> Tensor:
    return (crops > 0.5).float().mean((1, 2)) * _area(boxes)


def _intersection(one: Tensor, other: Tensor) -> Tensor:
    """Intersection of boxes; empty ones end before they start."""
    starts = torch.maximum(one[..., :2], other[..., :2])
    return torch.cat([starts, torch.minimum(one[..., 2:], other[..., 2:])], -1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
