"""From SOLO's answers to detections: candidates, masks, matrix NMS."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d
from torchvision.ops import roi_align

from .solo_parts import STRIDE, mask_logits
from .solo_targets import Level

CROP = 28
CHUNK = 256
PIXELS = 128
CONFIDENT = 0.1


def matrix_nms(scores: Tensor, ious: Tensor, sigma: float = 2.0) -> Tensor:
    """scores sorted falling"""
    ious = ious.triu(1)
    most = ious.max(0).values[:, None]
    decay = torch.exp(-sigma * (ious**2 - most**2)).min(0).values
    return scores * decay


def overlaps(masks: Tensor) -> Tensor:
    flat = masks.flatten(1)
    both = flat @ flat.T
    own = both.diagonal()
    return both / (own[:, None] + own - both).clamp(min=1e-6)


def peaks(scores: Tensor, levels: Sequence[Level]) -> Tensor:
    kept = []
    for level, part in zip(levels, scores.split([level.count for level in levels]), strict=True):
        heat = part.T.view(1, -1, level.rows, level.columns)
        best = max_pool2d(heat, 2, stride=1, padding=1)[..., :-1, :-1]
        kept.append((heat * (heat == best)).flatten(2)[0].T)
    return torch.cat(kept)


def detect(levels, scores, kernels, features, places, floor):
    scores = peaks(scores, levels)
    cell, thing = torch.where(scores > CONFIDENT)
    score = scores[cell, thing]
    h, w = features.shape[1:]
    best = score.argsort(descending=True, stable=True)[: max(h * w * STRIDE**2 // PIXELS, 100)]
    cell, thing, score = cell[best], thing[best], score[best]
    crops, boxes, small, sure = [], [], [], []
    for part in cell.split(CHUNK):
        soft = mask_logits(kernels[part], features, places[part]).sigmoid()
        hard = soft > 0.5
        area = hard.sum((1, 2))
        sure.append((soft * hard).sum((1, 2)) / area.clamp(min=1))
        b = bounds(hard)
        boxes.append(b * STRIDE)
        index = torch.arange(len(part), device=b.device).float()[:, None]
        crops.append(roi_align(soft[:, None], torch.cat([index, b], 1), CROP, 1.0, 2, True)[:, 0])
        small.append(avg_pool2d(hard[:, None].float(), 2)[:, 0])
    if not len(cell):
        return {
            "boxes": features.new_zeros(0, 4),
            "scores": score,
            "labels": thing + 1,
            "masks": features.new_zeros(0, CROP, CROP),
        }
    score = score * torch.cat(sure)
    order = score.argsort(descending=True, stable=True)
    score = matrix_nms(score[order], overlaps(torch.cat(small)[order]))
    again = score.argsort(descending=True, stable=True)
    again = again[score[again] >= floor]
    order = order[again]
    return {
        "boxes": torch.cat(boxes)[order],
        "scores": score[again],
        "labels": thing[order] + 1,
        "masks": torch.cat(crops)[order],
    }


def bounds(hard: Tensor) -> Tensor:
    n, h, w = hard.shape
    across, down = hard.any(1), hard.any(2)
    x0 = across.int().argmax(1)
    y0 = down.int().argmax(1)
    x1 = w - across.flip(1).int().argmax(1)
    y1 = h - down.flip(1).int().argmax(1)
    return torch.stack([x0, y0, x1, y1], 1).float()
