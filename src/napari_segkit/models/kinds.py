"""The kinds of models, by what they predict."""

from dataclasses import dataclass

from napari_segkit.config import MetricsKind


@dataclass(frozen=True)
class Kind:
    """A kind of models.

    Parameters
    ----------
    name : str
        As in model files, metadata and `ModelInfo.kind`.
    predicts : str
        What it predicts, in words.
    has_objects : bool
        Whether label values are ids of objects; else they are values of classes.
    has_masks : bool
        Whether objects are soft masks in boxes; else the network gives every pixel a class.
    noun : str
        What one label value stands for.
    metrics : str
        The `kind` of `evaluate` that compares such labels.
    """

    name: str
    predicts: str
    has_objects: bool = True
    has_masks: bool = False
    noun: str = "object"
    metrics: MetricsKind = "instance"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("semantic", "classes only", has_objects=False, noun="class", metrics="semantic"),
        Kind("objects", "objects"),
        Kind("instance", "objects", has_masks=True),
        Kind("panoptic", "panoptic segments", has_masks=True, noun="segment", metrics="panoptic"),
    )
}
