"""Models that others have trained whole: they predict without a training here."""

from pathlib import Path

from .config import ModelSpec, TrainConfig
from .images.classes import LabelClass, default_color
from .models import Inputs, build
from .trained_model import UNKNOWN, TrainedModel

LARGEST = 8192  # pixels of a photograph's edge that is seen as a whole
UNUSED = "N/A"  # what COCO calls the numbers that it does not use


def load_pretrained(spec: ModelSpec) -> TrainedModel:
    """A model with the weights that its spec names, as it was trained elsewhere.

    Parameters
    ----------
    spec : ModelSpec
        Its `weights`: "coco", fetched where it is not in torchvision's cache, or the path of a
        file with all tensors of the network.

    Returns
    -------
    TrainedModel
        For colour images of any type.

    Raises
    ------
    ValueError
        If the weights are not those of a whole model, or cannot be had.
    """
    from .models.instance.maskrcnn import categories, classes_in
    from .models.weights.files import read
    from .models.weights.pretrained import load

    names = categories()
    if spec.weights != "coco":
        count = classes_in(read(Path(str(spec.weights))))
        if count is None:
            raise ValueError(
                f"{Path(str(spec.weights)).name} holds an encoder and no whole {spec.name}: train "
                "this model, or choose weights that others have trained whole, such as 'coco'."
            )
        known = count == len(names)
        names = names if known else tuple(f"class {n}" for n in range(count))
    inputs = Inputs(3, len(names), UNKNOWN[-2:])
    network = build(spec, inputs)
    load(network, spec, inputs)
    return TrainedModel(
        network=network.eval(),
        spec=spec,
        config=TrainConfig(normalise="training", unlabelled=None),
        classes=tuple(_class(value, name) for value, name in enumerate(names)),
        channels=3,
        axes="YXC",
        spacing=UNKNOWN,
        tile_size=(LARGEST, LARGEST),
        overlap=(LARGEST // 4, LARGEST // 4),
        provenance={"id": str(spec.weights and Path(spec.weights).name), "weights": "whole"},
    )


def _class(value: int, name: str) -> LabelClass:
    readable = "background" if value == 0 else name if name != UNUSED else f"unused {value}"
    return LabelClass(value, readable, default_color(value))
