"""Mask R-CNN's own machinery: anchors that fit the objects, tensors in, unpasted masks out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import MultiScaleRoIAlign

from .object_scales import LEVELS, USUAL, anchors_text, choose_anchors

ASPECTS = (0.5, 1.0, 2.0)  # height / width
PHOTOGRAPHS = (32.0, 64.0, 128.0, 256.0, 512.0)  # torchvision's anchors, made for COCO
RESIZE = (800.0, 1333.0)  # pixels of the shorter and at most of the longer edge, as there
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
AREA = 256**2  # pixels to which these counts belong:
PROPOSALS = {"training": 600, "testing": 1000}  # boxes that may hold an object
OBJECTS = 500
SAMPLES = 256  # boxes of an image that a training step learns from
PART = 512  # boxes looked at together: bounds memory
Target = Mapping[str, Tensor]


class Anchors(AnchorGenerator):  # type: ignore[misc]
    """Anchors that are numbers of the network: they are saved and restored with it.

    Parameters
    ----------
    levels : int
        Of the pyramid.
    scales : int
        Sizes of anchors at each level.
    """

    cells: Tensor

    def __init__(self, levels: int, scales: int) -> None:
        super().__init__(((1.0,) * scales,) * levels, (ASPECTS,) * levels)
        self.register_buffer("cells", torch.zeros(levels, scales * len(ASPECTS), 4))

    def set_sizes(self, sizes: NDArray[Any]) -> None:
        """Take these edges, in pixels, of shape (levels, scales)."""
        edges = torch.as_tensor(sizes, dtype=torch.float32, device="cpu")
        root = torch.sqrt(torch.tensor(ASPECTS, device="cpu"))[:, None]
        width, height = ((edges[:, None] * r).flatten(1) for r in (1 / root, root))
        self.cells.copy_(torch.stack([-width, -height, width, height], 2) / 2)

    def edges(self) -> list[float]:
        """Edges in pixels."""
        scales = self.cells.shape[1] // len(ASPECTS)
        first = scales * ASPECTS.index(1)  # the squares
        halves = self.cells[:, first : first + scales, 2].flatten().tolist()
        return [2 * half for half in halves]

    def set_cell_anchors(self, dtype: torch.dtype, device: torch.device) -> None:
        """Take them from the buffer."""
        self.cell_anchors = list(self.cells.to(device, dtype))


class Detector(nn.Module):
    """A network that finds objects in batches of images, one by one.

    Parameters
    ----------
    backbone : torch.nn.Module
        A pyramid of features.
    heads : mapping of str to torch.nn.Module
        "rpn_head", "box_head", "box_predictor", "mask_head", "mask_predictor".
    channels : int
        Of the images.
    scales : int
        Anchors' sizes at each level of the pyramid.
    samples : int
        Places along each axis at which a cell of a box looks at the features.
    """

    floor = 0.05
    mean: Tensor
    std: Tensor
    resize: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        heads: Mapping[str, nn.Module],
        channels: int,
        scales: int,
        samples: int,
    ) -> None:
        super().__init__()
        self.transform = GeneralizedRCNNTransform(800, 1333, [0.0], [1.0])
        self.backbone = backbone
        self.scales = scales
        self.before, self.after = dict(PROPOSALS), dict(PROPOSALS)  # the suppression of overlaps
        anchors = Anchors(LEVELS, scales)
        self.rpn = RegionProposalNetwork(
            anchors, heads["rpn_head"], 0.7, 0.3, SAMPLES, 0.5, self.before, self.after, 0.7
        )
        pools = [MultiScaleRoIAlign(["0", "1", "2", "3"], n, samples) for n in (7, 14)]
        self.roi_heads = RoIHeads(
            *(pools[0], heads["box_head"], heads["box_predictor"]),
            *(0.5, 0.5, SAMPLES, 0.25, None, self.floor, 0.5, OBJECTS),
            *(pools[1], heads["mask_head"], heads["mask_predictor"]),
        )
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.register_buffer("resize", torch.zeros(2))
        anchors.set_sizes(choose_anchors(USUAL, scales))

    def set_sizes(self, sizes: NDArray[Any]) -> None:
        """Choose anchors for objects of these sizes, and see images at their own size.

        Parameters
        ----------
        sizes : ndarray
            Height and width in pixels of every object to learn from, of shape (N, 2).
        """
        self.rpn.anchor_generator.set_sizes(choose_anchors(sizes, self.scales))
        self.resize.zero_()

    def sizes_text(self) -> str:
        """What it is made for, for people: one line."""
        return anchors_text(self.rpn.anchor_generator.edges())

    def adopt_photographs(self, *, whole: bool) -> None:
        """See images as torchvision's networks do, whose weights were loaded.

        Parameters
        ----------
        whole : bool
            The whole network learned on COCO, not its encoder alone: anchors and the size at
            which it sees images are COCO's, too.
        """
        turns = [channel % 3 for channel in range(len(self.mean))]
        for buffer, values in ((self.mean, MEAN), (self.std, STD)):
            one = len(buffer) == 1
            buffer.copy_(torch.tensor([np.mean(values)] if one else [values[t] for t in turns]))
        if whole:
            anchors = self.rpn.anchor_generator
            anchors.set_sizes(np.array(PHOTOGRAPHS)[:, None])
            anchors.cells.round_()
            self.resize.copy_(torch.tensor(RESIZE))

    def forward(
        self, images: Tensor, targets: Sequence[Target] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Losses while it trains, else the objects of each image.

        Parameters
        ----------
        images : torch.Tensor
            Of shape (B, C, Y, X), about 0 to 1, edges multiples of 32.
        targets : sequence of mapping, optional
            For each image its "boxes" (N, 4) as x0 y0 x1 y1 in pixels, "labels" (N,) and "masks"
            (N, Y, X); needed for training.

        Returns
        -------
        dict or list of dict
            Training: losses to be added. Else for each image, by falling score: "boxes" (N, 4),
            "scores" (N,), "labels" (N,) and "masks" (N, 28, 28), probabilities inside the boxes.
        """
        batch, known = self._prepared(images, targets)
        self._set_caps(batch)
        features = self.backbone(batch.tensors)
        proposals, losses = self.rpn(batch, features, known)
        if self.training:
            losses |= self.roi_heads(features, proposals, batch.image_sizes, known)[1]
            return losses
        found = []
        for i, (boxes, size) in enumerate(zip(proposals, batch.image_sizes, strict=True)):
            objects = self._objects({k: f[i : i + 1] for k, f in features.items()}, boxes, size)
            objects["boxes"] = resize_boxes(objects["boxes"], size, images.shape[-2:])
            found.append(objects)
        return found

    def measure_batch_statistics(self, batches: Iterable[Tensor]) -> None:
        """Measure the pyramid's batch statistics anew.

        Parameters
        ----------
        batches : iterable of torch.Tensor
            Images as `forward` takes them, on the network's device.
        """
        update_bn((self._normalised(images) for images in batches), self.backbone)

    def _normalised(self, images: Tensor) -> Tensor:
        """Images as the encoder sees them."""
        scaled: Tensor = (images - self.mean[:, None, None]) / self.std[:, None, None]
        return scaled

    def _prepared(
        self, images: Tensor, targets: Sequence[Target] | None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        known = None if targets is None else [dict(target) for target in targets]
        images = self._normalised(images)
        shorter, longer = self.resize.tolist()
        if not shorter:
            return ImageList(images, [tuple(images.shape[-2:])] * len(images)), known
        self.transform.min_size, self.transform.max_size = (shorter,), longer
        return self.transform(list(images), known)

    def _set_caps(self, batch: ImageList) -> None:
        """More proposals and objects on larger images; torchvision's own where it resizes."""
        whole = bool(self.resize[0] > 0)
        share = 1.0 if whole else batch.tensors[0, 0].numel() / AREA
        for name, count in PROPOSALS.items():
            self.before[name] = self.after[name] = max(1000 if whole else 200, int(count * share))
        self.before["training"] *= 2
        self.roi_heads.detections_per_img = 100 if whole else max(100, int(OBJECTS * share))

    def _objects(
        self, features: dict[str, Tensor], proposals: Tensor, size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """The objects of one image: those boxes that hold one, and its mask."""
        heads = self.roi_heads

        def scored(boxes: Tensor) -> tuple[Tensor, Tensor]:
            pooled = heads.box_roi_pool(features, [boxes], [size])
            return heads.box_predictor(heads.box_head(pooled))

        parts = [scored(part) for part in torch.split(proposals, PART)]
        logits, moves = (torch.cat(part) for part in zip(*parts, strict=True))
        found = heads.postprocess_detections(logits, moves, [proposals], [size])
        boxes, scores, labels = (values[0] for values in found)
        masks = [
            self._masks(features, some, classes, size)
            for some, classes in zip(
                *(torch.split(values, PART) for values in (boxes, labels)), strict=True
            )
        ]
        return {"boxes": boxes, "scores": scores, "labels": labels, "masks": torch.cat(masks)}

    def _masks(
        self, features: dict[str, Tensor], boxes: Tensor, labels: Tensor, size: tuple[int, int]
    ) -> Tensor:
        heads = self.roi_heads
        pooled = heads.mask_roi_pool(features, [boxes], [size])
        logits = heads.mask_predictor(heads.mask_head(pooled))
        return logits[torch.arange(len(labels), device=labels.device), labels].sigmoid()
