"""What the JSON file of COCO panoptic labels describes, checked entry by entry."""

from collections.abc import Iterable, Mapping
from typing import Any

from napari_segkit.arguments import given, with_article

MAX_ID = 2**24 - 1  # of a segment: three colours of 8 bits
Json = Any  # content of a file, which may have any form


def annotations_of(content: Json) -> list[dict[str, Json]]:
    """The description of each picture: the name of its file, and its segments."""
    if not isinstance(content, dict) or not {"annotations", "categories"} <= set(content):
        raise ValueError("it lacks the annotations and categories of COCO panoptic files")
    annotations: list[dict[str, Json]] = _list(content["annotations"], "annotations")
    for number, annotation in enumerate(annotations):
        place = f"annotations[{number}]"
        _text(annotation, "file_name", place)
        _list(_entry(annotation, "segments_info", place), f"{place} segments_info")
    return annotations


def categories_of(content: Json) -> dict[int, tuple[str, str]]:
    """Name and kind ("thing" or "stuff") of each category number."""
    categories: dict[int, tuple[str, str]] = {}
    for number, entry in enumerate(_list(content["categories"], "categories")):
        place = f"categories[{number}]"
        key = _whole(entry, "id", place)
        if key in categories:
            raise ValueError(f"the category {key} is described twice in it")
        kind = "thing" if entry.get("isthing", 1) else "stuff"
        categories[key] = (_text(entry, "name", place), kind)
    return categories


def segment_rows(content: Json, name: str) -> list[dict[str, object]]:
    """Table rows of the segments of one picture, without their area."""
    annotations, categories = annotations_of(content), categories_of(content)
    found = [annotation for annotation in annotations if annotation["file_name"] == name]
    if not found:
        raise ValueError(f"it does not describe {name}")
    rows = [_row(s, categories, n) for n, s in enumerate(found[0]["segments_info"])]
    require_single_ids(row["index"] for row in rows)
    return rows


def require_single_ids(ids: Iterable[object]) -> None:
    """Refuse segments that are described twice: it is not known which row counts."""
    seen: set[object] = set()
    for number in ids:
        if number in seen:
            raise ValueError(f"the segment {number} is described twice: give it one row.")
        seen.add(number)


def _row(
    segment: Json, categories: Mapping[int, tuple[str, str]], number: int
) -> dict[str, object]:
    place = f"segments_info[{number}]"
    index, category = _whole(segment, "id", place), _whole(segment, "category_id", place)
    if not 0 < index <= MAX_ID:
        raise ValueError(f"the id of {place} is {index}, not a number from 1 to {MAX_ID}")
    if category not in categories:
        raise ValueError(f"the category {category} of segment {index} is not described in it")
    score, crowd = segment.get("score"), segment.get("iscrowd", 0)
    if score is not None:
        _require(score, f"score of segment {index}", int, float)
    _require(crowd, f"iscrowd of segment {index}", int)
    return {
        "index": index,
        "class": categories[category][0],
        "kind": categories[category][1],
        "score": float("nan") if score is None else float(score),
        "category_id": category,
        "iscrowd": int(crowd),
    }


def _entry(entry: Json, key: str, place: str) -> Json:
    _require(entry, place, dict)
    if key not in entry:
        raise ValueError(f"{place} has no {key}")
    return entry[key]


def _whole(entry: Json, key: str, place: str) -> int:
    value = _entry(entry, key, place)
    _require(value, f"{key} of {place}", int)
    return int(value)


def _text(entry: Json, key: str, place: str) -> str:
    value = _entry(entry, key, place)
    _require(value, f"{key} of {place}", str)
    return str(value)


def _list(value: Json, place: str) -> list[Json]:
    _require(value, place, list)
    return list(value)


def _require(value: object, place: str, *kinds: type) -> None:
    names = {dict: "object", str: "text", int: "number", float: "number"}
    if not isinstance(value, kinds):
        wanted = with_article(names.get(kinds[0], kinds[0].__name__))
        raise ValueError(f"the {place} is {given(value)}, not {wanted}")
