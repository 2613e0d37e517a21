"""What there is: every method, known without building one. A new method is a line in `MODELS`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import encoders

SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a method before anything is built.

    Parameters
    ----------
    name : str
        The word that `ModelSpec` takes.
    title : str
        What people call it.
    dims : tuple of int
        Spatial dimensions it can work in: 2 (slice by slice), 3 (whole volumes); the first is
        what ``dims="auto"`` prefers.
    about : str
        What it is for, in one sentence.
    encoders : tuple of str
        Encoders, or sizes, it can be built with; the first is the default.
    family : str
        The module that builds it, by its name in `families.FAMILIES`.
    kind : str
        "semantic": a class for every pixel. "instance": objects, each with a class and a score.
    training : str
        The class that trains it, by its name in `training.trainer_of`.
    weights : tuple of str
        Words that ``ModelSpec.weights`` takes besides None and the path of a file.
    unused : tuple of str
        Fields of `TrainConfig` that its training does not go by.
    features : bool
        ``ModelSpec.features`` counts for it.
    whole : bool
        Weights of others may be those of the whole network: it then predicts without training.
    any_timm : bool
        Takes "tu-" and a name of timm as encoder, too.
    stride : int or None
        Tiles are multiples of this many pixels; None: the file's `stride` says.
    licence : str
        Of the code behind it.
    """

    name: str
    title: str
    dims: tuple[int, ...]
    about: str
    encoders: tuple[str, ...]
    family: str
    kind: str = "semantic"
    training: str = "semantic"
    weights: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    features: bool = False
    whole: bool = False
    any_timm: bool = False
    stride: int | None = 32
    licence: str = "BSD-3-Clause"


def _smp(
    name: str, title: str, about: str, encoders: Sequence[str] = encoders.ALL, stride: int = 32
) -> ModelInfo:
    """One of segmentation-models-pytorch's architectures."""
    known = {"weights": ("imagenet",), "any_timm": True, "stride": stride, "licence": "MIT"}
    return ModelInfo(name, title, (2,), about, tuple(encoders), "smp", **known)  # type: ignore[arg-type]


def _torchvision(name: str, title: str, about: str, encoders: Sequence[str]) -> ModelInfo:
    known: Any = {"weights": ("imagenet", "coco")}
    return ModelInfo(name, title, (2,), about, tuple(encoders), "torchvision", **known)


def _monai(name: str, title: str, about: str, sizes: Sequence[str] = SIZES) -> ModelInfo:
    known: Any = {"stride": None, "licence": "Apache-2.0"}
    return ModelInfo(name, title, (3, 2), about, tuple(sizes), "monai", **known)


def _instance(
    name: str, title: str, about: str, encoders: Sequence[str], weights: Sequence[str]
) -> ModelInfo:
    known: Any = {"kind": "instance", "training": "instance", "whole": "coco" in weights}
    return ModelInfo(
        name, title, (2,), about, tuple(encoders), name, weights=tuple(weights), **known
    )


MODELS = {
    info.name: info
    for info in (
        _smp("unet", "U-Net", "The first to try: exact at fine borders, light on a CPU."),
        _smp(
            "unetplusplus",
            "U-Net++",
            "A U-Net with denser skip connections: a little better, twice the work.",
            encoders.NO_MIT,
        ),
        _smp(
            "linknet",
            "LinkNet",
            "The lightest decoder of all: for slow machines, live views.",
            encoders.NO_MIT,
        ),
        _smp("fpn", "FPN", "A feature pyramid: objects of very different sizes in one image."),
        _smp("manet", "MA-Net", "A U-Net with attention, made for tumours in medical images."),
        _smp("pspnet", "PSPNet", "Pools over large regions: scenes and tissue, coarse borders."),
        _smp(
            "pan",
            "PAN",
            "A light pyramid with attention: photographs and tissue.",
            encoders.DILATED,
            64,
        ),
        _smp(
            "deeplabv3",
            "DeepLabv3",
            "Dilated convolutions see far: large structures, tissue.",
            encoders.DILATED,
        ),
        _smp("deeplabv3plus", "DeepLabv3+", "DeepLabv3 with sharper borders.", encoders.DILATED),
        _smp("upernet", "UPerNet", "Pyramid pooling on a feature pyramid: scenes with many parts."),
        _smp(
            "segformer",
            "SegFormer",
            "A plain decoder, made for transformer encoders (mit_b0 and up).",
            (
                "resnet18",
                "mit_b0",
                *(e for e in encoders.ALL if e not in ("resnet18", "mit_b0")),
            ),
        ),
        _smp(
            "dpt",
            "DPT",
            "A vision transformer throughout: needs pretrained weights and a GPU.",
            encoders.VITS,
        ),
        _torchvision(
            "fcn",
            "FCN",
            "The fully convolutional network that began it all: simple, coarse borders.",
            ("mobilenet_v3_large", "resnet50", "resnet101"),
        ),
        _torchvision(
            "lraspp",
            "LR-ASPP",
            "The lightest of all networks here: quick photographs and previews.",
            ("mobilenet_v3_large",),
        ),
        _torchvision(
            "deeplabv3_torchvision",
            "DeepLabv3 (torchvision)",
            "DeepLabv3 in the form that has weights learned on COCO photographs.",
            ("mobilenet_v3_large", "resnet50", "resnet101"),
        ),
        ModelInfo(
            "segnet",
            "SegNet",
            (2,),
            "Keeps where each maximum was and puts it back there: sharp borders, classic.",
            ("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
            "segnet",
            weights=("imagenet",),
        ),
        _monai("unet3d", "3D U-Net", "The first to try for volumes, as nnU-Net makes it."),
        _monai("segresnet", "SegResNet", "Residual blocks for volumes: tumours, organs."),
        _monai(
            "mednext",
            "MedNeXt",
            "ConvNeXt blocks for volumes with even voxels: strong, slow on a CPU.",
            ("tiny", "small", "base", "medium", "large"),
        ),
        ModelInfo(
            "pixels",
            "Pixel classifier",
            (2, 3),
            "A filter bank and a small classifier: learns from scribbles in seconds.",
            ("filters", *encoders.ALL),
            "pixels",
            training="pixels",
            unused=("epochs", "steps_per_epoch", "batch_size", "learning_rate", "augment"),
            features=True,
            weights=("imagenet",),
            any_timm=True,
            stride=None,
        ),
        _instance(
            "maskrcnn",
            "Mask R-CNN",
            "Boxes, then a mask in each: objects of any shape, photographs with COCO weights.",
            ("resnet18", "mobilenet_v3_large", "resnet34", "resnet50", "resnet50_v2", "resnet101"),
            ("imagenet", "coco"),
        ),
        _instance(
            "solo",
            "SOLO",
            "A mask for each place of a grid, without boxes: objects that crowd or bend.",
            ("resnet18", "mobilenet_v3_large", "resnet34", "resnet50"),
            ("imagenet",),
        ),
    )
}


def list_models() -> list[ModelInfo]:
    """All methods: names, kinds, dimensions, and what each is for.

    Returns
    -------
    list of ModelInfo
        One entry for each method, in the order of the documentation.
    """
    return list(MODELS.values())


def model_info(name: str) -> ModelInfo:
    """What is known of one method.

    Parameters
    ----------
    name : str
        Such as "unet".

    Raises
    ------
    ValueError
        If there is no such method; the message lists those there are.
    """
    if name not in MODELS:
        raise ValueError(f"There is no model {name!r}; choose one of {', '.join(MODELS)}.")
    return MODELS[name]
