"""Draw curves as a picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 900, 300  # pixels of a panel
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 34, 40  # margins
COLORS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2")
TICKS = 4

Curve = tuple[Sequence[float], Sequence[float]]  # x and y


def line_chart(panels: Mapping[str, Mapping[str, Curve]]) -> Image.Image:
    """One panel below the other, by their titles; each has curves by name over one common x."""
    picture = Image.new("RGB", (SIZE[0], SIZE[1] * len(panels)), "white")
    draw = ImageDraw.Draw(picture)
    for number, (title, curves) in enumerate(panels.items()):
        _draw_panel(draw, SIZE[1] * number, title, curves)
    return picture


def _draw_panel(
    draw: ImageDraw.ImageDraw, offset: int, title: str, curves: Mapping[str, Curve]
) -> None:
    box = LEFT, offset + TOP, SIZE[0] - RIGHT, offset + SIZE[1] - BOTTOM
    xs, ys = (np.concatenate([curve[i] for curve in curves.values()]) for i in (0, 1))
    limits = [(low, high if high > low else low + 1) for low, high in map(_range, (xs, ys))]
    font = ImageFont.load_default(14)
    draw.rectangle(box, outline="#888888")
    for part in np.linspace(0, 1, TICKS + 1).tolist():
        x, y = box[0] + part * (box[2] - box[0]), box[3] - part * (box[3] - box[1])
        labels = [f"{low + part * (high - low):.3g}" for low, high in limits]
        draw.text((x, box[3] + 6), labels[0], "black", font, anchor="mt")
        draw.text((box[0] - 6, y), labels[1], "black", font, anchor="rm")
    draw.text((LEFT, offset + 8), title, "black", font)
    place = SIZE[0] - RIGHT
    for color, (name, curve) in zip(COLORS * len(curves), curves.items(), strict=False):
        draw.text((place, offset + 8), name, color, font, anchor="rt")
        place -= int(draw.textlength(name, font)) + 16
        points = [
            tuple(a + (b - a) * (values - low) / (high - low))
            for values, (low, high), (a, b) in zip(
                map(np.asarray, curve), limits, ((box[0], box[2]), (box[3], box[1])), strict=True
            )
        ]
        draw.line(list(zip(*points, strict=True)), color, 2)


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())
