"""Choices that a person understands, each a model and how to train it."""

from dataclasses import dataclass, field

from napari_segkit.config import ModelSpec, TileConfig, TrainConfig


@dataclass(frozen=True)
class Preset:
    """A model and how to train it, by what they are good for.

    Parameters
    ----------
    name : str
        What a person reads.
    about : str
        When to choose it, in one sentence.
    spec : ModelSpec
        The model.
    config : TrainConfig
        How to train; what the labels mean is not part of it.
    """

    name: str
    about: str
    spec: ModelSpec
    config: TrainConfig = field(default_factory=TrainConfig)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "scribbles, in seconds",
            "A pixel classifier: a few strokes, no waiting; for textures and colours.",
            ModelSpec("pixels"),
        ),
        Preset(
            "fast on CPU",
            "A light network on small tiles: a first result in about a minute.",
            ModelSpec("unet", encoder="mobilenet_v2"),
            TrainConfig(tile=TileConfig(tile_size=128)),
        ),
        Preset(
            "balanced",
            "A U-Net on ResNet-18: ten minutes on a CPU, one on a GPU.",
            ModelSpec("unet", encoder="resnet18"),
            TrainConfig(epochs=80),
        ),
        Preset(
            "best on a GPU",
            "A large network on large tiles and batches: needs a graphics card.",
            ModelSpec("unetplusplus", encoder="efficientnet-b4"),
            TrainConfig(epochs=100, steps_per_epoch=50, batch_size=16, tile=TileConfig(512)),
        ),
        Preset(
            "touching cells or nuclei",
            "A U-Net that learns how deep in its object a pixel lies, and parts those that touch.",
            ModelSpec("unet", encoder="resnet18", objects="distance"),
            TrainConfig(epochs=80),
        ),
        Preset(
            "objects one by one",
            "Mask R-CNN: each object with a class, a score and a mask of its own.",
            ModelSpec("maskrcnn"),
            TrainConfig(epochs=80, batch_size=2),
        ),
        Preset(
            "volume",
            "A 3D U-Net shaped by the voxel size: MRI, confocal stacks.",
            ModelSpec("unet3d", encoder="small"),
            TrainConfig(epochs=40, batch_size=2),
        ),
    )
}


def preset(name: str) -> Preset:
    """One of the choices by its name.

    Parameters
    ----------
    name : str
        Such as "fast on CPU".

    Raises
    ------
    ValueError
        If there is none of that name; the message lists those there are.
    """
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]
