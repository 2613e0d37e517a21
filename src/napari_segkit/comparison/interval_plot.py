"""A drawing of the intervals of a comparison, as SVG in its page."""

from html import escape
from math import isnan

from .figures import TITLES
from .tables import ComparisonTables

ROW, LEFT, WIDTH, RIGHT = 26, 220, 520, 30
POINT, DOT = "#2b6a4d", "#b9cfc4"


def interval_plot(comparison: ComparisonTables) -> str:
    """The first metric of each: images or groups as dots, the mean with its interval."""
    first = comparison.figures[0]
    values = {name: comparison.values(name, first) for name in comparison.reports}
    known = [v for own in values.values() for v in own.values() if not isnan(v)]
    if len(known) < 2 or max(len(own) for own in values.values()) < 2:
        return ""
    low, high = min(known), max(known)
    scale = WIDTH / ((high - low) or 1)
    rows = []
    for number, (name, own) in enumerate(values.items()):
        y = ROW * number + ROW // 2
        interval = comparison.interval(name, first)
        dots = [_dot(LEFT + (v - low) * scale, y) for v in own.values() if not isnan(v)]
        mean = ""
        if not isnan(interval.low):
            ends = (LEFT + (v - low) * scale for v in (interval.low, interval.mean, interval.high))
            mean = _whisker(*ends, y=y)
        rows.append(_name(name, y) + "".join(dots) + mean)
    height = ROW * len(rows) + ROW
    axis = "".join(
        f'<text x="{LEFT + (v - low) * scale:.1f}" y="{height - 6}" text-anchor="middle">'
        f"{v:.3f}</text>"
        for v in (low, high)
    )
    title = f"{escape(TITLES[first])} of each {comparison.unit}"
    return (
        f'<svg width="{LEFT + WIDTH + RIGHT}" height="{height}" font-size="13" fill="#222" '
        f'role="img" aria-label="{title}">{"".join(rows)}{axis}</svg>'
        f"<p><small>{title} (dots), the mean and its 95 % interval.</small></p>"
    )


def _name(name: str, y: int) -> str:
    short = name if len(name) <= 28 else f"…{name[-27:]}"
    return f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(short)}</text>'


def _dot(x: float, y: int) -> str:
    return f'<circle cx="{x:.1f}" cy="{y}" r="3.5" fill="{DOT}" fill-opacity="0.8"/>'


def _whisker(low: float, mean: float, high: float, *, y: int) -> str:
    return (
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{POINT}" '
        f'stroke-width="2"/><circle cx="{mean:.1f}" cy="{y}" r="5" fill="{POINT}"/>'
    )
