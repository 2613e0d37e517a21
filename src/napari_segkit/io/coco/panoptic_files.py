"""The COCO panoptic format: segment ids as colours of a PNG, their classes in a JSON file."""

import json
from collections.abc import Mapping
from functools import partial
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segkit.arguments import as_path
from napari_segkit.images.labels import as_unsigned
from napari_segkit.images.types import AnyArray
from napari_segkit.io.filenames import AnyPath
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.pictures import record_text
from napari_segkit.io.read_errors import explain_read_errors
from napari_segkit.io.replace_file import Content, write_together

from .panoptic_json import MAX_ID, Json, require_single_ids, segment_rows

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("index", "class", "kind", "score", "area", "category_id", "iscrowd")


def read_panoptic(
    png: AnyPath, json_file: AnyPath | None = None
) -> tuple[NDArray[np.int32], "DataFrame"]:
    """Segment ids (Y, X) and a table of the segments with `COLUMNS`; scores may be nan.

    Without `json_file`, `find_json` looks for it.
    """
    picture = Path(png)
    description = find_json(picture) if json_file is None else Path(json_file)
    with explain_read_errors(description):
        content = load_json(description)
    return read_segments(picture, content, description)


def load_json(file: Path) -> Json:
    """Content of a JSON file; ValueError in words if it is none."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):  # other text, or no text at all
        raise ValueError("it is no JSON file") from None


def read_segments(
    picture: Path, content: Json, description: Path
) -> tuple[NDArray[np.int32], "DataFrame"]:
    """As `read_panoptic`, with the content of the JSON file `description`."""
    from pandas import DataFrame

    labels = _read_ids(picture)
    with explain_read_errors(description):
        rows = segment_rows(content, picture.name)
    ids, pixels = np.unique(labels[labels > 0], return_counts=True)
    area = dict(zip(ids.tolist(), pixels.tolist(), strict=True))
    table = DataFrame(rows, columns=COLUMNS)
    missing = sorted(set(area) - set(table["index"]))
    if missing:
        raise ValueError(
            f"{description} does not describe segment {missing[0]} of {picture.name}: give two "
            "files that belong together."
        )
    table["area"] = [area.get(number, 0) for number in table["index"]]
    return labels, table


def find_json(png: AnyPath) -> Path:
    """JSON file of a PNG: of the same name, next to its folder (COCO), or the only one in it."""
    picture = Path(png)
    folder = picture.absolute().parent
    in_folder = sorted(folder.glob("*.json"))
    likely = [picture.with_suffix(".json"), folder.with_name(f"{folder.name}.json")]
    files = [p for p in likely if p.is_file()] or (in_folder if len(in_folder) == 1 else [])
    if not files:
        raise ValueError(
            f"No JSON file describes the segments of {picture}: put {likely[0].name} next to it, "
            f"or {likely[1].name}, one file for all pictures, next to their folder."
        )
    return files[0]


def write_panoptic(
    png: AnyPath,
    labels: ArrayLike,
    table: "DataFrame",
    json_file: AnyPath | None = None,
    *,
    categories: Mapping[str, str] | None = None,
    provenance: Mapping[str, object] | None = None,
    overwrite: bool = False,
) -> None:
    """Write 2D segment ids as a PNG, and their table as a JSON file (same name by default).

    The table has the columns "index" and "class", and may have "kind" (default "thing"), "score",
    "category_id" and "iscrowd". `categories` maps all classes to "thing" or "stuff" and numbers
    them from 1; by default they are those of the table.
    """
    picture = as_path("png", png)
    if picture.suffix.lower() != ".png":
        raise ValueError(f"{picture} must end in .png, the format of COCO panoptic labels.")
    description = picture.with_suffix(".json") if json_file is None else Path(json_file)
    for path in (picture, description):
        check_output_path(path, overwrite=overwrite)
    content = panoptic_content(
        picture, labels, table, description, categories=categories, provenance=provenance
    )
    write_together(content, overwrite=overwrite)


def panoptic_content(
    picture: Path,
    labels: ArrayLike,
    table: "DataFrame",
    description: Path,
    *,
    categories: Mapping[str, str] | None = None,
    provenance: Mapping[str, object] | None = None,
) -> dict[Path, Content]:
    """What the two files hold, as in `write_panoptic`."""
    values = as_unsigned(np.asarray(labels))
    if values.ndim != 2 or values.max(initial=0) > MAX_ID:
        raise ValueError(
            f"Labels of {values.ndim} dimensions with values up to {values.max(initial=0)} do not "
            f"fit the COCO panoptic format, which is 2D and holds values up to {MAX_ID}."
        )
    known = _categories(table, categories)
    require_single_ids(map(int, table["index"]))
    height, width = values.shape
    segments = _segments_info(values, table, known)
    content = {
        "info": {"provenance": provenance or {}},
        "images": [{"id": 1, "file_name": picture.name, "width": width, "height": height}],
        "annotations": [{"image_id": 1, "file_name": picture.name, "segments_info": segments}],
        "categories": [*known.values()],
    }
    text = json.dumps(content, indent=1).encode()
    ids = partial(_write_ids, values, provenance or {})
    return {picture: ids, description: lambda file: file.write(text)}


def _read_ids(picture: Path) -> NDArray[np.int32]:
    """Segment ids R + 256 G + 65536 B."""
    from PIL import Image

    if not picture.exists():
        raise ValueError(f"There is no file {picture}.")
    with explain_read_errors(picture), Image.open(picture) as opened:
        if opened.mode not in ("RGB", "RGBA"):
            raise ValueError(f"its pixels are {opened.mode}, not the RGB of COCO panoptic files")
        colours = np.asarray(opened, np.int32)[..., :3]
    return colours @ np.array([1, 256, 65536], np.int32)


def _write_ids(values: AnyArray, record: Mapping[str, object], file: BinaryIO) -> None:
    from PIL import Image

    colours = values.astype(np.uint32)[..., None] >> np.array([0, 8, 16], np.uint32) & 255
    Image.fromarray(colours.astype(np.uint8)).save(file, "PNG", pnginfo=record_text(record))


def _categories(
    table: "DataFrame", names: Mapping[str, str] | None
) -> dict[str, dict[str, object]]:
    """COCO category of each class name."""
    if not {"index", "class"} <= set(table):
        raise ValueError("The table of segments lacks the columns 'index' and 'class': add them.")
    row_kinds = table.get("kind", ["thing"] * len(table))
    kinds = dict(zip(table["class"], row_kinds, strict=True)) | dict(names or {})
    classes = list(dict.fromkeys(table["class"])) if names is None else list(names)
    missing = [str(c) for c in table["class"] if c not in classes]
    if missing:
        raise ValueError(
            f"The class {missing[0]!r} is not one of the categories {classes}: add it to them."
        )
    ids = dict(zip(classes, range(1, len(classes) + 1), strict=True))
    if names is None and "category_id" in table:
        ids = dict(zip(table["class"], map(int, table["category_id"]), strict=True))
    return {
        c: {"id": ids[c], "name": c, "isthing": int(kinds.get(c, "thing") != "stuff")}
        for c in classes
    }


def _segments_info(
    values: AnyArray, table: "DataFrame", categories: Mapping[str, Mapping[str, object]]
) -> list[dict[str, object]]:
    """COCO "segments_info" of the segments that have pixels."""
    from scipy.ndimage import find_objects

    present, dense = np.unique(values, return_inverse=True)
    dense = dense.reshape(values.shape) + (present[:1] != 0).sum()
    areas, boxes = np.bincount(dense.ravel()), find_objects(dense)
    dense_id = {int(i): k for k, i in enumerate(present[present > 0], 1)}
    rows = table.to_dict("records")
    missing = sorted(set(dense_id) - {int(row["index"]) for row in rows})
    if missing:
        raise ValueError(
            f"{len(missing)} segments have no class, such as {missing[0]}: give each a row in the "
            "table."
        )
    segments = []
    for row in rows:
        if (number := int(row["index"])) in dense_id:
            y, x = boxes[dense_id[number] - 1]
            segment: dict[str, object] = {
                "id": number,
                "category_id": categories[row["class"]]["id"],
                "area": int(areas[dense_id[number]]),
                "bbox": [x.start, y.start, x.stop - x.start, y.stop - y.start],
                "iscrowd": int(row.get("iscrowd", 0)),
            }
            if not isnan(score := float(row.get("score", "nan"))):
                segment["score"] = round(score, 6)
            segments.append(segment)
    return segments
