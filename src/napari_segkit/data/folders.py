"""Lists of files: which image belongs to which labels."""

import csv
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from .names import stem
from .readers import can_read

TABLES = (".csv", ".tsv", ".json", ".txt", ".md", ".xml", ".yaml", ".yml")
Paths = str | PathLike[str]
Pairs = list[tuple[Path, Path]]


def list_images(folder: Paths) -> list[Path]:
    """List the image files of a folder, sorted by name.

    Parameters
    ----------
    folder : path
        Its subfolders are not searched.

    Returns
    -------
    list of Path
        PNG, JPEG, TIFF, NIfTI and NPY files, and what napari's installed readers open; hidden files
        and tables are left out.

    Raises
    ------
    ValueError
        If there is no image.
    """
    visible = [p for p in sorted(Path(folder).iterdir()) if not p.name.startswith(".")]
    images = [p for p in visible if _is_image(p)]
    if not images:
        raise ValueError(f"The folder {folder} holds no image: give a folder with image files.")
    return images


def pair_files(images: Paths, labels: Paths | None = None) -> Pairs:
    """Pair image files with label files.

    Parameters
    ----------
    images : path
        A file; a folder; or a CSV list with the columns ``images`` and ``masks``, whose paths
        start from its own folder.
    labels : path, optional
        A file or a folder like `images`; files of two folders belong together where their names
        are the same up to the ending. Not given with a CSV list.

    Returns
    -------
    list of tuple
        Image file and label file.

    Raises
    ------
    ValueError
        If some file has no partner, or the list lacks a column.
    """
    first = _existing(images)
    if first.suffix.lower() == ".csv" and labels is None:
        return _listed(first)
    if labels is None:
        raise ValueError(
            f"No labels were given for {first}: name their file or folder, or give a CSV list "
            "with the columns images and masks."
        )
    second = _existing(labels)
    if is_folder(first) != is_folder(second):
        raise ValueError(f"{first} and {second} must be two files or two folders.")
    if not is_folder(first):
        return [(first, second)]
    return _paired(first, second)


def is_folder(path: Path) -> bool:
    """Say whether this is a folder of files, and not one that is an image itself (Zarr)."""
    return path.is_dir() and not can_read(path)


def by_stem(folder: Paths) -> dict[str, Path]:
    """List the image files of a folder by their names without endings.

    Parameters
    ----------
    folder : path
        As in `list_images`.

    Returns
    -------
    dict
        Name without ending to file.

    Raises
    ------
    ValueError
        If two files share a name.
    """
    files = list_images(folder)
    found = {stem(p): p for p in files}
    twice = [p.name for p in files if found[stem(p)] != p]
    if twice:
        raise ValueError(
            f"{folder} holds several files of one name and different endings: {_some(twice)}."
        )
    return found


def _existing(path: Paths) -> Path:
    if not Path(path).exists():
        raise ValueError(f"There is no file or folder {path}.")
    return Path(path)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() not in TABLES and can_read(path)


def _paired(images: Path, labels: Path) -> Pairs:
    left, right = by_stem(images), by_stem(labels)
    alone = [(left | right)[s].name for s in sorted(left.keys() ^ right.keys())]
    if alone:
        raise ValueError(
            f"{len(alone)} files of {images} and {labels} have no partner: {_some(alone)}. Give "
            "both files of a pair the same name, or give a CSV list with the columns images and "
            "masks."
        )
    return [(left[s], right[s]) for s in sorted(left)]


def _listed(table: Path) -> Pairs:
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"images", "masks"} <= set(rows[0]):
        raise ValueError(
            f"{table} must be a list with the columns images and masks, and at least one row."
        )
    pairs = [tuple(table.parent / (row[c] or "") for c in ("images", "masks")) for row in rows]
    missing = [str(p) for pair in pairs for p in pair if not p.exists() or is_folder(p)]
    if missing:
        raise ValueError(f"{table} names files that do not exist: {_some(missing)}.")
    return [(image, mask) for image, mask in pairs]


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:5]) + (f" and {len(every) - 5} more" if len(every) > 5 else "")
