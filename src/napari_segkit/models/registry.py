"""Registry of the methods. To add one, write a module that builds it and a line in `MODELS`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from napari_segkit.arguments import given

from . import encoders, families
from .families import Family, StridedFamily
from .kinds import KINDS

SIZES = ("small", "medium", "large")
# Parameters of the libraries' networks that a person may set; a test compares them with these.
UNET = ("decoder_channels", "decoder_use_norm", "decoder_attention_type", "decoder_interpolation")
ASPP = (
    *("encoder_output_stride", "decoder_channels", "decoder_atrous_rates"),
    *("decoder_aspp_separable", "decoder_aspp_dropout", "upsampling"),
)
SMP_OPTIONS = {
    "unet": UNET,
    "unetplusplus": UNET,
    "manet": (
        *("decoder_channels", "decoder_use_norm", "decoder_pab_channels", "decoder_interpolation"),
    ),
    "linknet": ("decoder_use_norm",),
    "fpn": (
        *("decoder_pyramid_channels", "decoder_segmentation_channels", "decoder_merge_policy"),
        *("decoder_dropout", "decoder_interpolation", "upsampling"),
    ),
    "pspnet": ("psp_out_channels", "decoder_use_norm", "psp_dropout", "upsampling"),
    "deeplabv3": ASPP,
    "deeplabv3plus": ASPP,
    "pan": ("encoder_output_stride", "decoder_channels", "decoder_interpolation", "upsampling"),
    "upernet": ("decoder_channels", "decoder_use_norm", "upsampling"),
    "segformer": ("decoder_segmentation_channels", "upsampling"),
    "dpt": (
        *("encoder_output_indices", "decoder_readout", "decoder_intermediate_channels"),
        "decoder_fusion_channels",
    ),
}
MONAI_OPTIONS = {
    "unet3d": ("filters", "dropout", "act_name", "res_block", "trans_bias"),
    "segresnet": ("init_filters", "blocks_down", "blocks_up", "act", "upsample_mode"),
    "mednext": ("kernel_size",),
}


@dataclass(frozen=True)
class ModelInfo:
    """Properties of a method, known without building a network.

    Parameters
    ----------
    name : str
        Value for `ModelSpec`.
    title : str
        Display name.
    dims : tuple of int
        Supported spatial dimensions: 2 (slice by slice), 3 (volumes). The first is the choice of
        ``dims="auto"``.
    about : str
        Purpose, in one sentence.
    encoders : tuple of str
        Encoders, or sizes, to choose from; the first is the default.
    family : callable
        Gives the module that builds it, one of `families`.
    kind : str
        Key of `kinds.KINDS`. "semantic": a class for every pixel. "instance": objects, each with a
        class and a score.
    training : str
        Key of the class that trains it in `training.trainer_of`.
    weights : tuple of str
        Names that ``ModelSpec.weights`` accepts besides None and the path of a file.
    unused : tuple of str
        Fields of `TrainConfig` that its training does not use.
    features : bool
        Whether it uses ``ModelSpec.features``.
    whole : bool
        Whether pretrained weights may cover the entire network, which then predicts without
        training.
    any_timm : bool
        Whether "tu-" followed by any name of a timm model is accepted as encoder.
    stride : int or callable
        Edges of tiles are multiples of this many pixels; or gives the module whose `stride`
        computes it.
    options : tuple of str
        Names that ``ModelSpec.options`` accepts, those of the library's builder.
    licence : str
        Licence of the code behind it.
    """

    name: str
    title: str
    dims: tuple[int, ...]
    about: str
    encoders: tuple[str, ...]
    family: Callable[[], Family] = field(repr=False)
    kind: str = "semantic"
    training: str = "semantic"
    weights: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    features: bool = False
    whole: bool = False
    any_timm: bool = False
    stride: int | Callable[[], StridedFamily] = field(default=32, repr=False)
    options: tuple[str, ...] = ()
    licence: str = "BSD-3-Clause"

    @property
    def has_masks(self) -> bool:
        """Whether it predicts objects as soft masks; else a class for every pixel."""
        return KINDS[self.kind].has_masks


def _smp(
    name: str, title: str, about: str, encoders: Sequence[str] = encoders.ALL, stride: int = 32
) -> ModelInfo:
    """Entry for an architecture of segmentation-models-pytorch."""
    return ModelInfo(
        name,
        title,
        (2,),
        about,
        tuple(encoders),
        families.smp,
        weights=("imagenet",),
        any_timm=True,
        stride=stride,
        options=("encoder_depth", *SMP_OPTIONS[name]),
        licence="MIT",
    )


def _torchvision(name: str, title: str, about: str, encoders: Sequence[str]) -> ModelInfo:
    weights = ("imagenet", "coco")
    return ModelInfo(
        name, title, (2,), about, tuple(encoders), families.torchvision, weights=weights
    )


def _monai(name: str, title: str, about: str, sizes: Sequence[str] = SIZES) -> ModelInfo:
    return ModelInfo(
        name,
        title,
        (3, 2),
        about,
        tuple(sizes),
        families.monai,
        unused=("freeze_encoder",),
        stride=families.monai,
        options=MONAI_OPTIONS[name],
        licence="Apache-2.0",
    )


def _instance(
    name: str,
    title: str,
    about: str,
    encoders: Sequence[str],
    weights: Sequence[str],
    family: Callable[[], Family],
) -> ModelInfo:
    return ModelInfo(
        name,
        title,
        (2,),
        about,
        tuple(encoders),
        family,
        kind="instance",
        training="instance",
        weights=tuple(weights),
        unused=("loss", "class_weights", "three_axes"),
        whole="coco" in weights,
    )


MODELS = {
    info.name: info
    for info in (
        _smp("unet", "U-Net", "A good first choice: accurate at fine boundaries, fast on a CPU."),
        _smp(
            "unetplusplus",
            "U-Net++",
            "U-Net with dense skip connections: slightly more accurate, twice as slow.",
            encoders.NO_MIT,
        ),
        _smp(
            "linknet",
            "LinkNet",
            "The lightest decoder: for slow computers and live views.",
            encoders.NO_MIT,
        ),
        _smp("fpn", "FPN", "Feature pyramid: objects of very different sizes in one image."),
        _smp("manet", "MA-Net", "U-Net with attention, designed for tumours in medical images."),
        _smp("pspnet", "PSPNet", "Pyramid pooling: scenes and tissue, coarse boundaries."),
        _smp(
            "pan",
            "PAN",
            "Light feature pyramid with attention: photographs and tissue.",
            encoders.DILATED,
            64,
        ),
        _smp(
            "deeplabv3",
            "DeepLabv3",
            "Dilated convolutions with a large receptive field: large structures, tissue.",
            encoders.DILATED,
        ),
        _smp("deeplabv3plus", "DeepLabv3+", "DeepLabv3 with sharper boundaries.", encoders.DILATED),
        _smp("upernet", "UPerNet", "Pyramid pooling on a feature pyramid: complex scenes."),
        _smp(
            "segformer",
            "SegFormer",
            "Simple decoder, designed for transformer encoders (mit_b0 to mit_b5).",
            ("resnet18", "mit_b0", *(e for e in encoders.ALL if e not in ("resnet18", "mit_b0"))),
        ),
        _smp(
            "dpt", "DPT", "Vision transformer: needs pretrained weights and a GPU.", encoders.VITS
        ),
        _torchvision(
            "fcn",
            "FCN",
            "Fully convolutional network: simple, coarse boundaries.",
            ("mobilenet_v3_large", "resnet50", "resnet101"),
        ),
        _torchvision(
            "lraspp",
            "LR-ASPP",
            "The lightest network: quick previews, photographs.",
            ("mobilenet_v3_large",),
        ),
        _torchvision(
            "deeplabv3_torchvision",
            "DeepLabv3 (torchvision)",
            "DeepLabv3 of torchvision, with weights pretrained on COCO photographs.",
            ("mobilenet_v3_large", "resnet50", "resnet101"),
        ),
        ModelInfo(
            "segnet",
            "SegNet",
            (2,),
            "Decoder with max unpooling at the encoder's pooling indices: sharp boundaries.",
            ("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
            families.segnet,
            weights=("imagenet",),
        ),
        _monai("unet3d", "3D U-Net", "A good first choice for volumes, configured as in nnU-Net."),
        _monai("segresnet", "SegResNet", "Residual network for volumes: tumours, organs."),
        _monai(
            "mednext",
            "MedNeXt",
            "ConvNeXt blocks for volumes with isotropic voxels: accurate, slow on a CPU.",
            ("tiny", "small", "base", "medium", "large"),
        ),
        ModelInfo(
            "pixels",
            "Pixel classifier",
            (2, 3),
            "Filter bank and a small classifier: trained on scribbles in seconds.",
            ("filters", *encoders.ALL),
            families.pixels,
            training="pixels",
            unused=(
                *("epochs", "steps_per_epoch", "batch_size", "learning_rate", "schedule"),
                *("optimiser", "loss", "class_weights", "precision", "augment"),
                *("three_axes", "freeze_encoder", "validation_fraction", "best_by", "patience"),
                "thresholds",
            ),
            features=True,
            weights=("imagenet",),
            any_timm=True,
            stride=families.pixels,
        ),
        _instance(
            "maskrcnn",
            "Mask R-CNN",
            "Predicts boxes, then a mask in each: objects of any shape; has COCO weights.",
            ("resnet18", "mobilenet_v3_large", "resnet34", "resnet50", "resnet50_v2", "resnet101"),
            ("imagenet", "coco"),
            families.maskrcnn,
        ),
        _instance(
            "solo",
            "SOLO",
            "Predicts masks from grid cells, without boxes: crowded or elongated objects.",
            ("resnet18", "mobilenet_v3_large", "resnet34", "resnet50"),
            ("imagenet",),
            families.solo,
        ),
    )
}


def list_models() -> list[ModelInfo]:
    """List all methods with their names, kinds, dimensions and purpose.

    Returns
    -------
    list of ModelInfo
        One entry for each method, in the order of the documentation.
    """
    return list(MODELS.values())


def model_info(name: str) -> ModelInfo:
    """Return the entry of a method; ValueError lists the registered ones."""
    if name not in MODELS:
        near = get_close_matches(name.lower(), MODELS, 1)
        meant = f", did you mean {near[0]!r}" if near else ""
        raise ValueError(
            f"There is no model {given(name)}{meant}; choose one of {', '.join(MODELS)}."
        )
    return MODELS[name]
