"""A model in words."""

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter


def summary(segmenter: "Segmenter") -> str:
    """What a segmenter is and has learned, as rich text with the colours of its classes."""
    spec = segmenter.spec
    lines = [f"<b>{escape(spec.name)}</b>, encoder {escape(spec.encoder)}"]
    if not segmenter.is_trained:
        return f"{lines[0]}<br>Not trained yet."
    last = f", last loss {segmenter.history[-1]:.3f}" if segmenter.history else ""
    lines.append(f"Trained for {len(segmenter.history)} steps{last}.")
    lines.append("&nbsp; ".join(_class(c.color, c.name) for c in segmenter.classes))
    return "<br>".join(lines)


def _class(color: str, name: str) -> str:
    return f'<span style="color:{color}">&#9632;</span> {escape(name)}'
