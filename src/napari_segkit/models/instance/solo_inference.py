"""Detections from the output of SOLO (section 3.4 of SOLOv2, arXiv:2003.10152)."""

import torch
from torch import Tensor
from torchvision.ops import roi_align

from napari_segkit.instances.roi_masks import MASK_SIZE

from .solo_layers import STRIDE, mask_logits
from .solo_matrix_nms import better_neighbours, matrix_nms, pairwise_iou

MIN_SCORE = 0.2  # score of a cell from which it is a candidate
PIXELS_PER_CANDIDATE = 64  # there may be one candidate for so many pixels,
MIN_CANDIDATES = 100  # and this number in any image
WINDOW_RADIUS = 8.0  # edges of its cell from there to the furthest pixel of an object
MAX_ELEMENTS = 2**24  # elements of masks, or of copies of the feature map, at once


def detect(
    scores: Tensor, kernels: Tensor, geometry: Tensor, features: Tensor, floor: float
) -> dict[str, Tensor]:
    """Detect the objects of one image.

    `scores` are ``(cells, things)``, `kernels` ``(cells, E + 6)``, `geometry` centre x,
    centre y and edge of the cells in pixels, `features` F ``(E, h, w)``. Returns "boxes"
    ``(N, 4)``, "scores" at least `floor` and falling, "labels", and "masks" ``(N, 28, 28)``.
    """
    height, width = features.shape[1:]
    cells, things, scores = candidates(scores, height * width * STRIDE**2)
    boxes, crops, maskness = _masks(cells, kernels, geometry, features)
    scores = scores * maskness
    order = scores.argsort(descending=True, stable=True)
    order = order[scores[order] >= floor]  # scores only fall
    boxes, crops, scores, things = boxes[order], crops[order], scores[order], things[order]
    better, may = better_neighbours(boxes, crops)
    scores = matrix_nms(scores, pairwise_iou(boxes, crops, better, may), better)
    kept = scores.argsort(descending=True, stable=True)
    kept = kept[scores[kept] >= floor]
    return {
        "boxes": boxes[kept],
        "scores": scores[kept],
        "labels": things[kept] + 1,
        "masks": crops[kept],
    }


def candidates(scores: Tensor, area: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cell, class (0 is the first thing) and score of cells above a threshold, best first.

    Their number is limited in proportion to the area in pixels.
    """
    cells, things = torch.where(scores > MIN_SCORE)
    scores = scores[cells, things]
    best = scores.argsort(descending=True, stable=True)[
        : max(area // PIXELS_PER_CANDIDATE, MIN_CANDIDATES)
    ]
    return cells[best], things[best], scores[best]


def _masks(
    cells: Tensor, kernels: Tensor, geometry: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Box, 28 x 28 crop and maskness of each candidate.

    Masks are computed in a window around the cell, which is doubled where a mask reaches its
    border, so the cost does not grow with the image.
    """
    order, parts = [], []
    for edge in torch.unique(geometry[:, 2]).tolist():
        same = torch.where(geometry[cells, 2] == edge)[0]
        side = round(2 * WINDOW_RADIUS * edge / STRIDE)
        order.append(same)
        parts.append(_masks_in_windows(side, kernels[cells[same]], geometry[cells[same]], features))
    back = torch.cat(order).argsort()
    boxes, crops, maskness = (torch.cat(part)[back] for part in zip(*parts, strict=True))
    return boxes, crops, maskness


def _masks_in_windows(
    side: int, kernels: Tensor, geometry: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Masks in windows of `side`, doubled for masks that reach the window's border."""
    side = min(side, max(features.shape[1:]))
    whole = side >= max(features.shape[1:])
    held = side**2 * (1 if whole else len(features))  # what is shared is no copy
    count = max(MAX_ELEMENTS // held, 1)
    parts = [
        _masks_around_cells(side, some, at, features)
        for some, at in zip(torch.split(kernels, count), torch.split(geometry, count), strict=True)
    ]
    boxes, crops, maskness, cut = (torch.cat(part) for part in zip(*parts, strict=True))
    if cut.any():
        boxes[cut], crops[cut], maskness[cut] = _masks_in_windows(
            2 * side, kernels[cut], geometry[cut], features
        )
    return boxes, crops, maskness


def _masks_around_cells(
    side: int, kernels: Tensor, geometry: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Masks in windows around the cells, and which masks the window truncates."""
    whole = torch.tensor(features.shape[:0:-1], device=features.device)
    size = whole.clamp(max=side)
    starts = (geometry[:, :2] / STRIDE - size / 2).round().long()
    starts = starts.clamp(min=0).minimum(whole - size)
    if not torch.equal(size, whole):
        width, height = size.tolist()
        windows = features.unfold(1, height, 1).unfold(2, width, 1).movedim(0, 2)
        features = windows[starts[:, 1], starts[:, 0]]
    origin = torch.cat([starts * STRIDE, starts.new_zeros(len(starts), 1)], 1)
    boxes, crops, maskness = _crop_masks(
        mask_logits(kernels, features, geometry - origin).sigmoid()
    )
    ends = starts + size
    first, last = boxes[:, :2] <= 0, boxes[:, 2:] >= size * STRIDE
    cut = (first & (starts > 0) | last & (ends < whole)).any(1) & (maskness > 0)
    return boxes + origin[:, [0, 1, 0, 1]], crops, maskness, cut


def _crop_masks(soft: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Box, crop and maskness (mean probability inside, 0 if empty) of masks ``(N, h, w)``."""
    hard = soft > 0.5
    maskness = (soft * hard).sum((1, 2)) / hard.sum((1, 2)).clamp(min=1)
    boxes = bounding_boxes(hard)
    which = torch.arange(len(soft), device=soft.device, dtype=boxes.dtype)
    crops = roi_align(
        soft[:, None],
        torch.cat([which[:, None], boxes], 1),
        MASK_SIZE,
        sampling_ratio=2,
        aligned=True,
    )
    return boxes * STRIDE, crops[:, 0], maskness


def bounding_boxes(masks: Tensor) -> Tensor:
    """Bounding boxes ``(N, 4)``, x0 y0 x1 y1, ends exclusive; the full image for empty masks."""
    height, width = masks.shape[1:]
    across, down = masks.any(1).int(), masks.any(2).int()
    ends = width - across.flip(1).argmax(1), height - down.flip(1).argmax(1)
    return torch.stack([across.argmax(1), down.argmax(1), *ends], 1).float()
