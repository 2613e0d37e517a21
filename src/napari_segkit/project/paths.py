"""Names and places of the files of a project: inside its folder, and of images found again."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2s
from pathlib import Path, PurePosixPath

from napari_segkit.error_messages import printable
from napari_segkit.io.replace_file import WriteError, cause

PROJECT_FILE = "project.json"
MODEL_FILE = "model.segkit"
LABELS, IMAGES, AUTOSAVE = "labels", "images", "autosave"
LONGEST_NAME = 160  # bytes, which leaves room for a column, a number and an ending
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)  # on Windows
SAMPLES, SAMPLE = 8, 2**15  # parts of a file that its fingerprint reads, and bytes of each
MAX_LISTED = 10_000  # files in the folder of an image
MAX_BESIDE = 1000  # folders beside a project, in which moved images are looked for

Status = tuple[int, int]  # time of the last change, and size


def is_project(path: str | os.PathLike[str]) -> bool:
    """Whether this is the folder of a project."""
    return (Path(path) / PROJECT_FILE).is_file()


def inside(folder: Path, name: str) -> Path:
    """A file of a project; ValueError if its path, or a link on it, leads out of the folder."""
    path = PurePosixPath(name)
    is_plain = name and not path.is_absolute() and not {"\\", ":", "\0"} & set(name)
    if is_plain and ".." not in path.parts:
        file = folder.joinpath(*path.parts)
        if file.resolve().is_relative_to(folder.resolve()):
            return file
    raise ValueError(f"the path {printable(name)!r} leads out of the project")


def file_to_write(folder: Path, name: str) -> Path:
    """A file of a project, with its folder; ValueError if a link leads out of the project."""
    try:
        file = inside(folder, name)
    except ValueError:
        raise ValueError(
            f"{folder / name} is a link out of the project, outside of which nothing is written: "
            "remove the link."
        ) from None
    try:
        file.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(f"{file.parent} cannot be made: {cause(error)}.") from error
    return file


def relative_path(file: Path, folder: Path) -> str:
    """Path from a folder, with slashes; the whole path of a file on another drive of Windows."""
    place = Path(os.path.realpath(file.parent)) / file.name
    try:
        return Path(os.path.relpath(place, os.path.realpath(folder))).as_posix()
    except ValueError:
        return place.as_posix()


def absolute_path(name: str, folder: Path) -> Path:
    """Inverse of `relative_path`."""
    return Path(os.path.normpath(os.path.join(os.path.realpath(folder), name)))


def safe_name(name: str) -> str:
    """A name as one that a file can have on every system."""
    plain = re.sub(r"[^\w.+-]+", "_", name).strip("._")
    plain = plain.encode()[:LONGEST_NAME].decode(errors="ignore").rstrip("._")
    return f"_{plain}" if not plain or RESERVED.fullmatch(plain.split(".")[0]) else plain


def unused_name(base: str, suffix: str, folder: Path, taken: Iterable[str]) -> str:
    """`base` and `suffix`, with a number if it is taken or a file in `folder` has this name."""
    used = {name.lower() for name in taken}
    number = 1
    while True:
        name = f"{base}{suffix}" if number == 1 else f"{base}-{number}{suffix}"
        if name.lower() not in used and not os.path.lexists(folder / name):
            return name
        number += 1


def status_of(path: Path) -> Status | None:
    """What changes when a file is written; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def file_fingerprint(path: Path) -> str:
    """Size and digest of parts of a file, or of the names and sizes in a folder; "" without it."""
    digest = blake2s(digest_size=8)
    try:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())[:MAX_LISTED]
            names = [f"{p.relative_to(path).as_posix()} {p.stat().st_size}\n" for p in files]
            digest.update("".join(names).encode(errors="surrogateescape"))
            return f"{len(files)} files {digest.hexdigest()}"
        size = path.stat().st_size
        with path.open("rb") as file:
            last = max(size - SAMPLE, 0)
            for number in range(SAMPLES):
                file.seek(last * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE))
    except OSError:
        return ""
    return f"{size} {digest.hexdigest()}"


@dataclass(frozen=True)
class Elsewhere:
    """Where the images of a project may have been moved to: `images`, in or beside the project."""

    folder: Path
    images: Path | None = None

    def find(self, path: Path, fingerprint: str) -> Path | None:
        """A file of this name and fingerprint."""
        for candidate in self._candidates(path):
            if candidate.exists() and file_fingerprint(candidate) == fingerprint:
                return candidate
        return None

    def _candidates(self, path: Path) -> Iterator[Path]:
        """As far as the folders of a file have come along, then anywhere."""
        places = [p for p in (self.images, self.folder, self._beside) if p is not None]
        tails = [Path(*path.parts[-n:]) for n in range(min(len(path.parts) - 1, 4), 0, -1)]
        yield from (place / tail for place in places for tail in tails)
        yield from self._by_name.get(path.name, ())

    @property
    def _beside(self) -> Path:
        return self.folder.resolve().parent

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """All files of `images`, and those of the folders beside the project; listed once."""
        found: dict[str, list[Path]] = {}
        with suppress(OSError):
            for path in () if self.images is None else self.images.rglob("*"):
                found.setdefault(path.name, []).append(path)
            beside = sorted(p for p in self._beside.iterdir() if p.is_dir())
            for folder in beside[:MAX_BESIDE]:
                with suppress(OSError):
                    for name in os.listdir(folder):
                        found.setdefault(name, []).append(folder / name)
        return found
