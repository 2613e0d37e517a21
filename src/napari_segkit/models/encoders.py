"""Names of the encoders of segmentation-models-pytorch and timm, without importing either."""

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
RESNEXTS = (
    "resnext50_32x4d",
    "resnext101_32x4d",
    "resnext101_32x8d",
    "resnext101_32x16d",
    "resnext101_32x32d",
    "resnext101_32x48d",
)
EFFICIENTNETS = tuple(f"efficientnet-b{n}" for n in range(8))
LIGHT = ("mobilenet_v2", *(f"timm-tf_efficientnet_lite{n}" for n in range(5)))
SE = (
    "senet154",
    "se_resnet50",
    "se_resnet101",
    "se_resnet152",
    "se_resnext50_32x4d",
    "se_resnext101_32x4d",
)
SK = ("timm-skresnet18", "timm-skresnet34", "timm-skresnext50_32x4d")
VGGS = tuple(f"vgg{n}{bn}" for n in (11, 13, 16, 19) for bn in ("_bn", ""))
DENSENETS = ("densenet121", "densenet161", "densenet169", "densenet201")
INCEPTIONS = ("inceptionresnetv2", "inceptionv4", "xception")
DPNS = ("dpn68", "dpn68b", "dpn92", "dpn98", "dpn107", "dpn131")
TIMM_EFFICIENTNETS = (*(f"timm-efficientnet-b{n}" for n in range(9)), "timm-efficientnet-l2")
MITS = tuple(f"mit_b{n}" for n in range(6))
MOBILEONES = tuple(f"mobileone_s{n}" for n in range(5))

# Encoders of timm that were tested; "tu-" is smp's prefix for timm.
TIMM_DILATED = tuple(
    f"tu-{name}"
    for name in (
        *("resnet18", "resnet34", "resnet50", "resnext50_32x4d", "resnetv2_50", "seresnet50"),
        *("ecaresnet50t", "resnest14d", "res2net50_26w_4s", "regnety_002", "regnety_016"),
        *("efficientnet_b0", "efficientnet_b3", "tf_efficientnetv2_s", "mnasnet_100"),
        *("mobilenetv3_small_100", "mobilenetv3_large_100", "mobilenetv4_conv_small"),
        *("mobilenetv4_conv_medium", "tinynet_a", "lcnet_100", "fbnetc_100", "repvgg_a2"),
        *("convnext_atto", "convnext_tiny", "convnextv2_nano", "convnextv2_tiny"),
        *("cspdarknet53", "xception41", "mobilevit_s"),
    )
)
TIMM = TIMM_DILATED + tuple(
    f"tu-{name}"
    for name in (
        *("ghostnet_100", "dla34", "hrnet_w18_small_v2", "vovnet39a", "edgenext_small"),
        *("pvt_v2_b0", "poolformerv2_s12", "caformer_s18", "efficientvit_b1", "fastvit_t8"),
        *("hgnetv2_b0", "starnet_s1", "focalnet_tiny_srf", "mambaout_femto"),
    )
)

# Encoders with a name in smp, light ones first.
NATIVE = (
    *RESNETS,
    *LIGHT,
    *EFFICIENTNETS,
    *RESNEXTS,
    *SE,
    *SK,
    *DENSENETS,
    *VGGS,
    *INCEPTIONS,
    *DPNS,
    *TIMM_EFFICIENTNETS,
    *MOBILEONES,
    *MITS,
)
ALL = NATIVE + TIMM
UNDILATED = {*VGGS, *DENSENETS, *INCEPTIONS}  # they cannot replace strides by dilation
DILATED = tuple(e for e in NATIVE if e not in UNDILATED) + TIMM_DILATED
NO_MIT = tuple(e for e in ALL if e not in MITS)

# Vision transformers for DPT.
VITS = (
    "tu-vit_tiny_patch16_224",
    "tu-vit_small_patch16_224",
    "tu-vit_base_patch16_224",
    "tu-vit_small_patch32_224",
    "tu-vit_base_patch32_224",
    "tu-deit3_small_patch16_224",
    "tu-deit3_base_patch16_224",
)

LICENCES = {
    "mit_": "NVIDIA's licence for SegFormer: not for commercial use",
    "mobileone_": "Apple's licence for MobileOne",
    "tu-": "of timm's code; the weights have their own licences",
}


def licence(encoder: str) -> str | None:
    """Licence of an encoder's code where it differs from its architecture's, else None."""
    return next((text for start, text in LICENCES.items() if encoder.startswith(start)), None)
