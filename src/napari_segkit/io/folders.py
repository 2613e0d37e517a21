"""Files of a training or a batch: which labels belong to which image."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .csv_lists import ListedFiles, find_file, read_list
from .filenames import LISTS, AnyPath, stem
from .name_pairs import (
    LIST_HINT,
    TRAINING,
    PairKind,
    Pairs,
    pair_in_one_folder,
    pair_names,
    shorten,
)
from .readers import can_read
from .volume_files import is_dicom, visible_files, without_data_of_headers

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
    images = without_data_of_headers([p for p in visible_files(Path(folder)) if can_read(p)])
    if not images:
        raise ValueError(f"The folder {folder} holds no image: give a folder with image files.")
    if any(map(is_dicom, images)):
        from .dicom import say_loose_slices

        say_loose_slices(Path(folder), images)
    return images


def pair_files(images: AnyPath, labels: AnyPath | None = None, kind: PairKind = TRAINING) -> Pairs:
    """Pairs of two files, of files with matching names in two folders, or of a CSV list.

    A list has the columns ``images`` and ``masks``; its paths are relative to its folder. A file is
    not paired with itself.
    """
    first = _require_existing(images)
    if labels is not None:
        second = _require_alike(first, labels)
        _require_two(first, second, kind)
        return _pair_folders(first, second, kind) if is_folder(second) else [(first, second)]
    if first.suffix.lower() not in LISTS:
        raise ValueError(
            f"No labels were given for {first}: give their file or folder, or a CSV list with the "
            "columns images and masks."
        )
    return _listed_pairs(first, kind)


def training_files(
    images: AnyPath,
    labels: AnyPath | None = None,
    *,
    classes: AnyPath | None = None,
    regions: AnyPath | None = None,
) -> list[TrainingFiles]:
    """Pairs as in `pair_files`, with object classes and regions of the same stem, or listed.

    One folder without `labels` holds both, such as c0_img.png and c0_masks.png.
    """
    first, optional = _require_existing(images), {"classes": classes, "regions": regions}
    in_one = labels is None and is_folder(first)
    pairs = _pair_in_folder(first) if in_one else pair_files(first, labels)
    if labels is not None or in_one:
        columns = [_matching_files(pairs, first, p, c) for c, p in optional.items()]
    else:
        columns = [_listed_files(first, p, c) for c, p in optional.items()]
    return [TrainingFiles(*pair, *rest) for pair, *rest in zip(pairs, *columns, strict=True)]


def describe_pairs(pairs: Sequence[tuple[Path, Path]]) -> str:
    """Number of pairs and one of them, such as "12 pairs, such as a.png with a_mask.png."."""
    first, second = (path.name for path in pairs[0])
    number = "1 pair:" if len(pairs) == 1 else f"{len(pairs)} pairs, such as"
    return f"{number} {first} with {second}."


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
            f"{shorten(duplicates)}: keep one of each name."
        )
    return by_stem


def _require_existing(path: AnyPath) -> Path:
    if not Path(path).exists():
        raise ValueError(f"There is no file or folder {path}.")
    return Path(path)


def _require_alike(images: Path, other: AnyPath, content: str = "") -> Path:
    second = _require_existing(other)
    if is_folder(images) != is_folder(second) and not _are_slices(images, second):
        raise ValueError(f"{images} and {second}{content} must be two files or two folders.")
    return second


def _are_slices(images: Path, labels: Path) -> bool:
    """Whether the slices of a DICOM series have labels of their own in a folder."""
    return images.is_dir() and is_dicom(images) and is_folder(labels)


def _require_two(first: Path, second: Path, kind: PairKind, where: str = "") -> None:
    """Refuse one file or folder, under whatever paths, as both of a pair."""
    if kind.may_be_same or not first.samefile(second):
        return
    both = f"{where}{first} is given as {kind.first} and as {kind.second}"
    if not is_folder(first):
        raise ValueError(
            f"{both}, which must be two files: give another one, or folders of files with matching "
            f"names, such as {kind.example}, or a CSV list with the columns images and masks."
        )
    if kind is TRAINING:
        raise ValueError(
            f"{both}, so that each file would be its own labels: if it holds pairs such as "
            f"{kind.example}, give the folder once; or {LIST_HINT}."
        )
    raise ValueError(
        f"{both}, so that each file would be paired with itself: give two folders of files "
        f"with matching names, such as {kind.example}, or {LIST_HINT}."
    )


def _pair_folders(first: Path, second: Path, kind: PairKind) -> Pairs:
    left, right = files_by_stem(first), files_by_stem(second)
    pairs, unpaired = pair_names(list(left.values()), list(right.values()), kind)
    if unpaired:
        raise ValueError(
            f"{len(unpaired)} files of {first} and {second} have no partner: "
            f"{shorten(p.name for p in unpaired)}. Give both files of a pair the same name (or "
            f"such as a_img and a_mask), or {LIST_HINT}."
        )
    for pair in pairs:
        _require_two(*pair, kind)
    return pairs


def _pair_in_folder(folder: Path) -> Pairs:
    """Pairs of images and labels in one folder; files without a partner become a warning."""
    pairs, unpaired = pair_in_one_folder(list(files_by_stem(folder).values()))
    names = shorten(p.name for p in unpaired)
    if not pairs:
        raise ValueError(
            f"No labels were given for {folder}, and no two of its files have names such as "
            f"{TRAINING.example} ({names}): give the folder of the labels, or {LIST_HINT}."
        )
    for pair in pairs:
        _require_two(*pair, TRAINING)
    if unpaired:
        number = f"{len(unpaired)} file{'s' if len(unpaired) > 1 else ''} without a partner"
        message = f"{number} in {folder}, left out: {names}."
        warnings.warn(message, UserWarning, stacklevel=3)
    return pairs


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
            f"{files} ({content}) has no file for {len(missing)} images: {shorten(missing)}. Add "
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
    rows = read_list(table)
    cells = [row.cells.get(column) for row in rows]
    files = [find_file(table, cell) if cell else None for cell in cells]
    _require_files(table, rows, [[file] if file else [] for file in files])
    if column == "classes" and any(files) and not all(files):
        raise ValueError(f"{table} lists {content} of some images only: list them for all images.")
    return files


def _listed_pairs(table: Path, kind: PairKind) -> Pairs:
    rows = read_list(table)
    pairs = [tuple(find_file(table, row.cells[c]) for c in ("images", "masks")) for row in rows]
    _require_files(table, rows, pairs)
    for row, (first, second) in zip(rows, pairs, strict=True):
        _require_two(first, second, kind, f"Line {row.line} of {table}: ")
    return [(first, second) for first, second in pairs]


def _require_files(
    table: Path, rows: Sequence[ListedFiles], paths: Sequence[Iterable[Path]]
) -> None:
    listed = [(row.line, p) for row, files in zip(rows, paths, strict=True) for p in files]
    missing = [f"line {line}: {p}" for line, p in listed if not p.exists() or is_folder(p)]
    if missing:
        raise ValueError(
            f"{table} lists files that do not exist: {shorten(missing)}. Correct the paths, which "
            "are relative to the list's folder."
        )
