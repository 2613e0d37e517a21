"""Pretrained weights: which exist, and how they are loaded into a network.

Nothing is downloaded unless `ModelSpec.weights` names weights. Files are read as tensors only, so
they cannot run code, and hashes are checked where known.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs, encoders, families, model_info, network_inputs

from .files import ALTERNATIVE, HubFile, UrlFile, WeightsError, fetch, import_library, read, reason
from .matching import (
    Tensors,
    adapt,
    convert_detector,
    encoder_tensors,
    match_by_name,
    match_in_order,
    without_counters,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WeightsError", "initialise", "load", "available", "cached"]

NO_WEIGHTS = "weights=None to train from random weights"
# Families that use encoders of torchvision.
TORCHVISION = (families.torchvision, families.segnet, families.maskrcnn, families.solo)
BACKBONES = (
    *("mobilenet_v3_large", "resnet18", "resnet34", "resnet50", "resnet50_v2", "resnet101"),
    *("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
)
# Methods and encoders with weights from COCO, and torchvision's names of these networks.
COCO = {
    ("fcn", "resnet50"): "fcn_resnet50",
    ("fcn", "resnet101"): "fcn_resnet101",
    ("lraspp", "mobilenet_v3_large"): "lraspp_mobilenet_v3_large",
    ("deeplabv3_torchvision", "mobilenet_v3_large"): "deeplabv3_mobilenet_v3_large",
    ("deeplabv3_torchvision", "resnet50"): "deeplabv3_resnet50",
    ("deeplabv3_torchvision", "resnet101"): "deeplabv3_resnet101",
    ("maskrcnn", "resnet50"): "maskrcnn_resnet50_fpn",
    ("maskrcnn", "resnet50_v2"): "maskrcnn_resnet50_fpn_v2",
}
# Layers of torchvision's networks whose shapes depend on the classes.
HEADS = (
    *(".classifier.4.", ".low_classifier.", ".high_classifier."),
    *(".box_predictor.cls_score.", ".box_predictor.bbox_pred.", ".mask_predictor.mask_fcn_logits."),
)
# Buffers of a detector that files of torchvision lack.
SETTINGS = (".mean", ".std", ".resize", ".anchor_generator.cells")

# Encoders of smp with other weights than "imagenet"; a test compares them with the library.
WEIGHT_NAMES = {
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
    """Load the pretrained weights of a network to be trained; errors also suggest none."""
    try:
        load(network, spec, inputs)
    except WeightsError as error:
        sentence = str(error).removesuffix(".")
        without = WeightsError(f"{sentence}, or {NO_WEIGHTS}.")
        without.remedies = ("weights=None",)
        raise without from error.__cause__


def load(network: "nn.Module", spec: ModelSpec, inputs: Inputs) -> None:
    """Load the pretrained weights named in `spec.weights` into a new network, in place.

    A name from `available` downloads the file unless it is cached; anything else is a path.
    One channel gets the sum of the weights over the colours, more get them in turn, scaled by the
    ratio of the counts. Raises WeightsError.
    """
    if spec.weights is None:
        return
    names, channels = available(spec), network_inputs(spec, inputs).channels
    if spec.weights in names:
        _load_named(network, spec, channels)
    elif Path(spec.weights).is_file():
        _load_user_file(network, spec, channels)
    else:
        raise WeightsError(
            f"weights is {spec.weights!r}, which is not a file, and {spec.name} with the encoder "
            f"{spec.encoder} offers {' and '.join(map(repr, names)) or 'no pretrained weights'}: "
            f"{ALTERNATIVE}."
        )


def available(spec: ModelSpec) -> tuple[str, ...]:
    """Names of weights for a method and encoder, such as "imagenet"; only safe files count."""
    encoder = str(spec.encoder)
    if not model_info(spec.name).weights:
        return ()
    if _uses_torchvision(spec):
        imagenet = ("imagenet",) if encoder in BACKBONES else ()
        return (*imagenet, "coco") if (spec.name, encoder) in COCO else imagenet
    if encoder.startswith("tu-"):
        return ("imagenet",) if _timm_file(encoder) else ()
    return WEIGHT_NAMES.get(encoder, ("imagenet",) if encoder in encoders.NATIVE else ())


def cached(spec: ModelSpec) -> bool:
    """Whether training needs no download."""
    if spec.weights is None:
        return True
    known = spec.weights in available(spec)
    return (_file(spec).path if known else Path(spec.weights)).is_file()


def _file(spec: ModelSpec) -> UrlFile | HubFile:
    """The file of a name from `available`."""
    encoder = str(spec.encoder)
    if _uses_torchvision(spec):
        return _torchvision_file(spec)
    if encoder.startswith("tu-"):
        file = _timm_file(encoder)
        assert file is not None, "available() gives a name only where there is a file"
        return file
    known = import_library("segmentation_models_pytorch").encoders.encoders[encoder][
        "pretrained_settings"
    ]
    return HubFile(known[spec.weights]["repo_id"], known[spec.weights]["revision"])


def _uses_torchvision(spec: ModelSpec) -> bool:
    return model_info(spec.name).family in TORCHVISION


def _torchvision_file(spec: ModelSpec) -> UrlFile:
    weights_of = import_library("torchvision.models").get_model_weights
    if spec.weights == "coco":
        first, *_ = weights_of(COCO[spec.name, str(spec.encoder)])  # later ones may be other models
        return UrlFile(first.url)
    return UrlFile(weights_of(str(spec.encoder).removesuffix("_v2")).IMAGENET1K_V1.url)


def _timm_file(encoder: str) -> UrlFile | HubFile | None:
    """The file of a timm model if it is safetensors or has a hash in its name."""
    try:
        known = import_library("timm.models").get_pretrained_cfg(encoder.removeprefix("tu-"))
    except RuntimeError:  # a tag that the model does not have
        return None
    if known and known.hf_hub_id:
        repository, _, revision = known.hf_hub_id.partition("@")
        return HubFile(repository, revision or "main")
    file = UrlFile(known.url) if known and isinstance(known.url, str) else None
    return file if file and file.sha256() else None


def _load_named(network: "nn.Module", spec: ModelSpec, channels: int) -> None:
    """Load weights by name; every tensor must match."""
    tensors = read(fetch(_file(spec)))
    timm = str(spec.encoder).startswith("tu-")
    if _uses_torchvision(spec) or timm:
        _load_entire(network, _rename_as_timm(spec, tensors) if timm else tensors, spec, channels)
    else:
        _load_smp(network, tensors, spec, channels)


def _load_entire(network: "nn.Module", tensors: Tensors, spec: ModelSpec, channels: int) -> None:
    """Load the entire network except its heads (COCO), or the entire encoder (ImageNet)."""
    expected = without_counters(network.state_dict())
    if spec.weights != "coco":
        expected = encoder_tensors(expected)
    matched = match_by_name(convert_detector(tensors), expected, channels)
    missing = [name for name in expected if name not in matched]
    if spec.weights == "coco":
        excluded = (*HEADS, *SETTINGS)
        missing = [name for name in missing if not any(part in f".{name}" for part in excluded)]
    if missing:
        raise _misfit(spec, f"they do not contain {missing[0]}")
    _load(network, matched)


def _load_smp(network: "nn.Module", tensors: Tensors, spec: ModelSpec, channels: int) -> None:
    """Load through smp's encoder, which converts older tensor names."""
    encoder = network.get_submodule("encoder")
    for name, weight in encoder.state_dict().items():
        if name in tensors and (fitted := adapt(tensors[name], weight, channels)) is not None:
            tensors[name] = fitted
    try:
        encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise _misfit(spec, str(error).splitlines()[-1].strip().rstrip(".")) from None


def _rename_as_timm(spec: ModelSpec, tensors: Tensors) -> Tensors:
    """Rename tensors as timm does for its current models.

    An encoder says "stages_0" where the full model says "stages.0", so both names are given.
    """
    name = str(spec.encoder).removeprefix("tu-")
    overlay = {"state_dict": tensors}
    try:
        model = import_library("timm").create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay
        )
    except Exception as error:  # timm raises errors of all sorts
        raise _misfit(spec, reason(error)) from error
    state = model.state_dict()
    return {name.replace(".", "_", 1): t for name, t in state.items()} | state


def _load_user_file(network: "nn.Module", spec: ModelSpec, channels: int) -> None:
    """Load weights from a user's file; tensors without a match stay random."""
    expected = without_counters(network.state_dict())
    encoder = encoder_tensors(expected)
    tensors = convert_detector(read(Path(str(spec.weights))))
    matched = match_by_name(tensors, expected, channels)
    count = sum(name in matched for name in encoder)
    if 2 * count < len(encoder):
        matched = match_in_order(tensors, encoder, channels)
    if not matched:
        raise _misfit(
            spec,
            f"only {count} of the encoder's {len(encoder)} tensors match by name and shape, but at "
            "least half must match",
        )
    missing = [name for name in encoder if name not in matched]
    if missing:
        warnings.warn(
            f"{len(encoder) - len(missing)} of the encoder's {len(encoder)} tensors were found in "
            f"{spec.weights}; the others (the first is {missing[0]}) start from random weights.",
            UserWarning,
            stacklevel=4,
        )
    _load(network, matched)


def _load(network: "nn.Module", matched: Tensors) -> None:
    """Load tensors; a detector then normalises images as in pretraining."""
    network.load_state_dict(matched, strict=False)
    use_pretrained_input = getattr(network, "use_pretrained_input", None)
    if use_pretrained_input and "mean" not in matched:
        use_pretrained_input(whole="rpn.head.cls_logits.weight" in matched)


def _misfit(spec: ModelSpec, reason: str) -> WeightsError:
    return WeightsError(
        f"The weights {spec.weights!r} do not fit {spec.name} with the encoder {spec.encoder} "
        f"({reason}): choose the encoder they were trained with, or {ALTERNATIVE}."
    )
