"""A model in words."""

from html import escape
from typing import TYPE_CHECKING

from napari_segkit.models import model_info

from .weights_choice import name_of

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter


def summary(segmenter: "Segmenter") -> str:
    """What a segmenter is and has learned, as rich text with the colours of its classes."""
    lines = [title(segmenter)]
    if not segmenter.is_trained:
        return f"{lines[0]}<br>Not trained yet."
    lines.append(_training(segmenter))
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
    return " · ".join(words)


def _training(segmenter: "Segmenter") -> str:
    """How long it was trained; some methods have no steps that a person could count."""
    count = len(segmenter.history)
    if count == 0 or "epochs" in model_info(segmenter.spec.name).unused:
        return "Trained."
    plural = "" if count == 1 else "s"
    return f"Trained for {count} step{plural}, last loss {segmenter.history[-1]:.3f}."


def _class(color: str, name: str) -> str:
    return f'<span style="color:{color}">&#9632;</span> {escape(name)}'
