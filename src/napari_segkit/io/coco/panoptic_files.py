"""The COCO panoptic format: segments as colours of a PNG, what they are in a JSON file."""

import json
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segkit.images.labels import as_unsigned
from napari_segkit.io.files import AnyPath, check_output_path
from napari_segkit.io.read_errors import explain_read_errors
from napari_segkit.io.replace_file import atomic_write

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_ID = 2**24 - 1
COLUMNS = ("index", "class", "kind", "score", "area", "category_id", "iscrowd")


def read_panoptic(
    png: AnyPath, json_file: AnyPath | None = None
) -> tuple[NDArray[np.int32], "DataFrame"]:
    """Read segments and what they are.

    Parameters
    ----------
    png : path
        Colours that mean numbers, R + 256 G + 65536 B; black is no segment.
    json_file : path, optional
        What describes this picture, and may describe others. None: where `find_json` finds it.

    Returns
    -------
    tuple
        Labels, int32 of shape (Y, X), and a table with a row for each segment: "index" (its
        number), "class", "kind" ("thing" or "stuff"), "score" (nan where the file says none),
        "area" in pixels, "category_id" and "iscrowd".

    Raises
    ------
    ValueError
        If a file is missing or not of this format, or the two do not belong together.
    """
    picture = Path(png)
    described = find_json(picture) if json_file is None else Path(json_file)
    with explain_read_errors(described):
        said = json.loads(described.read_text(encoding="utf-8"))
    return read_segments(picture, said, described)


def read_segments(
    picture: Path, said: Any, described: Path
) -> tuple[NDArray[np.int32], "DataFrame"]:
    """Read segments of which the description is known.

    Parameters
    ----------
    picture : Path
        The PNG.
    said : object
        What the JSON file holds.
    described : Path
        That file.

    Returns
    -------
    tuple
        As `read_panoptic` gives it; raises as it does.
    """
    from pandas import DataFrame

    labels = _read_ids(picture)
    with explain_read_errors(described):
        rows = _read_rows(said, picture.name)
    ids, pixels = np.unique(labels[labels > 0], return_counts=True)
    area = dict(zip(ids.tolist(), pixels.tolist(), strict=True))
    lost = sorted(set(area) - {row["index"] for row in rows})
    if lost:
        raise ValueError(
            f"{described} does not describe segment {lost[0]} of {picture.name}: give the two "
            "files that belong together."
        )
    rows = [row | {"area": area.get(row["index"], 0)} for row in rows]
    return labels, DataFrame(rows, columns=COLUMNS)


def find_json(png: AnyPath) -> Path:
    """Find the JSON file that describes a picture of segments.

    Parameters
    ----------
    png : path
        The picture.

    Returns
    -------
    Path
        The file of the same name, or the one beside the folder with the folder's name (as COCO
        keeps them), or the only one in the folder.

    Raises
    ------
    ValueError
        If there is none.
    """
    picture = Path(png)
    folder = picture.absolute().parent
    alone = sorted(folder.glob("*.json"))
    likely = [picture.with_suffix(".json"), folder.with_name(f"{folder.name}.json")]
    found = [p for p in likely if p.is_file()] or (alone if len(alone) == 1 else [])
    if not found:
        raise ValueError(
            f"No JSON file describes the segments of {picture}: put {likely[0].name} beside it, or "
            f"one file for all pictures beside their folder, named {likely[1].name}."
        )
    return found[0]


def write_panoptic(
    png: AnyPath,
    labels: ArrayLike,
    table: "DataFrame",
    json_file: AnyPath | None = None,
    *,
    categories: Mapping[str, str] | None = None,
    provenance: dict[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write segments as a PNG and a JSON file; each appears complete or not at all.

    Parameters
    ----------
    png : path
        The picture to make, ending in .png.
    labels : array-like of int
        2D, 0 for no segment, else its number, up to 16777215.
    table : DataFrame
        A row for each segment with "index" and "class", and where they are known "kind" ("thing",
        if not said), "score", "category_id" and "iscrowd". Rows without pixels are left out.
    json_file : path, optional
        None: the picture's name, ending in .json.
    categories : mapping of str to str, optional
        All classes, each "thing" or "stuff", numbered from 1, so that the files of several images
        agree. None: those of the table, numbered by its "category_id" or in their order.
    provenance : dict, optional
        Where the segments come from; JSON-able.
    overwrite : bool
        Replace files that are already there.

    Raises
    ------
    ValueError
        If the labels do not fit the format, a segment has no class, or a file exists.
    """
    picture = Path(png)
    described = picture.with_suffix(".json") if json_file is None else Path(json_file)
    if picture.suffix.lower() != ".png":
        raise ValueError(f"{picture} must end in .png: the COCO panoptic format is made of PNG.")
    for path in (picture, described):
        check_output_path(path, overwrite=overwrite)
    values = as_unsigned(np.asarray(labels))
    if values.ndim != 2 or values.max(initial=0) > MAX_ID:
        raise ValueError(
            f"Labels of {values.ndim} dimensions with values up to {values.max(initial=0)} do not "
            f"fit the COCO panoptic format, which is 2D and holds values up to {MAX_ID}."
        )
    known = _categories(table, categories)
    about = {
        "info": {"provenance": provenance or {}},
        "images": [
            {"id": 1, "file_name": picture.name, "width": values.shape[1], "height": len(values)}
        ],
        "annotations": [
            {
                "image_id": 1,
                "file_name": picture.name,
                "segments_info": _segments_info(values, table, known),
            }
        ],
        "categories": [*known.values()],
    }
    text = json.dumps(about, indent=1).encode()
    with atomic_write(described) as json_opened, atomic_write(picture) as png_opened:
        json_opened.write(text)
        _write_ids(png_opened, values)


def _read_ids(picture: Path) -> NDArray[np.int32]:
    from PIL import Image as Pictures

    if not picture.exists():
        raise ValueError(f"There is no file {picture}.")
    with explain_read_errors(picture), Pictures.open(picture) as opened:
        if opened.mode not in ("RGB", "RGBA"):
            raise ValueError(f"its pixels are {opened.mode} and not the RGB of COCO panoptic files")
        red, green, blue = np.moveaxis(np.asarray(opened)[..., :3].astype(np.int32), -1, 0)
    return red + 256 * green + 65536 * blue


def _write_ids(file: BinaryIO, values: NDArray[Any]) -> None:
    from PIL import Image as Pictures

    wide = values.astype(np.uint32)
    colours = np.stack([wide & 255, wide >> 8 & 255, wide >> 16], axis=-1).astype(np.uint8)
    Pictures.fromarray(colours).save(file, format="PNG")


def _read_rows(said: Any, name: str) -> list[dict[str, Any]]:
    """What a JSON file says of the segments of one picture."""
    if not isinstance(said, dict) or not {"annotations", "categories"} <= set(said):
        raise ValueError("it lacks the annotations and categories of COCO panoptic files")
    known = {c["id"]: c for c in said["categories"]}
    own = [a for a in said["annotations"] if a["file_name"] == name]
    if not own:
        raise ValueError(f"it does not describe {name}")
    rows = []
    for segment in own[0]["segments_info"]:
        category = known[segment["category_id"]]
        rows.append(
            {
                "index": int(segment["id"]),
                "class": str(category["name"]),
                "kind": "thing" if category.get("isthing", 1) else "stuff",
                "score": float(segment.get("score", "nan")),
                "category_id": int(segment["category_id"]),
                "iscrowd": int(segment.get("iscrowd", 0)),
            }
        )
    return rows


def _categories(table: "DataFrame", names: Mapping[str, str] | None) -> dict[str, dict[str, Any]]:
    """Class name -> its category."""
    if not {"index", "class"} <= set(table):
        raise ValueError("The table of segments lacks the columns 'index' and 'class': add them.")
    said = table.get("kind", ["thing"] * len(table))
    kinds = dict(zip(table["class"], said, strict=True)) | dict(names or {})
    present = list(dict.fromkeys(table["class"])) if names is None else list(names)
    missing = [str(c) for c in table["class"] if c not in present]
    if missing:
        raise ValueError(f"The class {missing[0]!r} is none of the categories: {present}.")
    numbers = dict(zip(present, range(1, len(present) + 1), strict=True))
    if names is None and "category_id" in table:
        numbers = dict(zip(table["class"], map(int, table["category_id"]), strict=True))
    return {
        c: {"id": numbers[c], "name": c, "isthing": int(kinds.get(c, "thing") != "stuff")}
        for c in present
    }


def _segments_info(
    values: NDArray[Any], table: "DataFrame", known: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What is said of each segment that has pixels."""
    from scipy.ndimage import find_objects

    present, dense = np.unique(values, return_inverse=True)
    dense = dense.reshape(values.shape) + (present[:1] != 0).sum()
    areas, boxes = np.bincount(dense.ravel()), find_objects(dense)
    place = {int(i): k for k, i in enumerate(present[present > 0], 1)}
    rows = table.to_dict("records")
    lost = sorted(set(place) - {int(row["index"]) for row in rows})
    if lost:
        raise ValueError(
            f"{len(lost)} segments have no class, such as {lost[0]}: give each a row in the table."
        )
    found = []
    for row in rows:
        if (number := int(row["index"])) in place:
            y, x = boxes[place[number] - 1]
            segment = {
                "id": number,
                "category_id": known[row["class"]]["id"],
                "area": int(areas[place[number]]),
                "bbox": [x.start, y.start, x.stop - x.start, y.stop - y.start],
                "iscrowd": int(row.get("iscrowd", 0)),
            }
            score = float(row.get("score", "nan"))
            found.append(segment | ({} if isnan(score) else {"score": round(score, 6)}))
    return found
