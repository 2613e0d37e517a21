"""Pretrained complete models, which predict without any training here."""

from pathlib import Path

from .config import ModelSpec, TrainConfig
from .images.classes import LabelClass, default_color
from .images.units import UNKNOWN_SPACING
from .models import Inputs, build
from .trained_model import TrainedModel

MAX_EDGE = 8192  # pixels; larger photographs are predicted in tiles
UNUSED_CATEGORY = "N/A"  # name of numbers that COCO does not use


def load_pretrained(spec: ModelSpec) -> TrainedModel:
    """Load the complete model that `spec.weights` names: "coco", or the path of a weights file.

    "coco" is downloaded unless torchvision has cached it. ValueError if the weights are those of an
    encoder only, or not available.
    """
    from .models.instance.maskrcnn import coco_categories, count_classes
    from .models.weights.files import read
    from .models.weights.pretrained import load

    names = coco_categories()
    if spec.weights != "coco":
        count = count_classes(read(Path(str(spec.weights))))
        if count is None:
            raise ValueError(
                f"{Path(str(spec.weights)).name} holds an encoder, not a complete {spec.name}: "
                "train this model, or choose weights of a complete model, such as 'coco'."
            )
        if count != len(names):
            names = tuple(f"class {n}" for n in range(count))
    inputs = Inputs(3, len(names), UNKNOWN_SPACING[-2:])
    network = build(spec, inputs)
    load(network, spec, inputs)
    return TrainedModel(
        network=network.eval(),
        spec=spec,
        config=TrainConfig(normalise="training", unlabelled=None),
        classes=tuple(_class(value, name) for value, name in enumerate(names)),
        channels=3,
        axes="YXC",
        spacing=UNKNOWN_SPACING,
        tile_size=(MAX_EDGE, MAX_EDGE),
        overlap=(MAX_EDGE // 4, MAX_EDGE // 4),
        provenance={"id": str(spec.weights and Path(spec.weights).name), "weights": "whole"},
    )


def _class(value: int, name: str) -> LabelClass:
    if name == UNUSED_CATEGORY:
        name = f"unused {value}"
    return LabelClass(value, name if value else "background", default_color(value))
