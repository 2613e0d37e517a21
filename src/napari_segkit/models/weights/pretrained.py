"""Pretrained weights: which there are, and how they come into a network.

Nothing here reaches for the network unless `ModelSpec.weights` names weights, and no file can run
code: it is read as tensors alone, and its hash is checked where one is known.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs, encoders, model_info

from .files import INSTEAD, HubFile, UrlFile, WeightsError, fetch, library, read, reason
from .matching import (
    Tensors,
    encoder_part,
    fit,
    match,
    match_in_order,
    of_detector,
    without_counters,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WeightsError", "initialise", "load", "available", "cached"]

WITHOUT = "weights=None, which trains from random numbers"
# Files of methods on the encoders of torchvision.
TORCHVISION = ("torchvision", "segnet", "maskrcnn", "solo")
BACKBONES = {
    "mobilenet_v3_large": "MobileNet_V3_Large_Weights",
    "resnet18": "ResNet18_Weights",
    "resnet34": "ResNet34_Weights",
    "resnet50": "ResNet50_Weights",
    "resnet50_v2": "ResNet50_Weights",
    "resnet101": "ResNet101_Weights",
    "vgg11_bn": "VGG11_BN_Weights",
    "vgg13_bn": "VGG13_BN_Weights",
    "vgg16_bn": "VGG16_BN_Weights",
    "vgg19_bn": "VGG19_BN_Weights",
}
COCO = {
    ("fcn", "resnet50"): "FCN_ResNet50_Weights",
    ("fcn", "resnet101"): "FCN_ResNet101_Weights",
    ("lraspp", "mobilenet_v3_large"): "LRASPP_MobileNet_V3_Large_Weights",
    ("deeplabv3_torchvision", "mobilenet_v3_large"): "DeepLabV3_MobileNet_V3_Large_Weights",
    ("deeplabv3_torchvision", "resnet50"): "DeepLabV3_ResNet50_Weights",
    ("deeplabv3_torchvision", "resnet101"): "DeepLabV3_ResNet101_Weights",
}
DETECTORS = {
    ("maskrcnn", "resnet50"): "MaskRCNN_ResNet50_FPN_Weights",
    ("maskrcnn", "resnet50_v2"): "MaskRCNN_ResNet50_FPN_V2_Weights",
}
# The layers whose shapes depend on the classes, in torchvision's networks.
HEADS = (
    *(".classifier.4.", ".low_classifier.", ".high_classifier."),
    *(".box_predictor.cls_score.", ".box_predictor.bbox_pred.", ".mask_predictor.mask_fcn_logits."),
)
# What a detector keeps beside weights, which no file of others has.
SETTINGS = (".mean", ".std", ".resize", ".anchor_generator.cells")

# Native encoders with other weights than "imagenet" alone. A test holds them against the library.
WORDS = {
    **dict.fromkeys(("resnet18", "resnet50", "resnext50_32x4d"), ("imagenet", "ssl", "swsl")),
    "resnext101_32x4d": ("ssl", "swsl"),
    "resnext101_32x8d": ("imagenet", "instagram", "ssl", "swsl"),
    "resnext101_32x16d": ("instagram", "ssl", "swsl"),
    **dict.fromkeys(("resnext101_32x32d", "resnext101_32x48d"), ("instagram",)),
    **dict.fromkeys(("dpn68b", "dpn92", "dpn107"), ("imagenet+5k",)),
    **dict.fromkeys(("inceptionresnetv2", "inceptionv4"), ("imagenet", "imagenet+background")),
    **dict.fromkeys(encoders.EFFICIENTNETS, ("imagenet", "advprop")),
    **dict.fromkeys(encoders.TIMM_EFFICIENTNETS, ("imagenet", "advprop", "noisy-student")),
    "timm-efficientnet-b8": ("imagenet", "advprop"),
    "timm-efficientnet-l2": ("noisy-student", "noisy-student-475"),
}


def initialise(network: "nn.Module", spec: ModelSpec, inputs: Inputs) -> None:
    """Give a network that is to be trained the pretrained weights that its spec names.

    Parameters
    ----------
    network, spec, inputs
        As in `load`.

    Raises
    ------
    WeightsError
        As in `load`; it says that a training can do without.
    """
    try:
        load(network, spec, inputs)
    except WeightsError as error:
        sentence = str(error).removesuffix(".")
        raise WeightsError(f"{sentence}, or {WITHOUT}.") from error.__cause__


def load(network: "nn.Module", spec: ModelSpec, inputs: Inputs) -> None:
    """Give a new network the pretrained weights that its spec names.

    Other numbers of channels than the weights were learned with are allowed: one channel takes
    the sum over the weights' channels, more take them in turn, scaled by the ratio of the counts.

    Parameters
    ----------
    network : torch.nn.Module
        As `models.build` made it; changed in place.
    spec : ModelSpec
        Its `weights`: None does nothing. One of the words of `available` fetches the file where
        it is not in the library's cache. Anything else is the path of a file.
    inputs : Inputs
        What the network was built for.

    Raises
    ------
    WeightsError
        If there are no such weights, the file is missing and cannot be fetched, is damaged,
        could run code, or does not fit.
    """
    if spec.weights is None:
        return
    words = available(spec)
    if spec.weights in words:
        _load_known(network, spec, inputs.channels)
    elif Path(spec.weights).is_file():
        _load_path(network, spec, inputs.channels)
    else:
        raise WeightsError(
            f"weights is {spec.weights!r}, which is no file here, and {spec.name} with the encoder "
            f"{spec.encoder} has {' and '.join(map(repr, words)) or 'no pretrained weights'}: "
            f"{INSTEAD}."
        )


def available(spec: ModelSpec) -> tuple[str, ...]:
    """The words that `ModelSpec.weights` takes for a method and its encoder.

    Parameters
    ----------
    spec : ModelSpec
        Its name and encoder count.

    Returns
    -------
    tuple of str
        Such as "imagenet" and "coco"; empty where others have published nothing that can be
        loaded safely. The network is not touched.
    """
    encoder = str(spec.encoder)
    if not model_info(spec.name).weights:
        return ()
    if _on_torchvision(spec):
        learned = ("imagenet",) if encoder in BACKBONES else ()
        return (*learned, "coco") if (spec.name, encoder) in COCO | DETECTORS else learned
    if encoder.startswith("tu-"):
        return ("imagenet",) if _timm_file(encoder) else ()
    return WORDS.get(encoder, ("imagenet",) if encoder in encoders.NATIVE else ())


def cached(spec: ModelSpec) -> bool:
    """Whether training can start without a download.

    Parameters
    ----------
    spec : ModelSpec
        Its name, encoder and weights count.

    Returns
    -------
    bool
        True where the file of weights is on this machine, or none is needed.
    """
    if spec.weights is None:
        return True
    known = spec.weights in available(spec)
    return (_file(spec).place if known else Path(spec.weights)).is_file()


def _file(spec: ModelSpec) -> UrlFile | HubFile:
    """The file behind one of the words of `available`."""
    encoder = str(spec.encoder)
    if _on_torchvision(spec):
        return _torchvision_file(spec)
    if encoder.startswith("tu-"):
        file = _timm_file(encoder)
        assert file is not None, "available() offers a word only where there is a file"
        return file
    known = library("segmentation_models_pytorch").encoders.encoders[encoder]["pretrained_settings"]
    return HubFile(known[spec.weights]["repo_id"], known[spec.weights]["revision"])


def _on_torchvision(spec: ModelSpec) -> bool:
    return model_info(spec.name).family in TORCHVISION


def _torchvision_file(spec: ModelSpec) -> UrlFile:
    pair = spec.name, str(spec.encoder)
    if spec.weights != "coco":
        name = f"{BACKBONES[pair[1]]}.IMAGENET1K_V1"
    elif pair in DETECTORS:
        name = f"{DETECTORS[pair]}.COCO_V1"
    else:
        name = f"{COCO[pair]}.COCO_WITH_VOC_LABELS_V1"
    return UrlFile(library("torchvision.models").get_weight(name).url)


def _timm_file(encoder: str) -> UrlFile | HubFile | None:
    """The file of a timm model, where it is safetensors or has a hash in its name."""
    try:
        known = library("timm.models").get_pretrained_cfg(encoder.removeprefix("tu-"))
    except RuntimeError:  # a tag that the model does not have
        return None
    if known and known.hf_hub_id:
        repository, _, revision = known.hf_hub_id.partition("@")
        return HubFile(repository, revision or "main")
    file = UrlFile(known.url) if known and isinstance(known.url, str) else None
    return file if file and file.sha256() else None


def _load_known(network: "nn.Module", spec: ModelSpec, channels: int) -> None:
    """Weights by a word; all of them must find their place."""
    tensors = read(fetch(_file(spec)))
    timm = str(spec.encoder).startswith("tu-")
    if _on_torchvision(spec) or timm:
        _load_all(network, _as_timm(spec, tensors) if timm else tensors, spec, channels)
    else:
        _load_smp(network, tensors, spec, channels)


def _load_all(network: "nn.Module", tensors: Tensors, spec: ModelSpec, channels: int) -> None:
    """The whole network but for its heads from COCO, the whole encoder from ImageNet."""
    wanted = without_counters(network.state_dict())
    if spec.weights != "coco":
        wanted = encoder_part(wanted)
    found = match(of_detector(tensors), wanted, channels)
    missing = [name for name in wanted if name not in found]
    if spec.weights == "coco":
        own = (*HEADS, *SETTINGS)
        missing = [name for name in missing if not any(part in f".{name}" for part in own)]
    if missing:
        raise _unfit(spec, f"{missing[0]} has no counterpart in them")
    _load(network, found)


def _load_smp(network: Any, tensors: Tensors, spec: ModelSpec, channels: int) -> None:
    """As smp does: its encoders know older names of their tensors."""
    own = network.encoder.state_dict()
    for name, weight in own.items():
        if name in tensors and (fitted := fit(tensors[name], weight, channels)) is not None:
            tensors[name] = fitted
    try:
        network.encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise _unfit(spec, str(error).splitlines()[-1].strip().rstrip(".")) from None


def _as_timm(spec: ModelSpec, tensors: Tensors) -> Tensors:
    """The tensors by the names that timm's models have now.

    A model that gives features calls its first level "stages_0" where the whole model says
    "stages.0", so each goes by both names.
    """
    name = str(spec.encoder).removeprefix("tu-")
    given = {"state_dict": tensors}
    try:
        model = library("timm").create_model(name, pretrained=True, pretrained_cfg_overlay=given)
    except Exception as error:  # timm raises errors of all sorts
        raise _unfit(spec, reason(error)) from error
    state = model.state_dict()
    return {name.replace(".", "_", 1): t for name, t in state.items()} | state


def _load_path(network: "nn.Module", spec: ModelSpec, channels: int) -> None:
    """Weights from a person's own file; what finds no place stays random."""
    wanted = without_counters(network.state_dict())
    encoder = encoder_part(wanted)
    tensors = of_detector(read(Path(str(spec.weights))))
    found = match(tensors, wanted, channels)
    count = sum(name in found for name in encoder)
    if 2 * count < len(encoder):
        found = match_in_order(tensors, encoder, channels)
    if not found:
        raise _unfit(
            spec,
            f"{count} of the encoder's {len(encoder)} tensors are in them by name and shape, "
            "and at least half is needed",
        )
    missing = [name for name in encoder if name not in found]
    if missing:
        warnings.warn(
            f"{len(encoder) - len(missing)} of the encoder's {len(encoder)} tensors were found in "
            f"{spec.weights}; the others, {missing[0]} the first, start from random numbers.",
            UserWarning,
            stacklevel=4,
        )
    _load(network, found)


def _load(network: "nn.Module", found: Tensors) -> None:
    """Take the tensors; a detector then sees images as the network does that learned them."""
    network.load_state_dict(found, strict=False)
    adopt = getattr(network, "adopt_photographs", None)
    if adopt and "mean" not in found:
        adopt(whole="rpn.head.cls_logits.weight" in found)


def _unfit(spec: ModelSpec, reason: str) -> WeightsError:
    return WeightsError(
        f"The weights {spec.weights!r} do not fit {spec.name} with the encoder {spec.encoder} "
        f"({reason}): choose the encoder they were learned with, or {INSTEAD}."
    )
