"""Files of a training or a batch: which labels belong to which image."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .filenames import AnyPath, stem
from .readers import can_read

TABLES = (".csv", ".tsv", ".json", ".txt", ".md", ".xml", ".yaml", ".yml")
Pairs = list[tuple[Path, Path]]
OPTIONAL_FILES = {"classes": "the classes of objects", "regions": "complete regions"}


@dataclass(frozen=True)
class TrainingFiles:
    """Files of one training image."""

    image: Path
    labels: Path
    classes: Path | None = None  # labels with the class of each object
    regions: Path | None = None  # a mask that is not 0 where every object is labelled


def list_images(folder: AnyPath) -> list[Path]:
    """Image files in a folder, sorted by name; hidden files and tables are left out."""
    visible = [p for p in sorted(Path(folder).iterdir()) if not p.name.startswith(".")]
    images = [p for p in visible if p.suffix.lower() not in TABLES and can_read(p)]
    if not images:
        raise ValueError(f"The folder {folder} holds no image: give a folder with image files.")
    return images


def pair_files(images: AnyPath, labels: AnyPath | None = None) -> Pairs:
    """Pairs of two files, of files with equal stems in two folders, or of a CSV list.

    A list has the columns ``images`` and ``masks``; its paths are relative to its folder.
    """
    first = _require_existing(images)
    if labels is not None:
        second = _require_alike(first, labels)
        return _pair_folders(first, second) if is_folder(first) else [(first, second)]
    if first.suffix.lower() != ".csv":
        raise ValueError(
            f"No labels were given for {first}: give their file or folder, or a CSV list with the "
            "columns images and masks."
        )
    return _listed_pairs(first)


def training_files(
    images: AnyPath,
    labels: AnyPath | None = None,
    *,
    classes: AnyPath | None = None,
    regions: AnyPath | None = None,
) -> list[TrainingFiles]:
    """Pairs as in `pair_files`, with object classes and regions of the same stem, or listed."""
    pairs, optional = pair_files(images, labels), {"classes": classes, "regions": regions}
    if labels is not None:
        columns = [_matching_files(pairs, Path(images), p, c) for c, p in optional.items()]
    else:
        columns = [_listed_files(Path(images), p, c) for c, p in optional.items()]
    return [TrainingFiles(*pair, *rest) for pair, *rest in zip(pairs, *columns, strict=True)]


def is_folder(path: Path) -> bool:
    """Whether this is a folder of files, not one that is an image itself (Zarr)."""
    return path.is_dir() and not can_read(path)


def files_by_stem(folder: AnyPath) -> dict[str, Path]:
    """Image files in a folder by their stem."""
    files = list_images(folder)
    by_stem = {stem(p): p for p in files}
    duplicates = [p.name for p in files if by_stem[stem(p)] != p]
    if duplicates:
        raise ValueError(
            f"{folder} holds files that differ only in their ending, such as "
            f"{_shorten(duplicates)}: keep one of each name."
        )
    return by_stem


def _require_existing(path: AnyPath) -> Path:
    if not Path(path).exists():
        raise ValueError(f"There is no file or folder {path}.")
    return Path(path)


def _require_alike(images: Path, other: AnyPath, content: str = "") -> Path:
    second = _require_existing(other)
    if is_folder(images) != is_folder(second):
        raise ValueError(f"{images} and {second}{content} must be two files or two folders.")
    return second


def _pair_folders(images: Path, labels: Path) -> Pairs:
    left, right = files_by_stem(images), files_by_stem(labels)
    unpaired = [(left | right)[s].name for s in sorted(left.keys() ^ right.keys())]
    if unpaired:
        raise ValueError(
            f"{len(unpaired)} files of {images} and {labels} have no partner: "
            f"{_shorten(unpaired)}. Give both files of a pair the same name, or give a CSV list "
            "with the columns images and masks."
        )
    return [(left[s], right[s]) for s in sorted(left)]


def _matching_files(
    pairs: Pairs, images: Path, other: AnyPath | None, column: str
) -> list[Path | None]:
    """File of each image in another file or folder, None for all if it is not given."""
    if other is None:
        return [None] * len(pairs)
    content = OPTIONAL_FILES[column]
    files = _require_alike(images, other, f" ({content})")
    if not is_folder(files):
        return [files]
    by_stem = files_by_stem(files)
    missing = [image.name for image, _ in pairs if stem(image) not in by_stem]
    if missing:
        raise ValueError(
            f"{files} ({content}) has no file for {len(missing)} images: {_shorten(missing)}. Add "
            "one of the same name for each."
        )
    return [by_stem[stem(image)] for image, _ in pairs]


def _listed_files(table: Path, other: AnyPath | None, column: str) -> list[Path | None]:
    """Files in an optional column of a list."""
    content = OPTIONAL_FILES[column]
    if other is not None:
        raise ValueError(
            f"{other} was given next to the list {table}: put {content} in its column {column}."
        )
    cells = [row.get(column) or "" for row in _rows(table)]
    files = [table.parent / cell if cell else None for cell in cells]
    _require_files(table, [file for file in files if file])
    if column == "classes" and any(files) and not all(files):
        raise ValueError(f"{table} lists {content} of some images only: list them for all images.")
    return files


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _listed_pairs(table: Path) -> Pairs:
    rows = _rows(table)
    if not rows or not {"images", "masks"} <= set(rows[0]):
        raise ValueError(
            f"{table} must be a list with the columns images and masks, and at least one row."
        )
    pairs = [tuple(table.parent / (row[c] or "") for c in ("images", "masks")) for row in rows]
    _require_files(table, [path for pair in pairs for path in pair])
    return [(image, mask) for image, mask in pairs]


def _require_files(table: Path, paths: Iterable[Path]) -> None:
    missing = [str(p) for p in paths if not p.exists() or is_folder(p)]
    if missing:
        raise ValueError(
            f"{table} lists files that do not exist: {_shorten(missing)}. Correct the paths, which "
            "are relative to the list's folder."
        )


def _shorten(names: Iterable[str]) -> str:
    """Comma-separated names, at most five."""
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
