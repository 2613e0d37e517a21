"""Presets: a model with training settings, for common uses; some follow the device."""

from dataclasses import dataclass, field, replace

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

    def settings(self, minutes: float | None = None) -> TrainConfig:
        """How it is trained in so many minutes; None: as many epochs as it has."""
        return replace(self.config, epochs=None, minutes=minutes) if minutes else self.config


TOUCHING = Preset(
    "touching cells or nuclei",
    "U-Net trained on distance maps, which separate touching objects: nuclei, and cells in "
    "fluorescence or phase contrast.",
    ModelSpec("unet", encoder="resnet18", objects="distance"),
    TrainConfig(epochs=80),
)

VOLUME = "volume"
SLICES_FROM = 5.0  # minutes on a CPU, from which on a network does better than the classifier
VOLUME_IN_3D = Preset(
    VOLUME,
    "Volumes such as MRI and confocal stacks, on a GPU: 3D U-Net adapted to the voxel size.",
    ModelSpec("unet3d", encoder="small"),
    TrainConfig(epochs=40, batch_size=2),
)
VOLUME_IN_SLICES = Preset(
    VOLUME,
    "Volumes such as MRI and confocal stacks, on a CPU: U-Net slice by slice; in less than "
    f"{SLICES_FROM:g} minutes (Train dock) the pixel classifier in 3D. A GPU would allow a 3D "
    "U-Net, which sees too few examples in minutes on a CPU.",
    ModelSpec("unet", encoder="resnet18", dims="2D"),
    TrainConfig(epochs=80),
)
VOLUME_IN_SECONDS = Preset(
    VOLUME,
    "Volumes such as MRI and confocal stacks, in a few minutes on a CPU: pixel classifier in 3D, "
    f"which takes seconds; in {SLICES_FROM:g} minutes or more, or where slices are far apart, "
    "U-Net slice by slice. A GPU would allow a 3D U-Net, which sees too few examples in minutes "
    "on a CPU.",
    ModelSpec("pixels", dims="3D"),
)


def volume_preset(device: str = "cpu", minutes: float | None = None) -> Preset:
    """The preset "volume" for a device and the minutes there are for the training.

    Parameters
    ----------
    device : str
        "cpu", or a GPU such as "cuda:0"; not "auto".
    minutes : float or None
        Minutes of training. None: no limit.
    """
    if device != "cpu":
        return VOLUME_IN_3D
    return VOLUME_IN_SECONDS if minutes and minutes < SLICES_FROM else VOLUME_IN_SLICES


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
        volume_preset(),
    )
}


def presets_for(device: str = "cpu", minutes: float | None = None) -> dict[str, Preset]:
    """All presets by name; those that follow device and minutes as `volume_preset` has them."""
    return PRESETS | {VOLUME: volume_preset(device, minutes)}


def preset(name: str, device: str = "cpu", minutes: float | None = None) -> Preset:
    """Return a preset by name, as in `presets_for`; ValueError lists the names."""
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return presets_for(device, minutes)[name]
