"""COCO panoptic files as napari layers: a Labels layer for each PNG that a JSON file describes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from os.path import isfile
from pathlib import Path
from typing import Any

from napari_segkit.error_messages import printable
from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.types import LayerData, LayerOptions
from napari_segkit.io.filenames import AnyPath, as_paths, stem
from napari_segkit.io.read_errors import explain_read_errors

from .panoptic_files import read_segments
from .panoptic_json import annotations_of, categories_of

MAX_LAYERS = 50  # opened at once


def get_reader(path: AnyPath | Sequence[AnyPath]) -> Callable[[object], list[LayerData]] | None:
    """Reader for napari of COCO panoptic JSON files; None if one of the paths is another file."""
    files = as_paths(path)
    loaded = [(file, content) for file in files if (content := _load_json(file)) is not None]
    if not files or len(loaded) < len(files):
        return None
    return lambda _: [layer for each in loaded for layer in panoptic_layers(*each)]


def panoptic_layers(file: Path, content: Any) -> list[LayerData]:
    """Layers of the PNGs next to a JSON file, or in the folder of its name.

    Each has int32 segment ids (Y, X) and a row of features for each segment: index, class, kind
    ("thing" or "stuff"), score, area in pixels, category_id and iscrowd.
    """
    with explain_read_errors(file):
        names = [Path(a["file_name"]).name for a in annotations_of(content)]
    candidates = [(file.parent / name, file.with_suffix("") / name) for name in names]
    pictures = [next(filter(isfile, c)) for c in candidates if any(map(isfile, c))]
    if not pictures:
        raise ValueError(
            f"{file} describes {printable(names[0])}, which is neither next to it nor in the "
            f"folder {file.with_suffix('').name}: put it there."
        )
    if len(pictures) > MAX_LAYERS:
        raise ValueError(
            f"{file} describes {len(pictures)} pictures that exist, but at most {MAX_LAYERS} are "
            "opened at once: keep fewer of them next to it."
        )
    return [_layer(picture, content, file) for picture in pictures]


def _load_json(file: Path) -> Any:
    """Content of a JSON file of segments; None if it is another file."""
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if '"segments_info"' in text else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or "categories" not in content:
        return None
    annotations = content.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else {}
    described = isinstance(first, dict) and {"segments_info", "file_name"} <= set(first)
    return content if described else None


def _layer(picture: Path, content: Any, file: Path) -> LayerData:
    """Layer of one PNG; one that this package wrote gets its ``metadata["segkit"]`` back."""
    labels, table = read_segments(picture, content, file)
    if table["score"].isna().all():
        table = table.drop(columns="score")
    meta: LayerOptions = {"name": stem(picture), "features": table}
    info = content.get("info")
    provenance = info.get("provenance") if isinstance(info, dict) else None
    if isinstance(provenance, dict) and provenance:
        categories = categories_of(content).items()
        named = [(0, "background"), *((number, name) for number, (name, _) in categories)]
        classes = tuple(LabelClass(value, name, default_color(value)) for value, name in named)
        metadata = LayerMetadata.from_dict(provenance)
        meta["metadata"] = replace(metadata, kind="panoptic", classes=classes).as_metadata()
    return labels, meta, "labels"
