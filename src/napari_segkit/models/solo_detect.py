"""From what SOLO says of each cell to detections (section 3.4 of SOLOv2, arXiv:2003.10152)."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torchvision.ops import roi_align

from .solo_parts import STRIDE, mask_logits

CONFIDENT = 0.2  # score of a cell from which it is a candidate
FEWEST, PIXELS = 100, 64  # candidates there may be: one for so many pixels, or FEWEST
CHUNK = 256  # candidates whose whole masks are held at a time
CROP = 28  # edge of a mask that is returned
SIGMA = 2.0  # of matrix NMS's Gaussian kernel


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
    area = features.shape[1] * features.shape[2] * STRIDE**2
    cells, things, scores = candidates(scores, area)
    chunks = [
        _cut(mask_logits(kernels[part], features, places[part]).sigmoid())
        for part in torch.split(cells, CHUNK)
    ]
    boxes, crops, maskness, small = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    scores = scores * maskness
    order = scores.argsort(descending=True, stable=True)
    scores = matrix_nms(scores[order], overlaps(small[order]))
    kept = scores.argsort(descending=True, stable=True)
    kept = kept[scores[kept] >= floor]
    order = order[kept]
    return {
        "boxes": boxes[order],
        "scores": scores[kept],
        "labels": things[order] + 1,
        "masks": crops[order],
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


def _cut(soft: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Box, crop and maskness of soft masks ``(N, h, w)``, and the hard masks at half their size.

    Maskness is the mean probability inside; that of an empty mask is 0.
    """
    hard = soft > 0.5
    maskness = (soft * hard).sum((1, 2)) / hard.sum((1, 2)).clamp(min=1)
    boxes = bounds(hard)
    which = torch.arange(len(soft), device=soft.device, dtype=boxes.dtype)
    crops = roi_align(
        soft[:, None], torch.cat([which[:, None], boxes], 1), CROP, sampling_ratio=2, aligned=True
    )
    return boxes * STRIDE, crops[:, 0], maskness, avg_pool2d(hard[:, None].float(), 2)[:, 0]


def bounds(masks: Tensor) -> Tensor:
    """The boxes around masks.

    Parameters
    ----------
    masks : torch.Tensor
        ``(N, h, w)`` bool.

    Returns
    -------
    torch.Tensor
        ``(N, 4)``, x0 y0 x1 y1, ends exclusive; the whole image where a mask is empty.
    """
    height, width = masks.shape[1:]
    across, down = masks.any(1).int(), masks.any(2).int()
    ends = width - across.flip(1).argmax(1), height - down.flip(1).argmax(1)
    return torch.stack([across.argmax(1), down.argmax(1), *ends], 1).float()


def overlaps(masks: Tensor) -> Tensor:
    """Intersection over union of each pair of masks.

    Parameters
    ----------
    masks : torch.Tensor
        ``(N, h, w)``, between 0 and 1: with shares of pixels it is Tanimoto's form, which is 1
        for equal masks.

    Returns
    -------
    torch.Tensor
        ``(N, N)``.
    """
    flat = masks.flatten(1)
    both = flat @ flat.T
    own = both.diagonal()
    return both / (own[:, None] + own - both).clamp(min=1e-6)


def matrix_nms(scores: Tensor, ious: Tensor) -> Tensor:
    """Lower each score by how much its mask overlaps better ones: matrix NMS, eq. (4) and (5).

    ``s_j * min_i f(iou_ij) / f(max_k iou_ki)`` over the better i and k, with the Gaussian
    ``f(x) = exp(-sigma x2)``. It counts across classes, as a pixel belongs to one object.

    Parameters
    ----------
    scores : torch.Tensor
        ``(N,)``, falling.
    ious : torch.Tensor
        ``(N, N)``.

    Returns
    -------
    torch.Tensor
        ``(N,)``.
    """
    if not len(scores):
        return scores
    better = ious.triu(1)
    most = better.amax(0)[:, None]
    decay = torch.exp(-SIGMA * (better**2 - most**2)).amin(0)
    return scores * decay
