"""Mask R-CNN's detector: anchors fitted to the objects, tensors in, 28 x 28 masks out."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import MultiScaleRoIAlign

from napari_segkit.images.types import AnyArray
from napari_segkit.models.finite import require_finite

from .object_scales import DEFAULT_SIZES, LEVELS, anchors_text, choose_anchors

ASPECTS = (0.5, 1.0, 2.0)  # height / width
COCO_ANCHORS = (32.0, 64.0, 128.0, 256.0, 512.0)  # torchvision's anchors
COCO_IMAGE_SIZE = (800.0, 1333.0)  # shorter and longest edge in pixels, as in torchvision
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
AREA = 256**2  # pixels for which these counts hold:
PROPOSAL_COUNTS = {"training": 600, "testing": 1000}  # boxes that may contain an object
OBJECT_COUNT = 500
SAMPLES = 256  # boxes per image and training step
LONGEST = 1e5  # pixels: edges of anchors are shorter
CHUNK = 512  # boxes processed at once, limits memory
Target = Mapping[str, Tensor]


class Anchors(AnchorGenerator):  # type: ignore[misc]
    """Anchors stored in a buffer, so that they are saved with the network."""

    cells: Tensor

    def __init__(self, levels: int, scales: int) -> None:
        super().__init__(((1.0,) * scales,) * levels, (ASPECTS,) * levels)
        self.register_buffer("cells", torch.zeros(levels, scales * len(ASPECTS), 4))

    def set_sizes(self, sizes: AnyArray) -> None:
        """Set the edges, in pixels, of shape (levels, scales)."""
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
        self.cell_anchors = list(self.cells.to(device, dtype))


class Detector(nn.Module):
    """Mask R-CNN on tensors, with heads of torchvision.

    `scales` are anchor sizes per level, `samples` points per bin of RoIAlign.
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
        # numbers before and after the suppression of overlaps
        self.pre_nms, self.post_nms = dict(PROPOSAL_COUNTS), dict(PROPOSAL_COUNTS)
        anchors = Anchors(LEVELS, scales)
        self.rpn = RegionProposalNetwork(
            anchors, heads["rpn_head"], 0.7, 0.3, SAMPLES, 0.5, self.pre_nms, self.post_nms, 0.7
        )
        pools = [MultiScaleRoIAlign(["0", "1", "2", "3"], n, samples) for n in (7, 14)]
        self.roi_heads = RoIHeads(
            *(pools[0], heads["box_head"], heads["box_predictor"]),
            *(0.5, 0.5, SAMPLES, 0.25, None, self.floor, 0.5, OBJECT_COUNT),
            *(pools[1], heads["mask_head"], heads["mask_predictor"]),
        )
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.register_buffer("resize", torch.zeros(2))
        anchors.set_sizes(choose_anchors(DEFAULT_SIZES, scales))

    def set_sizes(self, sizes: AnyArray) -> None:
        """Choose anchors for object sizes ``(N, 2)`` in pixels; images are not resized."""
        self.rpn.anchor_generator.set_sizes(choose_anchors(sizes, self.scales))
        self.resize.zero_()

    def has_usable_sizes(self) -> bool:
        """Whether anchors, normalisation and image size are some that a network can have."""
        cells = self.rpn.anchor_generator.cells
        resizes = self.resize.tolist() in ([0.0, 0.0], [*COCO_IMAGE_SIZE])
        anchors = bool((cells[..., 2:] > 0).all()) and float(cells.abs().max()) <= LONGEST
        return resizes and anchors and bool((self.std > 0).all())

    def sizes_text(self) -> str:
        """Describe the anchors in one line."""
        return anchors_text(self.rpn.anchor_generator.edges())

    def use_pretrained_input(self, *, whole: bool) -> None:
        """Normalise images as torchvision's pretrained networks do.

        `whole` is for weights of the entire network, with COCO's anchors and image size.
        """
        rgb = [channel % 3 for channel in range(len(self.mean))]
        for buffer, values in ((self.mean, MEAN), (self.std, STD)):
            one = len(buffer) == 1
            buffer.copy_(torch.tensor([np.mean(values)] if one else [values[t] for t in rgb]))
        if whole:
            anchors = self.rpn.anchor_generator
            anchors.set_sizes(np.array(COCO_ANCHORS)[:, None])
            anchors.cells.round_()
            self.resize.copy_(torch.tensor(COCO_IMAGE_SIZE))

    def forward(
        self, images: Tensor, targets: Sequence[Target] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """Return losses in training, else detections of each image.

        Images are ``(B, C, Y, X)``, about 0 to 1, with edges multiples of 32. Targets have "boxes"
        ``(N, 4)`` as x0 y0 x1 y1, "labels" ``(N,)`` and "masks" ``(N, Y, X)``. Detections, by
        falling score, have "boxes", "scores", "labels" and soft "masks" ``(N, 28, 28)``.
        """
        batch, batch_targets = self._prepare(images, targets)
        self._set_limits(batch)
        features = self.backbone(batch.tensors)
        proposals, losses = self.rpn(batch, features, batch_targets)
        if self.training:
            losses |= self.roi_heads(features, proposals, batch.image_sizes, batch_targets)[1]
            return losses
        require_finite("features of the network", features.values())  # no box would remain
        detections = []
        for i, (boxes, size) in enumerate(zip(proposals, batch.image_sizes, strict=True)):
            objects = self._objects({k: f[i : i + 1] for k, f in features.items()}, boxes, size)
            objects["boxes"] = resize_boxes(objects["boxes"], size, images.shape[-2:])
            detections.append(objects)
        return detections

    def measure_batch_statistics(self, batches: Iterable[Tensor]) -> None:
        """Recompute the batch statistics of the feature pyramid."""
        update_bn((self._normalise(images) for images in batches), self.backbone)

    def _normalise(self, images: Tensor) -> Tensor:
        scaled: Tensor = (images - self.mean[:, None, None]) / self.std[:, None, None]
        return scaled

    def _prepare(
        self, images: Tensor, targets: Sequence[Target] | None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        copies = None if targets is None else [dict(target) for target in targets]
        images = self._normalise(images)
        shorter, longer = self.resize.tolist()
        if not shorter:
            return ImageList(images, [tuple(images.shape[-2:])] * len(images)), copies
        self.transform.min_size, self.transform.max_size = (shorter,), longer
        return self.transform(list(images), copies)

    def _set_limits(self, batch: ImageList) -> None:
        """Scale the numbers of proposals and detections with the area; COCO models keep theirs."""
        resizes = bool(self.resize[0] > 0)
        share = 1.0 if resizes else batch.tensors[0, 0].numel() / AREA
        for name, count in PROPOSAL_COUNTS.items():
            self.pre_nms[name] = self.post_nms[name] = max(
                1000 if resizes else 200, int(count * share)
            )
        self.pre_nms["training"] *= 2
        self.roi_heads.detections_per_img = 100 if resizes else max(100, int(OBJECT_COUNT * share))

    def _objects(
        self, features: dict[str, Tensor], proposals: Tensor, size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """Detections of one image, with soft masks."""
        heads = self.roi_heads

        def scored(boxes: Tensor) -> tuple[Tensor, Tensor]:
            pooled = heads.box_roi_pool(features, [boxes], [size])
            return heads.box_predictor(heads.box_head(pooled))

        parts = [scored(part) for part in torch.split(proposals, CHUNK)]
        logits, offsets = (torch.cat(part) for part in zip(*parts, strict=True))
        detections = heads.postprocess_detections(logits, offsets, [proposals], [size])
        boxes, scores, labels = (values[0] for values in detections)
        masks = [
            self._masks(features, some, classes, size)
            for some, classes in zip(
                *(torch.split(values, CHUNK) for values in (boxes, labels)), strict=True
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
