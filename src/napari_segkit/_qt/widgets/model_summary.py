"""Description of a model as rich text."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, ObjectsBy
from napari_segkit.models import model_info
from napari_segkit.segmenter import Segmenter

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


RANDOM = "random"
OBJECTS_BY: dict[ObjectsBy | None, tuple[str, str]] = {
    None: ("Classes only", "Predicts a class for every pixel, no single objects."),
    "components": (
        "Connected components",
        "Each connected component is an object. For objects that do not touch.",
    ),
    "boundary": (
        "Boundary + watershed",
        "Also predicts object boundaries, and separates touching objects by a watershed.",
    ),
    "distance": (
        "Distance transform + watershed",
        "Also predicts the distance to the object's boundary, and separates touching objects by a "
        "watershed.",
    ),
}
COCO_CLASSES = 80


def summary(segmenter: Segmenter) -> str:
    """Rich text: model, training and coloured classes."""
    trained = segmenter.trained
    lines = [_title(trained.spec if trained else segmenter.spec, trained)]
    merged = segmenter.trained is not None and segmenter.trained.stuff is not None
    if not segmenter.is_trained or (_is_pretrained(segmenter) and not merged):
        return f"{lines[0]}<br>{_untrained(segmenter)}"
    steps, objects = _training(segmenter), training_summary(segmenter)
    lines.append(" ".join(filter(None, [steps, objects])).replace("Trained. Trained", "Trained"))
    lines.append("&nbsp; ".join(_class(c.color, c.name) for c in segmenter.classes))
    if trained and trained.spec != segmenter.spec:
        lines.append(f"Next training: {title(segmenter)}. Train again to use it.")
    return "<br>".join(lines)


def title(segmenter: Segmenter) -> str:
    """What will be trained: method, dimensions, encoder, and pretrained weights if any."""
    return _title(segmenter.spec, segmenter.trained)


def _title(spec: ModelSpec, trained: "TrainedModel | None") -> str:
    info = model_info(spec.name)
    possible = [f"{n}D" for n in info.dims] if spec.dims == "auto" else [spec.dims]
    dims = f"{trained.ndim}D" if trained else " or ".join(possible)
    parts = [f"<b>{escape(info.title)}</b>", dims, escape(str(spec.encoder))]
    if spec.weights is not None:
        parts.append(f"from {escape(weights_name(spec.weights))} weights")
    if spec.objects is not None:
        parts.append(f"objects: {OBJECTS_BY[spec.objects][0]}")
    return " · ".join(parts)


def training_summary(segmenter: Segmenter) -> str:
    """Number and typical size of the objects it was trained on; empty for semantic models."""
    trained = segmenter.trained
    if trained is None or not trained.predicts_objects or _is_pretrained(segmenter):
        return ""
    provenance = trained.provenance
    number = f"{provenance['objects']:,} objects" if "objects" in provenance else "objects"
    sizes = f"; {provenance['sizes']}" if "sizes" in provenance else ""
    apart = trained.separation
    separated = (
        "" if apart is None else f" How readily touching ones are separated, 0 to 1: {apart:g}."
    )
    wide = f"typically {trained.object_size:.0f} pixels wide{escape(sizes)}"
    return f"Trained on {number}, {wide}.{separated}"


def _untrained(segmenter: Segmenter) -> str:
    """What a model not trained here can do."""
    if not segmenter.can_predict:
        return "Not trained yet."
    if segmenter.spec.weights == "coco":
        return f"Not trained here: predicts the {COCO_CLASSES} object classes of COCO."
    return (
        "Not trained here: predicts what its weights were trained for, if they are a full model's."
    )


def _is_pretrained(segmenter: Segmenter) -> bool:
    """Whether it uses the weights of a full pretrained model unchanged."""
    trained = segmenter.trained
    return trained is not None and trained.provenance.get("weights") == "whole"


def _training(segmenter: Segmenter) -> str:
    """Number of training steps and last loss, for methods trained in steps."""
    count, trained = len(segmenter.history), segmenter.trained
    if trained is not None and trained.members > 1:
        return f"Mean of {trained.members} trained networks."
    if count == 0 or "epochs" in model_info(segmenter.spec.name).unused:
        return "Trained."
    plural = "" if count == 1 else "s"
    return f"Trained for {count} step{plural}, last loss {segmenter.history[-1]:.3f}."


def _class(color: str, name: str) -> str:
    return f'<span style="color:{escape(color)}">&#9632;</span> {escape(name)}'


def weights_name(weights: str | None) -> str:
    """Display name of weights: a file by its name."""
    return RANDOM if weights is None else Path(weights).name
