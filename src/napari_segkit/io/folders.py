"""Files of a training or a batch: which labels belong to which image."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path, PurePath

from .csv_lists import ListedFiles, find_file, read_list
from .filenames import LISTS, AnyPath, shorten, stem
from .image_files import (
    ImageFiles,
    find_images,
    holds_several,
    is_folder,
    require_existing,
)
from .name_pairs import LIST_HINT, TRAINING, PairKind, Pairs, pair_names
from .name_words import IMAGE_WORDS, LABEL_WORDS, is_named, split_labels
from .training_roles import Role, groups_of, listed_role, roles_of
from .volume_files import is_dicom
from .zarr_folders import labels_inside

OPTIONAL_FILES = {"classes": "the classes of objects", "regions": "complete regions"}


@dataclass(frozen=True)
class TrainingFiles:
    """Files of one training image."""

    image: ImageFiles
    labels: ImageFiles
    classes: ImageFiles | None = None  # labels with the class of each object
    regions: ImageFiles | None = None  # a mask that is not 0 where every object is labelled
    role: Role = "train"
    group: str = ""  # what images share that must not be trained on and validated with at once


def pair_files(images: AnyPath, labels: AnyPath | None = None, kind: PairKind = TRAINING) -> Pairs:
    """Pairs of two files, of matching names in two folders or patterns, or of a CSV list.

    A list has the columns ``images`` and ``masks``; its paths are relative to its folder. A file is
    not paired with itself. Files without a partner are named in a warning.
    """
    first = require_existing(images)
    if labels is not None:
        second = _require_alike(first, labels)
        _require_two(first, second, kind)
        if not holds_several(second):
            return [(ImageFiles((first,)), ImageFiles((second,)))]
        return _pair_sets(first, second, kind)
    if first.suffix.lower() not in LISTS:
        raise ValueError(
            f"No labels were given for {first}: give their file or folder, or a CSV list with the "
            "columns images and masks."
        )
    return _listed_pairs(first, read_list(first), kind)


def training_files(
    images: AnyPath | Sequence[AnyPath],
    labels: AnyPath | None = None,
    *,
    classes: AnyPath | None = None,
    regions: AnyPath | None = None,
) -> list[TrainingFiles]:
    """Pairs as in `pair_files`, with object classes and regions of the same name, or listed.

    One folder without `labels` holds both, such as c0_img.png and c0_masks.png, or OME-Zarr images
    that hold their labels; so does a list of files. Role and group
    come from the columns of a list, or from folders and names, as in `training_roles`.
    """
    if not isinstance(images, str | PathLike):
        _require_no_columns(labels, classes, regions)
        return _listed_images(images)
    first, optional = require_existing(images), {"classes": classes, "regions": regions}
    if labels is None and first.suffix.lower() in LISTS and first.is_file():
        rows = read_list(first)
        pairs = _listed_pairs(first, rows, TRAINING)
        columns = [_listed_files(first, rows, p, c) for c, p in optional.items()]
        roles = [listed_role(first, row.line, row.cells.get("role", "")) for row in rows]
    else:
        pairs = pair_files(first, labels) if labels is not None else _pair_in_one(first)
        columns = [_matching_files(pairs, first, p, c) for c, p in optional.items()]
        roles = roles_of([image for image, _ in pairs])
    groups = groups_of([image for image, _ in pairs])
    return [
        TrainingFiles(*pair, *rest)
        for pair, *rest in zip(pairs, *columns, roles, groups, strict=True)
    ]


def _require_no_columns(*columns: AnyPath | None) -> None:
    if any(column is not None for column in columns):
        raise ValueError(
            "A list of files was given beside others: give all images and labels in the list, or "
            "folders of both."
        )


def _listed_images(paths: Sequence[AnyPath]) -> list[TrainingFiles]:
    """Pairs of images and labels among single files."""
    files = [ImageFiles((require_existing(path),)) for path in paths]
    pairs = _pair_told_apart(files, "the files", "files")
    images = [image for image, _ in pairs]
    rows = zip(pairs, roles_of(images), groups_of(images), strict=True)
    return [TrainingFiles(*pair, role=role, group=group) for pair, role, group in rows]


def listed_images(table: Path) -> list[ImageFiles]:
    """Images of a list with the column ``images``, or one for each channel, such as images:t1.

    Their folders are those below the list's, which results are written to.
    """
    rows = read_list(table, required=("images",))
    files = [[find_file(table, cell) for cell in row.images] for row in rows]
    _require_files(table, rows, files)
    found = [_listed(table, *own, channels=r.channels) for r, own in zip(rows, files, strict=True)]
    places = [PurePath(image.folder) for image in found]
    return [
        replace(image, folder="") if place.is_absolute() or ".." in place.parts else image
        for image, place in zip(found, places, strict=True)
    ]


def describe_pairs(pairs: Pairs) -> str:
    """Number of pairs and the first three, such as "1 pair: a.png with a_mask.png."."""
    number = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    shown = ", ".join(f"{first.name} with {second.name}" for first, second in pairs[:3])
    return f"{number}: {shown}" + (f" and {len(pairs) - 3} more." if len(pairs) > 3 else ".")


def _require_alike(images: Path, other: AnyPath, content: str = "") -> Path:
    second = require_existing(other)
    if holds_several(images) != holds_several(second) and not _are_slices(images, second):
        raise ValueError(
            f"{images} and {second}{content} must be two files, or two folders or patterns."
        )
    return second


def _are_slices(images: Path, labels: Path) -> bool:
    """Whether the slices of a DICOM series have labels of their own in a folder."""
    return images.is_dir() and is_dicom(images) and holds_several(labels)


def _require_two(first: Path, second: Path, kind: PairKind, where: str = "") -> None:
    """Refuse one file or folder, under whatever paths, as both of a pair."""
    if kind.may_be_same or not _is_same(first, second):
        return
    both = f"{where}{first} is given as {kind.first} and as {kind.second}"
    if not holds_several(first):
        raise ValueError(
            f"{both}, which must be two files: give another one, or folders of files with matching "
            f"names, such as {kind.example}, or a CSV list with the columns images and masks."
        )
    if kind is TRAINING:
        raise ValueError(
            f"{both}, so that each file would be its own labels: if it holds pairs such as "
            f"{kind.example}, give it once; or {LIST_HINT}."
        )
    raise ValueError(
        f"{both}, so that each file would be paired with itself: give two folders of files "
        f"with matching names, such as {kind.example}, or {LIST_HINT}."
    )


def _is_same(first: Path, second: Path) -> bool:
    exist = first.exists() and second.exists()  # patterns do not
    return first.samefile(second) if exist else first == second


def _pair_sets(first: Path, second: Path, kind: PairKind) -> Pairs:
    """Pairs of two folders or patterns; labels among the images are no images."""
    _require_order(first, second, kind)
    left, right = find_images(first, slices=True), find_images(second)
    if not kind.may_be_same:
        others = {f.path.resolve() for f in right}
        left = [f for f in left if f.path.resolve() not in others] or left
    pairs, unpaired = pair_names(left, right, kind)
    _require_two_each(pairs, kind)
    names = shorten([str(f.path) for f in unpaired])
    if 2 * len(pairs) < min(len(left), len(right)) or not pairs:
        raise ValueError(
            f"{len(unpaired)} files of {first} and {second} have no partner, and "
            f"{len(pairs) or 'none'} of them have one: {names}. Give both files of a pair the "
            f"same name (or such as a_img and a_mask), or {LIST_HINT}."
        )
    _say_unpaired(unpaired, f"{first} and {second}", names)
    return pairs


def _require_order(first: Path, second: Path, kind: PairKind) -> None:
    """Refuse masks/ as images and images/ as masks; also patterns such as "*_mask.png"."""
    swapped = is_named(stem(first), LABEL_WORDS) and is_named(stem(second), IMAGE_WORDS)
    if swapped and kind.second_words != IMAGE_WORDS:
        raise ValueError(
            f"{first} is given as {kind.first} and {second} as {kind.second}: give them the other "
            "way round, or rename the folders."
        )


def _pair_in_one(images: Path) -> Pairs:
    """Pairs of images and labels in one folder, or of zarr images that hold their labels."""
    files = find_images(images)
    if any(labels_inside(file.path) for file in files):
        return _pair_with_labels_inside(files, str(images))
    if not holds_several(images):
        return pair_files(images)
    return _pair_told_apart(files, str(images), "its files")


def _pair_with_labels_inside(files: Sequence[ImageFiles], where: str) -> Pairs:
    pairs, unpaired = [], []
    for file in files:
        labels = labels_inside(file.path)
        if len(labels) > 1:
            raise ValueError(
                f"{file.path} holds the labels {shorten([path.name for path in labels])}: give one "
                f"of them as labels, such as {labels[0]}, or a pattern for several images."
            )
        if labels:
            pairs.append((file, ImageFiles((labels[0],), file.folder)))
        else:
            unpaired.append(file)
    _say_unpaired(unpaired, where, shorten([file.name for file in unpaired]))
    return pairs


def _pair_told_apart(files: Sequence[ImageFiles], where: str, kind: str) -> Pairs:
    pairs, unpaired = pair_names(*split_labels(files), TRAINING)
    if not pairs:
        raise ValueError(
            f"No labels were given for {where}, and no two of {kind} have names such as "
            f"{TRAINING.example} ({shorten([f.name for f in files])}): give the folder of the "
            f"labels, or {LIST_HINT}."
        )
    _require_two_each(pairs, TRAINING)
    _say_unpaired(unpaired, where, shorten([f.name for f in unpaired]))
    return pairs


def _require_two_each(pairs: Pairs, kind: PairKind) -> None:
    for first, second in pairs:
        _require_two(first.path, second.path, kind)


def _say_unpaired(unpaired: Sequence[ImageFiles], where: str, names: str) -> None:
    if unpaired:
        number = f"{len(unpaired)} file{'s' if len(unpaired) > 1 else ''} without a partner"
        warnings.warn(f"{number} in {where}, left out: {names}.", UserWarning, stacklevel=4)


def _matching_files(
    pairs: Pairs, images: Path, other: AnyPath | None, column: str
) -> list[ImageFiles | None]:
    """File of each image in another file or folder, None for all if it is not given."""
    if other is None:
        return [None] * len(pairs)
    content = OPTIONAL_FILES[column]
    files = _require_alike(images, other, f" ({content})")
    if not holds_several(files):
        return [ImageFiles((files,))]
    kind = replace(TRAINING, second=content, second_words=(*LABEL_WORDS, column), may_be_same=True)
    found, _ = pair_names([image for image, _ in pairs], find_images(files), kind)
    file_of = {image.path: file for image, file in found}
    missing = [image.name for image, _ in pairs if image.path not in file_of]
    if missing:
        raise ValueError(
            f"{files} ({content}) has no file for {len(missing)} images: {shorten(missing)}. Add "
            "one of the same name for each."
        )
    return [file_of[image.path] for image, _ in pairs]


def _listed_files(
    table: Path, rows: Sequence[ListedFiles], other: AnyPath | None, column: str
) -> list[ImageFiles | None]:
    """Files in an optional column of a list."""
    content = OPTIONAL_FILES[column]
    if other is not None:
        raise ValueError(
            f"{other} was given next to the list {table}: put {content} in its column {column}."
        )
    cells = [row.cells.get(column) for row in rows]
    files = [find_file(table, cell) if cell else None for cell in cells]
    _require_files(table, rows, [[file] if file else [] for file in files])
    if column == "classes" and any(files) and not all(files):
        raise ValueError(f"{table} lists {content} of some images only: list them for all images.")
    return [_listed(table, file) if file else None for file in files]


def _listed_pairs(table: Path, rows: Sequence[ListedFiles], kind: PairKind) -> Pairs:
    files = [[find_file(table, cell) for cell in (*r.images, r.cells["masks"])] for r in rows]
    _require_files(table, rows, files)
    for row, (*images, masks) in zip(rows, files, strict=True):
        for image in images:
            _require_two(image, masks, kind, f"Line {row.line} of {table}: ")
    _say_repeated(table, rows, files)
    groups = [row.cells.get("group", "") for row in rows]
    return [
        (_listed(table, *images, channels=row.channels, group=group), _listed(table, masks))
        for row, (*images, masks), group in zip(rows, files, groups, strict=True)
    ]


def _say_repeated(
    table: Path, rows: Sequence[ListedFiles], pairs: Sequence[Sequence[Path]]
) -> None:
    """Say which file is listed in several lines of a column, as after a slip of copying."""
    for column in zip(*pairs, strict=True):
        lines: dict[Path, list[str]] = {}
        for row, path in zip(rows, column, strict=True):
            lines.setdefault(path, []).append(str(row.line))
        path = max(lines, key=lambda p: len(lines[p]))
        if len(lines[path]) > 1:
            where = f"{path.name} in several lines ({shorten(lines[path])})"
            note = f"{table} lists {where}, which are all used."
            warnings.warn(note, UserWarning, stacklevel=4)


def _listed(
    table: Path, *paths: Path, channels: tuple[str, ...] = (), group: str = ""
) -> ImageFiles:
    """Files of an image, named by the path of the first from the list's folder."""
    path = paths[0]
    below = path.relative_to(table.parent) if path.is_relative_to(table.parent) else path
    folder = PurePath(below).parent.as_posix()
    return ImageFiles(paths, "" if folder == "." else folder, channels, group=group)


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
