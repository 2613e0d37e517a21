"""COCO panoptic files for napari: a Labels layer for each picture that a JSON file describes."""

import json
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_segkit.images.classes import default_color
from napari_segkit.io.filenames import stem
from napari_segkit.io.files import AnyPath
from napari_segkit.io.read_errors import explain_read_errors

from .panoptic_files import read_segments

LayerData = tuple[NDArray[Any], dict[str, Any], str]

MAX_LAYERS = 50  # layers that are opened at once


def get_reader(path: AnyPath | Sequence[AnyPath]) -> Callable[[Any], list[LayerData]] | None:
    """Offer napari a reader for the JSON files of the COCO panoptic format.

    Parameters
    ----------
    path : path or list of paths
        What is to be opened.

    Returns
    -------
    callable or None
        Takes the same paths and gives a Labels layer for each picture that is described and is
        there. None where one is no such file: other readers may know it.
    """
    files = [Path(path)] if isinstance(path, str | PathLike) else [Path(p) for p in path]
    described = [(file, said) for file in files if (said := _load_description(file)) is not None]
    if not files or len(described) < len(files):
        return None
    return lambda _: [layer for each in described for layer in panoptic_layers(*each)]


def panoptic_layers(file: Path, said: Any) -> list[LayerData]:
    """Segments and what they are, as napari wants them.

    Parameters
    ----------
    file : Path
        The JSON file. Its pictures lie beside it, or in the folder of its name, as COCO keeps them.
    said : object
        What it holds.

    Returns
    -------
    list of tuple
        For each picture int32 ids (Y, X), keyword arguments for a layer, "labels". The features
        hold a row for each segment: index, class, kind ("thing" or "stuff"), score where there is
        one, area in pixels, category_id, iscrowd. What this package has written says in
        ``metadata["segkit"]`` how it was made, as predictions do.

    Raises
    ------
    ValueError
        If no picture is there, more than 50 are, or one cannot be read.
    """
    with explain_read_errors(file):
        names = [Path(str(a["file_name"])).name for a in said["annotations"]]
    places = [(file.parent / name, file.with_suffix("") / name) for name in names]
    pictures = [next(filter(Path.is_file, both)) for both in places if any(map(Path.is_file, both))]
    if not pictures:
        raise ValueError(
            f"{file} describes {names[0]}, which lies neither beside it nor in the folder "
            f"{file.with_suffix('').name}: put it there."
        )
    if len(pictures) > MAX_LAYERS:
        raise ValueError(
            f"{file} describes {len(pictures)} pictures that are there, and {MAX_LAYERS} are opened at "
            "once at most: keep fewer of them beside it."
        )
    return [_layer(picture, said, file) for picture in pictures]


def _load_description(file: Path) -> Any:
    """What a JSON file of segments holds; None where it is another file."""
    try:
        text = file.read_text(encoding="utf-8")
        said = json.loads(text) if '"segments_info"' in text else None
    except (OSError, ValueError):
        return None
    found = said.get("annotations") if isinstance(said, dict) and "categories" in said else None
    first = found[0] if isinstance(found, list) and found else {}
    return said if {"segments_info", "file_name"} <= set(first) else None


def _layer(picture: Path, said: Any, file: Path) -> LayerData:
    labels, table = read_segments(picture, said, file)
    if table["score"].isna().all():
        table = table.drop(columns="score")
    meta: dict[str, Any] = {"name": stem(picture), "features": table}
    info = said.get("info")
    made = info.get("provenance") if isinstance(info, dict) else None
    if made:
        named = [(0, "background"), *((int(c["id"]), str(c["name"])) for c in said["categories"])]
        classes = [[value, name, default_color(value)] for value, name in named]
        meta["metadata"] = {"segkit": {**made, "kind": "panoptic", "classes": classes}}
    return labels, meta, "labels"
