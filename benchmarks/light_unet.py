"""A light U-Net with random weights, whose speed and memory are those of a trained one."""

import torch

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.models import Inputs, build, outputs, resolve
from napari_segkit.tiling import LARGE_TILE, OVERLAP
from napari_segkit.trained_model import TrainedModel

LIGHT = ModelSpec(
    "unet",
    encoder="tu-mobilenetv3_small_100",
    options={"decoder_channels": (128, 64, 32, 16, 16)},
)


def light_unet() -> Segmenter:
    """Two classes, one channel."""
    torch.manual_seed(0)
    spec, config = resolve(LIGHT), TrainConfig()
    classes = tuple(LabelClass(value, f"class {value}", "#ffffff") for value in (1, 2))
    network = build(spec, Inputs(1, outputs(spec, len(classes), config), (1.0, 1.0))).eval()
    model = TrainedModel(
        network=network,
        spec=spec,
        config=config,
        classes=classes,
        channels=1,
        axes="YX",
        spacing=(1.0, 1.0, 1.0),
        tile_size=(LARGE_TILE[2],) * 2,
        overlap=(OVERLAP[2],) * 2,
    )
    return Segmenter.of_trained(model, device="cpu")
