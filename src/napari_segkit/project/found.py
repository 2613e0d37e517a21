"""The images and labels of a project on the disk: found again, missing or changed."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_segkit.error_messages import printable
from napari_segkit.io.filenames import shorten

from .files import StoredImage, StoredRow
from .paths import Elsewhere, absolute_path, file_fingerprint, inside, relative_path


def found_rows(rows: Sequence[StoredRow], elsewhere: Elsewhere) -> tuple[StoredRow, ...]:
    """Rows with their images where they are now; what is missing or has changed is said."""
    folder = elsewhere.folder
    found = tuple(replace(row, image=_found(row.image, elsewhere)) for row in rows)
    pairs = [
        (absolute_path(path, folder), fingerprint)
        for row in found
        for path, fingerprint in zip(row.image.paths, row.image.fingerprints, strict=True)
    ]
    missing = [printable(path.name) for path, _ in pairs if not path.exists()]
    changed = [
        printable(path.name)
        for path, fingerprint in pairs
        if path.exists() and file_fingerprint(path) != fingerprint
    ]
    if missing:
        _say(
            f"Images of {folder} are missing: {shorten(missing)}. Put them back or beside the "
            "project (`Project.open(folder, images=...)` looks elsewhere)."
        )
    if changed:
        _say(
            f"Images of {folder} have changed since it was saved: {shorten(changed)}. Check that "
            "their labels still fit."
        )
    _say_moved(rows, found, folder)
    labels = [mask.path for row in rows for mask in row.masks]
    lost = [printable(path) for path in labels if not inside(folder, path).exists()]
    if lost:
        _say(f"{folder} lacks labels: {shorten(lost)}. Put them back, or paint them anew.")
    return found


def _found(image: StoredImage, elsewhere: Elsewhere) -> StoredImage:
    files = zip(image.paths, image.fingerprints, strict=True)
    return replace(image, paths=tuple(_place(*file, elsewhere) for file in files))


def _place(name: str, fingerprint: str, elsewhere: Elsewhere) -> str:
    path = absolute_path(name, elsewhere.folder)
    moved = None if path.exists() else elsewhere.find(path, fingerprint)
    return name if moved is None else relative_path(moved, elsewhere.folder)


def _say_moved(before: Sequence[StoredRow], now: Sequence[StoredRow], folder: Path) -> None:
    pairs = zip(before, now, strict=True)
    moved = [path for old, new in pairs for path in set(new.image.paths) - set(old.image.paths)]
    if moved:
        places = sorted({str(absolute_path(path, folder).parent) for path in moved})
        _say(f"Images of {folder} were found elsewhere, in {shorten(places)}.")


def _say(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=6)
