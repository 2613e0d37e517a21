"""A report as values of JSON."""

from collections.abc import Mapping
from math import isnan
from typing import Any


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
    """With names as keys, and None for what is undefined."""
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    value = value.item() if hasattr(value, "item") else value
    is_number = isinstance(value, bool | int | float | str)
    return value if is_number and not (isinstance(value, float) and isnan(value)) else None
