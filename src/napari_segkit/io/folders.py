"""Lists of files: which image belongs to which labels."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from .filenames import stem
from .readers import can_read

TABLES = (".csv", ".tsv", ".json", ".txt", ".md", ".xml", ".yaml", ".yml")
Paths = str | PathLike[str]
Pairs = list[tuple[Path, Path]]
OPTIONAL_FILES = {"classes": "the classes of objects", "regions": "complete regions"}


@dataclass(frozen=True)
class TrainingFiles:
    """The files of one image to learn from.

    Parameters
    ----------
    image, labels : Path
        The image and its labels.
    classes, regions : Path or None
        Labels that hold the class of each object, and a mask that is not 0 where every object is
        labelled; None where there is no such file.
    """

    image: Path
    labels: Path
    classes: Path | None = None
    regions: Path | None = None


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
    first = _require_existing(images)
    if first.suffix.lower() == ".csv" and labels is None:
        return _listed_pairs(first)
    if labels is None:
        raise ValueError(
            f"No labels were given for {first}: name their file or folder, or give a CSV list "
            "with the columns images and masks."
        )
    second = _require_existing(labels)
    if is_folder(first) != is_folder(second):
        raise ValueError(f"{first} and {second} must be two files or two folders.")
    if not is_folder(first):
        return [(first, second)]
    return _pair_folders(first, second)


def training_files(
    images: Paths,
    labels: Paths | None = None,
    *,
    classes: Paths | None = None,
    regions: Paths | None = None,
) -> list[TrainingFiles]:
    """Find what belongs to each image that is learned from.

    Parameters
    ----------
    images, labels : path
        As in `pair_files`; a CSV list may also have the columns ``classes`` and ``regions``, with
        empty cells where there is no such file.
    classes, regions : path, optional
        A file or a folder like `images`, with files of the same names up to the ending. Not given
        with a CSV list.

    Returns
    -------
    list of TrainingFiles
        One for each image.

    Raises
    ------
    ValueError
        If some file has no partner, or only some of the images of a list have classes.
    """
    pairs, more = pair_files(images, labels), {"classes": classes, "regions": regions}
    if labels is not None:
        found = [
            _matching_files(pairs, Path(images), given, OPTIONAL_FILES[c])
            for c, given in more.items()
        ]
    else:
        found = [_listed_files(Path(images), c, given) for c, given in more.items()]
    return [TrainingFiles(*pair, *rest) for pair, *rest in zip(pairs, *found, strict=True)]


def is_folder(path: Path) -> bool:
    """Say whether this is a folder of files, and not one that is an image itself (Zarr)."""
    return path.is_dir() and not can_read(path)


def files_by_stem(folder: Paths) -> dict[str, Path]:
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
            f"{folder} holds several files of one name and different endings: {_shorten(twice)}."
        )
    return found


def _require_existing(path: Paths) -> Path:
    if not Path(path).exists():
        raise ValueError(f"There is no file or folder {path}.")
    return Path(path)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() not in TABLES and can_read(path)


def _pair_folders(images: Path, labels: Path) -> Pairs:
    left, right = files_by_stem(images), files_by_stem(labels)
    alone = [(left | right)[s].name for s in sorted(left.keys() ^ right.keys())]
    if alone:
        raise ValueError(
            f"{len(alone)} files of {images} and {labels} have no partner: {_shorten(alone)}. Give "
            "both files of a pair the same name, or give a CSV list with the columns images and "
            "masks."
        )
    return [(left[s], right[s]) for s in sorted(left)]


def _matching_files(
    pairs: Pairs, images: Path, given: Paths | None, what: str
) -> list[Path | None]:
    """The file of each image in another file or folder."""
    if given is None:
        return [None] * len(pairs)
    files = _require_existing(given)
    if is_folder(files) != is_folder(images):
        raise ValueError(f"{images} and {files}, {what}, must be two files or two folders.")
    if not is_folder(files):
        return [files]
    known = files_by_stem(files)
    missing = [image.name for image, _ in pairs if stem(image) not in known]
    if missing:
        raise ValueError(
            f"{files} lacks {what} of {len(missing)} images: {_shorten(missing)}. Give each a file "
            "of the same name."
        )
    return [known[stem(image)] for image, _ in pairs]


def _listed_files(table: Path, column: str, given: Paths | None) -> list[Path | None]:
    """The files that a list names in a column it may lack."""
    if given is not None:
        raise ValueError(
            f"{table} is a list: name {OPTIONAL_FILES[column]} in its column {column}, not beside it."
        )
    cells = [row.get(column) or "" for row in _rows(table)]
    files = [table.parent / cell if cell else None for cell in cells]
    _require_files(table, [file for file in files if file])
    if column == "classes" and any(files) and not all(files):
        raise ValueError(f"{table} names {OPTIONAL_FILES[column]} of some images only: name them for all.")
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
        raise ValueError(f"{table} names files that do not exist: {_shorten(missing)}.")


def _shorten(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:5]) + (f" and {len(every) - 5} more" if len(every) > 5 else "")
