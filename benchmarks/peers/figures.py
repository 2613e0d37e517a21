"""Medians, spreads and ratios of the runs of a row, and where SegKit is behind."""

from collections.abc import Mapping, Sequence
from statistics import mean, median
from typing import Any

from .case import OWN, Direction

Record = Mapping[str, Any]


def totals(record: Record, kind: str = "seconds") -> list[float]:
    """Seconds of each run, all parts together."""
    return [sum(parts) for parts in zip(*record.get(kind, {}).values(), strict=True)]


def time_ratio(own: Record, other: Record, kind: str = "seconds") -> float | None:
    """Median seconds of SegKit over those of a peer."""
    ours, theirs = totals(own, kind), totals(other, kind)
    if not ours or not theirs or not median(theirs):
        return None
    return median(ours) / median(theirs)


def quality(record: Record, metric: str) -> float | None:
    """Mean over the trials."""
    values: Sequence[float] = record.get("quality", {}).get(metric, [])
    return mean(values) if values else None


def is_worse(own: float | None, other: float | None, direction: Direction) -> bool:
    if own is None or other is None or direction == "none":
        return False
    if number(own) == number(other):  # what the page does not show is no difference
        return False
    return own < other if direction == "higher" else own > other


def behind(row: Mapping[str, Any], metrics: Mapping[str, Direction]) -> dict[str, list[str]]:
    """What SegKit is behind in, beside each peer of a row."""
    sides = row.get("sides", {})
    own = sides.get(OWN, {})
    found: dict[str, list[str]] = {}
    for name, record in sides.items():
        if name == OWN or "missing" in record:
            continue
        ratio = time_ratio(own, record)
        losses = [f"{ratio:.2f} times its time"] if ratio is not None and ratio > 1 else []
        for metric, direction in metrics.items():
            ours, theirs = quality(own, metric), quality(record, metric)
            if is_worse(ours, theirs, direction):
                losses.append(f"{metric} {number(ours)} against {number(theirs)}")
        if losses:
            found[name] = losses
    return found


def number(value: float | None) -> str:
    """Three digits after the point, or three digits that count."""
    if value is None:
        return ""
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
