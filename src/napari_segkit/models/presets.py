"""Presets: a model with training settings, for common uses."""

from dataclasses import dataclass, field

from napari_segkit.config import AugmentConfig, ModelSpec, TileConfig, TrainConfig

ONLY_FLIPS = AugmentConfig(upright="no", quarter_turns=False, brightness=0.0, contrast=0.0)


@dataclass(frozen=True)
class Preset:
    """A model and training settings for a common use.

    Label semantics are not part of it in the docks, which ask for them with each image.

    Parameters
    ----------
    name, about : str
        Title, and what it is for.
    spec : ModelSpec
        The model.
    config : TrainConfig
        How it is trained.
    imagenet : bool
        Whether it starts from ImageNet weights if they are on this computer.
    fit_masks : bool
        Whether files of masks of another size than their image are resampled to it.
    """

    name: str
    about: str
    spec: ModelSpec
    config: TrainConfig = field(default_factory=TrainConfig)
    imagenet: bool = False
    fit_masks: bool = False


TOUCHING = Preset(
    "touching cells or nuclei",
    "U-Net trained on distance maps, which separate touching objects.",
    ModelSpec("unet", encoder="resnet18", objects="distance"),
    TrainConfig(epochs=80),
)

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "scribbles, in seconds",
            "Pixel classifier: a few scribbles, trained in seconds; for textures and colours.",
            ModelSpec("pixels"),
        ),
        Preset(
            "fast on CPU",
            "Light network on small tiles: a first result in about a minute.",
            ModelSpec("unet", encoder="mobilenet_v2"),
            TrainConfig(tile=TileConfig(tile_size=128)),
        ),
        Preset(
            "balanced",
            "U-Net with ResNet-18: ten minutes on a CPU, one on a GPU.",
            ModelSpec("unet", encoder="resnet18"),
            TrainConfig(epochs=80),
        ),
        Preset(
            "best on a GPU",
            "Large network on large tiles and batches: needs a GPU.",
            ModelSpec("unetplusplus", encoder="efficientnet-b4"),
            TrainConfig(epochs=100, steps_per_epoch=50, batch_size=16, tile=TileConfig(512)),
        ),
        TOUCHING,
        Preset(
            "objects one by one",
            "Mask R-CNN: each object gets a class, a score and a mask.",
            ModelSpec("maskrcnn"),
            TrainConfig(epochs=80, batch_size=2),
        ),
        Preset(
            "Classic tutorial",
            "Photographs with one mask each, as tutorials do it: U-Net with ResNet-50 on whole "
            "images of 320 x 320; needs a GPU, and ImageNet weights to learn fast.",
            ModelSpec("unet", encoder="resnet50"),
            TrainConfig(
                epochs=20,
                steps_per_epoch=None,
                batch_size=32,
                schedule="constant",
                optimiser="adam",
                loss="bce_dice",
                unlabelled=None,
                normalise="dtype",
                resize=320,
                augment=ONLY_FLIPS,
                validation="images",
                best_by="loss",
            ),
            imagenet=True,
            fit_masks=True,
        ),
        Preset(
            "volume",
            "3D U-Net adapted to the voxel size: MRI, confocal stacks.",
            ModelSpec("unet3d", encoder="small"),
            TrainConfig(epochs=40, batch_size=2),
        ),
    )
}


def preset(name: str) -> Preset:
    """Return a preset by name; ValueError lists the names."""
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]
