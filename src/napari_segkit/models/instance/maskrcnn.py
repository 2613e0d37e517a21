"""Mask R-CNN of torchvision, with heads light enough to train from a few images on a CPU."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import (
    FastRCNNConvFCHead,
    FastRCNNPredictor,
    TwoMLPHead,
)
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.in_channels import set_channels

from .maskrcnn_detector import ASPECTS, Detector
from .object_scales import TORCHVISION_ENCODERS, anchor_scales
from .torchvision_encoder import encoder

WIDTH = 64  # channels of the pyramid and its heads, unless weights from COCO need more
HIDDEN = 256  # features of a box
CLASS_WEIGHT = "roi_heads.box_predictor.cls_score.weight"
group_norm = partial(nn.GroupNorm, 8)  # for the mask head, which processes single boxes


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """Build Mask R-CNN with random weights.

    Encoders "resnet50" and "resnet50_v2" have the layers and names of torchvision's
    ``maskrcnn_resnet50_fpn`` and ``_v2``, for which COCO weights exist; others light heads.
    """
    name = str(spec.encoder)
    make = _torchvision_network if name in TORCHVISION_ENCODERS else _light_network
    network = make(name, inputs.classes, inputs.channels)
    set_channels(network.backbone, inputs.channels)
    return network


def coco_categories() -> tuple[str, ...]:
    """COCO's 91 category names by label; 0 is "__background__", unused ones are "N/A"."""
    return tuple(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])


def count_classes(tensors: Mapping[str, Tensor]) -> int | None:
    """Number of classes, with background, in the state dict of a Mask R-CNN, else None."""
    weights = [t for name, t in tensors.items() if f".{name}".endswith(f".{CLASS_WEIGHT}")]
    return len(weights[0]) if weights else None


def _torchvision_network(name: str, classes: int, channels: int) -> Detector:
    """Layers and names of torchvision's first or second version."""
    version_2 = name == "resnet50_v2"
    norm = nn.BatchNorm2d if version_2 else None
    size, wide = (256, 7, 7), [256] * 4
    heads = {
        "rpn_head": RPNHead(256, len(ASPECTS), conv_depth=2 if version_2 else 1),
        "box_head": FastRCNNConvFCHead(size, wide, [1024], norm_layer=norm)
        if version_2
        else TwoMLPHead(256 * 49, 1024),
        "box_predictor": FastRCNNPredictor(1024, classes),
        "mask_head": MaskRCNNHeads(256, wide, 1, norm_layer=norm),
        "mask_predictor": MaskRCNNPredictor(256, 256, classes),
    }
    return Detector(
        _pyramid("resnet50", 256, norm), heads, channels, anchor_scales(name), samples=2
    )


def _light_network(name: str, classes: int, channels: int) -> Detector:
    scales = anchor_scales(name)
    heads = {
        "rpn_head": RPNHead(WIDTH, scales * len(ASPECTS)),
        "box_head": TwoMLPHead(WIDTH * 49, HIDDEN),
        "box_predictor": FastRCNNPredictor(HIDDEN, classes),
        "mask_head": MaskRCNNHeads(WIDTH, [WIDTH] * 2, 1, norm_layer=group_norm),
        "mask_predictor": MaskRCNNPredictor(WIDTH, WIDTH, classes),
    }
    return Detector(_pyramid(name, WIDTH, nn.BatchNorm2d), heads, channels, scales, samples=1)


def _pyramid(name: str, width: int, norm: type[nn.Module] | None) -> BackboneWithFPN:
    """Feature pyramid on an encoder, from stride 4 on."""
    body = encoder(name)
    layers = {layer: level for layer, level in body.layers.items() if level != "stem"}
    return BackboneWithFPN(body.network, layers, list(body.widths[1:]), width, norm_layer=norm)
