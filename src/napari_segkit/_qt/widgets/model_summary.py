"""A model in words."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ObjectsBy
from napari_segkit.models import model_info

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter


RANDOM = "random"
OBJECTS_BY: dict[ObjectsBy | None, tuple[str, str]] = {
    None: ("classes only", "A class for every pixel."),
    "components": (
        "pieces (components)",
        "Each connected piece is an object: where objects do not touch.",
    ),
    "boundary": (
        "by their rims (boundary)",
        "Learns the rims of objects, too, and parts those that touch.",
    ),
    "distance": (
        "by their depth (distance)",
        "Learns how deep in its object a pixel lies, and parts those that touch.",
    ),
}
COCO = 80  # classes of things in its photographs


def summary(segmenter: "Segmenter") -> str:
    """What a segmenter is and has learned, as rich text with the colours of its classes."""
    lines = [title(segmenter)]
    merged = segmenter.trained is not None and segmenter.trained.kind == "panoptic"
    if not segmenter.is_trained or (_is_by_others(segmenter) and not merged):
        return f"{lines[0]}<br>{_untrained(segmenter)}"
    lines.append(" ".join(filter(None, [_training(segmenter), learned(segmenter)])))
    lines.append("&nbsp; ".join(_class(c.color, c.name) for c in segmenter.classes))
    return "<br>".join(lines)


def title(segmenter: "Segmenter") -> str:
    """Method, dimensions, encoder, and the weights it starts from where they are not random."""
    spec, info = segmenter.spec, model_info(segmenter.spec.name)
    possible = [f"{n}D" for n in info.dims] if spec.dims == "auto" else [spec.dims]
    dims = f"{segmenter.trained.ndim}D" if segmenter.trained else " or ".join(possible)
    words = [f"<b>{escape(info.title)}</b>", dims, escape(str(spec.encoder))]
    if spec.weights is not None:
        words.append(f"from {escape(name_of(spec.weights))} weights")
    if spec.objects is not None:
        words.append(f"objects: {OBJECTS_BY[spec.objects][0]}")
    return " · ".join(words)


def learned(segmenter: "Segmenter") -> str:
    """What objects it was trained on, and what was chosen by them; empty for classes only."""
    trained = segmenter.trained
    if trained is None or trained.kind == "semantic" or _is_by_others(segmenter):
        return ""
    known = trained.provenance
    number = f"{known['objects']:,} objects" if "objects" in known else "Objects"
    sizes = f"; {known['sizes']}" if "sizes" in known else ""
    return f"{number}, typically {trained.object_size:.0f} pixels wide{escape(sizes)}."


def can_predict(segmenter: "Segmenter") -> bool:
    """Whether a segmenter is trained, or others have trained it for what it is to find."""
    return bool(segmenter.can_predict)


def _untrained(segmenter: "Segmenter") -> str:
    """What a model that was not trained here can do."""
    if not can_predict(segmenter):
        return "Not trained yet."
    if segmenter.spec.weights == "coco":
        return f"{COCO} classes of COCO photographs, not trained here."
    return "Not trained here: it predicts what its weights know, if they are of a whole model."


def _is_by_others(segmenter: "Segmenter") -> bool:
    """Whether what it knows are weights of a whole model as they came."""
    trained = segmenter.trained
    return trained is not None and trained.provenance.get("weights") == "whole"


def _training(segmenter: "Segmenter") -> str:
    """How long it was trained; some methods have no steps that a person could count."""
    count = len(segmenter.history)
    if count == 0 or "epochs" in model_info(segmenter.spec.name).unused:
        return "Trained."
    plural = "" if count == 1 else "s"
    return f"Trained for {count} step{plural}, last loss {segmenter.history[-1]:.3f}."


def _class(color: str, name: str) -> str:
    return f'<span style="color:{color}">&#9632;</span> {escape(name)}'


def name_of(weights: str | None) -> str:
    """Weights as a person reads them: a file by its name."""
    return RANDOM if weights is None else Path(weights).name
