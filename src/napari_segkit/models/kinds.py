"""The kinds of models, by what they predict."""

from dataclasses import dataclass


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
    has_objects: bool
    has_masks: bool
    noun: str
    metrics: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "semantic",
            "classes only",
            has_objects=False,
            has_masks=False,
            noun="class",
            metrics="semantic",
        ),
        Kind(
            "objects",
            "objects",
            has_objects=True,
            has_masks=False,
            noun="object",
            metrics="instance",
        ),
        Kind(
            "instance",
            "objects",
            has_objects=True,
            has_masks=True,
            noun="object",
            metrics="instance",
        ),
        Kind(
            "panoptic",
            "panoptic segments",
            has_objects=True,
            has_masks=True,
            noun="segment",
            metrics="panoptic",
        ),
    )
}
