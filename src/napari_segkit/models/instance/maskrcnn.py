"""Mask R-CNN: torchvision's, with heads light enough to learn from a few images on a CPU."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torchvision.models import mobilenet, resnet
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
from .object_scales import OF_TORCHVISION, scales_of

WIDTH = 64  # channels of the pyramid and its heads where nothing was learned with more
HIDDEN = 256  # numbers by which a box is judged
SCORES = "roi_heads.box_predictor.cls_score.weight"
group_norm = partial(nn.GroupNorm, 8)  # for what looks into one box


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """Mask R-CNN from random weights.

    With the encoders "resnet50" and "resnet50_v2" it has the layers and names of torchvision's
    ``maskrcnn_resnet50_fpn`` and ``maskrcnn_resnet50_fpn_v2``, for which there are weights from
    COCO; with any other a narrow pyramid and light heads.

    Parameters
    ----------
    spec : ModelSpec
        Its encoder counts.
    inputs : Inputs
        Channels and classes, background among them.
    """
    encoder, classes = str(spec.encoder), inputs.classes
    if encoder not in OF_TORCHVISION:
        network = _light(encoder, classes, inputs.channels)
    else:
        network = _torchvisions(encoder, classes, inputs.channels)
    set_channels(network.backbone, inputs.channels)
    return network


def categories() -> tuple[str, ...]:
    """Names of COCO's classes by the labels that torchvision's weights give.

    Returns
    -------
    tuple of str
        91 of them; the first is "__background__", and numbers that COCO does not use are "N/A".
    """
    return tuple(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])


def classes_in(tensors: Mapping[str, Tensor]) -> int | None:
    """How many classes a Mask R-CNN tells apart.

    Parameters
    ----------
    tensors : mapping of str to torch.Tensor
        Its state dict.

    Returns
    -------
    int or None
        Background among them. None: these are not the tensors of a Mask R-CNN of torchvision.
    """
    found = [t for name, t in tensors.items() if f".{name}".endswith(f".{SCORES}")]
    return len(found[0]) if found else None


def _torchvisions(encoder: str, classes: int, channels: int) -> Detector:
    """The layers and names of torchvision's, the first version or the second."""
    second = encoder == "resnet50_v2"
    norm = nn.BatchNorm2d if second else None
    size, wide = (256, 7, 7), [256] * 4
    heads = {
        "rpn_head": RPNHead(256, len(ASPECTS), conv_depth=2 if second else 1),
        "box_head": FastRCNNConvFCHead(size, wide, [1024], norm_layer=norm)
        if second
        else TwoMLPHead(256 * 49, 1024),
        "box_predictor": FastRCNNPredictor(1024, classes),
        "mask_head": MaskRCNNHeads(256, wide, 1, norm_layer=norm),
        "mask_predictor": MaskRCNNPredictor(256, 256, classes),
    }
    return Detector(_pyramid("resnet50", 256, norm), heads, channels, scales_of(encoder), samples=2)


def _light(encoder: str, classes: int, channels: int) -> Detector:
    scales = scales_of(encoder)
    heads = {
        "rpn_head": RPNHead(WIDTH, scales * len(ASPECTS)),
        "box_head": TwoMLPHead(WIDTH * 49, HIDDEN),
        "box_predictor": FastRCNNPredictor(HIDDEN, classes),
        "mask_head": MaskRCNNHeads(WIDTH, [WIDTH] * 2, 1, norm_layer=group_norm),
        "mask_predictor": MaskRCNNPredictor(WIDTH, WIDTH, classes),
    }
    return Detector(_pyramid(encoder, WIDTH, nn.BatchNorm2d), heads, channels, scales, samples=1)


def _pyramid(encoder: str, width: int, norm: Any) -> BackboneWithFPN:
    """An encoder whose levels, from every 4th pixel on, are joined into a pyramid."""
    if encoder == "mobilenet_v3_large":
        body = mobilenet.mobilenet_v3_large(weights=None).features
        levels, widths = ("3", "6", "12", "16"), [24, 40, 112, 960]
    else:
        body = getattr(resnet, encoder)(weights=None)
        levels = ("layer1", "layer2", "layer3", "layer4")
        widths = [body.inplanes // 8 * 2**level for level in range(4)]
    named = {level: str(i) for i, level in enumerate(levels)}
    return BackboneWithFPN(body, named, widths, width, norm_layer=norm)
