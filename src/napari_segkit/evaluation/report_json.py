"""A report as values of JSON."""

from collections.abc import Mapping
from math import isfinite, isnan
from typing import Any

INFINITE = "Infinity"  # Python's float() and JavaScript's Number() read it


def as_json(report: Any) -> dict[str, Any]:
    """Metrics and table of a report, of each of its images and of each group."""
    images = report.images.items()
    groups = {name: group for name, group in report.groups.items() if group.group is not None}
    record = {
        "kind": report.kind,
        "unlabelled": report.unlabelled,
        "summary": report.summary(),
        "notes": list(report.notes),
        **_figures(report),
        "images": [
            {"name": image.name or key, "group": image.group, **_figures(image)}
            for key, image in images
        ],
        "groups": {name: _figures(group) for name, group in groups.items()},
    }
    plain: dict[str, Any] = _plain(record)
    return plain


def _figures(report: Any) -> dict[str, Any]:
    return {"metrics": report.metrics, "table": report.table().to_dict("records")}


def _plain(value: Any) -> Any:
    """With names as keys, None for what is undefined, and a text for what is infinite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not isfinite(value):  # JSON has no numbers for these
        return None if isnan(value) else INFINITE
    return value if isinstance(value, bool | int | float | str) else None
