"""From what SOLO says of each cell to detections (section 3.4 of SOLOv2, arXiv:2003.10152)."""

import torch
from torch import Tensor
from torchvision.ops import roi_align

from napari_segkit.instances.roi_masks import MASK_SIZE

from .solo_layers import STRIDE, mask_logits
from .solo_matrix_nms import matrix_nms, overlaps, rivals

CONFIDENT = 0.2  # score of a cell from which it is a candidate
FEWEST, PIXELS = 100, 64  # candidates there may be: one for so many pixels, or FEWEST
REACH = 8.0  # edges of its cell from there to the furthest pixel of an object
HELD = 2**24  # numbers of masks, or of copies of the feature map, that are held at a time


def detect(
    scores: Tensor,
    kernels: Tensor,
    places: Tensor,
    features: Tensor,
    floor: float,
) -> dict[str, Tensor]:
    """Find the objects of one image.

    Parameters
    ----------
    scores : torch.Tensor
        Probabilities ``(cells, things)``.
    kernels : torch.Tensor
        ``(cells, E + 6)``.
    places : torch.Tensor
        ``(cells, 3)``: centre x and y of each cell and its edge, in pixels.
    features : torch.Tensor
        Mask feature map ``(E, h, w)``.
    floor : float
        Detections with lower scores are left out.

    Returns
    -------
    dict of str to torch.Tensor
        "boxes" ``(N, 4)``, x0 y0 x1 y1 in pixels; "scores" ``(N,)``, falling; "labels" ``(N,)``,
        positions of classes; "masks" ``(N, 28, 28)``, probabilities inside the boxes.
    """
    height, width = features.shape[1:]
    cells, things, scores = candidates(scores, height * width * STRIDE**2)
    boxes, crops, maskness = _masks(cells, kernels, places, features)
    scores = scores * maskness
    order = scores.argsort(descending=True, stable=True)
    order = order[scores[order] >= floor]  # scores only fall
    boxes, crops, scores, things = boxes[order], crops[order], scores[order], things[order]
    better, may = rivals(boxes, crops)
    scores = matrix_nms(scores, overlaps(boxes, crops, better, may), better)
    kept = scores.argsort(descending=True, stable=True)
    kept = kept[scores[kept] >= floor]
    return {
        "boxes": boxes[kept],
        "scores": scores[kept],
        "labels": things[kept] + 1,
        "masks": crops[kept],
    }


def candidates(scores: Tensor, area: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cells that are sure enough of a class, neighbours too: these may belong to two objects.

    Parameters
    ----------
    scores : torch.Tensor
        Probabilities ``(cells, things)``.
    area : int
        Of the image in pixels; how many candidates there may be grows with it.

    Returns
    -------
    tuple of torch.Tensor
        Cell, class (0 is the first thing) and score of each candidate, scores falling.
    """
    cells, things = torch.where(scores > CONFIDENT)
    scores = scores[cells, things]
    best = scores.argsort(descending=True, stable=True)[: max(area // PIXELS, FEWEST)]
    return cells[best], things[best], scores[best]


def _masks(
    cells: Tensor, kernels: Tensor, places: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Box, crop and maskness of what each of these cells says.

    A mask is looked for around its cell first, and further away only where it does not end there:
    its cost does not grow with the image.
    """
    order, parts = [], []
    for edge in torch.unique(places[:, 2]).tolist():
        same = torch.where(places[cells, 2] == edge)[0]
        side = round(2 * REACH * edge / STRIDE)
        order.append(same)
        parts.append(_within(side, kernels[cells[same]], places[cells[same]], features))
    back = torch.cat(order).argsort()
    boxes, crops, maskness = (torch.cat(part)[back] for part in zip(*parts, strict=True))
    return boxes, crops, maskness


def _within(
    side: int, kernels: Tensor, places: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same in windows of `side`, or of twice that where a mask reaches the window's end."""
    side = min(side, max(features.shape[1:]))
    whole = side >= max(features.shape[1:])
    held = side**2 * (1 if whole else len(features))  # what is shared is no copy
    count = max(HELD // held, 1)
    parts = [
        _around(side, some, at, features)
        for some, at in zip(torch.split(kernels, count), torch.split(places, count), strict=True)
    ]
    boxes, crops, maskness, cut = (torch.cat(part) for part in zip(*parts, strict=True))
    if cut.any():
        boxes[cut], crops[cut], maskness[cut] = _within(
            2 * side, kernels[cut], places[cut], features
        )
    return boxes, crops, maskness


def _around(
    side: int, kernels: Tensor, places: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Box, crop and maskness in windows about the cells; and which masks a window cuts off."""
    whole = torch.tensor(features.shape[:0:-1], device=features.device)
    size = whole.clamp(max=side)
    starts = (places[:, :2] / STRIDE - size / 2).round().long()
    starts = starts.clamp(min=0).minimum(whole - size)
    if not torch.equal(size, whole):
        width, height = size.tolist()
        windows = features.unfold(1, height, 1).unfold(2, width, 1).movedim(0, 2)
        features = windows[starts[:, 1], starts[:, 0]]
    origin = torch.cat([starts * STRIDE, starts.new_zeros(len(starts), 1)], 1)
    boxes, crops, maskness = _cut(mask_logits(kernels, features, places - origin).sigmoid())
    ends = starts + size
    first, last = boxes[:, :2] <= 0, boxes[:, 2:] >= size * STRIDE
    cut = (first & (starts > 0) | last & (ends < whole)).any(1) & (maskness > 0)
    return boxes + origin[:, [0, 1, 0, 1]], crops, maskness, cut


def _cut(soft: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Box, crop and maskness of soft masks ``(N, h, w)``.

    Maskness is the mean probability inside; that of an empty mask is 0.
    """
    hard = soft > 0.5
    maskness = (soft * hard).sum((1, 2)) / hard.sum((1, 2)).clamp(min=1)
    boxes = bounds(hard)
    which = torch.arange(len(soft), device=soft.device, dtype=boxes.dtype)
    crops = roi_align(
        soft[:, None],
        torch.cat([which[:, None], boxes], 1),
        MASK_SIZE,
        sampling_ratio=2,
        aligned=True,
    )
    return boxes * STRIDE, crops[:, 0], maskness


def bounds(masks: Tensor) -> Tensor:
    """The boxes around masks.

    Parameters
    ----------
    masks : torch.Tensor
        ``(N, h, w)`` bool.

    Returns
    -------
    torch.Tensor
        ``(N, 4)``, x0 y0 x1 y1, ends exclusive; everything where a mask is empty.
    """
    height, width = masks.shape[1:]
    across, down = masks.any(1).int(), masks.any(2).int()
    ends = width - across.flip(1).argmax(1), height - down.flip(1).argmax(1)
    return torch.stack([across.argmax(1), down.argmax(1), *ends], 1).float()
