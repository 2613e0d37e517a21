"""Images given as a file, a folder with its sub-folders, or a pattern such as img/*.png."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import chain
from pathlib import Path
from unicodedata import normalize

from .filenames import CHANNEL, TABLES, AnyPath, require_path, stem
from .plugin_names import without_image
from .readers import can_read
from .volume_files import LEFT_BY_SYSTEMS, is_dicom, visible_files, without_data_of_headers
from .zarr_folders import image_around

# results of segkit predict beside its labels; of macOS's ZIP files
NOT_ENTERED = ("probabilities", "uncertainty", "overlays", "__MACOSX")


@dataclass(frozen=True)
class ImageFiles:
    """One image: its file, or a file for each channel; of labels also one for each object."""

    paths: tuple[Path, ...]
    folder: str = ""  # where it lies below the folder, pattern or list that was given
    channels: tuple[str, ...] = ()  # name of each, if they are files that a list names
    axes: str | None = None  # how it is read, if a project says so
    spacing: tuple[float, ...] | None = None
    group: str = ""  # as a list names it

    @property
    def path(self) -> Path:
        """The file, or the first one."""
        return self.paths[0]

    @property
    def stem(self) -> str:
        """Name without ending and number of channel; of labels in a zarr image, that of the image.

        Accents are one character, however stored.
        """
        name = normalize("NFC", stem(image_around(self.path)))
        return CHANNEL.sub(r"\1", name) if len(self.paths) > 1 else name

    @property
    def name(self) -> str:
        """Folder and file name, for messages and records."""
        own = self.path.relative_to(image_around(self.path).parent).as_posix()
        name = f"{self.folder}/{own}" if self.folder else own
        return name if len(self.paths) == 1 else f"{name} and {len(self.paths) - 1} more"


def find_images(
    given: AnyPath, *, without: Path | None = None, slices: bool = False
) -> list[ImageFiles]:
    """The image of a file; or the images in a folder and its sub-folders, or of a pattern.

    Hidden files, tables, and the folder `without`, into which results are written, are left out. A
    folder of one DICOM series is one image, or with `slices` its files.
    """
    path = require_existing(given)
    if not (holds_several(path) or (slices and path.is_dir())):
        return [ImageFiles((path,))]
    root = path if path.is_dir() else _fixed_part(path)
    listed = list(_tree(path)) if path.is_dir() else _matching_images(path)
    files = [p for p in listed if without is None or not _is_result(p, without, root)]
    found = [ImageFiles((p,), _below(image_around(p), root)) for p in files]
    if not found:
        kind, others = ("folder", path.rglob("*")) if path.is_dir() else ("pattern", _matches(path))
        raise ValueError(f"The {kind} {path} holds no image{without_image(sorted(others))}.")
    if any(map(is_dicom, files)):
        from .dicom import say_loose_slices

        say_loose_slices(path, files)
    _require_distinct(found)
    return found


def holds_several(path: AnyPath) -> bool:
    """Whether this is a folder of files or a pattern, not the file of one image."""
    return is_folder(Path(path)) or _is_pattern(Path(path))


def is_folder(path: Path) -> bool:
    """Whether this is a folder of files, not one that is an image itself (Zarr)."""
    return path.is_dir() and not can_read(path)


def require_existing(path: AnyPath) -> Path:
    """The path; ValueError if there is no such file or folder, or nothing matches the pattern."""
    require_path(path)
    if _is_pattern(Path(path)):
        if not _matches(Path(path)):
            raise ValueError(f"There is no file that matches the pattern {path}.")
    elif not Path(path).exists():
        raise ValueError(f"There is no file or folder {path}.")
    return Path(path)


def _is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in "*?[") and not path.exists()


def _matches(pattern: Path) -> list[Path]:
    root = _fixed_part(pattern)
    names = glob(str(pattern.relative_to(root)), root_dir=root, recursive=True)
    return [root / name for name in sorted(names)]


def _fixed_part(pattern: Path) -> Path:
    """The folder before the first part with a sign of a pattern."""
    return next(p for p in pattern.parents if not _is_pattern(p))


def _tree(folder: Path) -> Iterator[Path]:
    """Image files in a folder, sorted, then those in its sub-folders."""
    visible = visible_files(folder)
    yield from without_data_of_headers([p for p in visible if can_read(p)])
    for path in filter(is_folder, visible):
        is_loop = path.is_symlink() and folder.resolve().is_relative_to(path.resolve())
        if path.name not in NOT_ENTERED and not is_loop:
            yield from _tree(path)


def _matching_images(pattern: Path) -> list[Path]:
    """Images that match a pattern, and those in folders that do."""
    matches = [p for p in _matches(pattern) if p.name.lower() not in LEFT_BY_SYSTEMS]
    files = [p for p in matches if p.suffix.lower() not in TABLES and can_read(p)]
    trees = [_tree(p) for p in matches if is_folder(p)]
    return list(dict.fromkeys(chain(without_data_of_headers(files), *trees)))


def _below(path: Path, root: Path) -> str:
    folder = normalize("NFC", path.parent.relative_to(root).as_posix())
    return "" if folder == "." else folder


def _is_result(path: Path, folder: Path, root: Path) -> bool:
    """Whether a file lies in the folder of the results, which is one of the sub-folders."""
    results, images = folder.resolve(), root.resolve()
    is_inside = results.is_relative_to(images) and results != images
    return is_inside and path.resolve().is_relative_to(results)


def _require_distinct(images: Sequence[ImageFiles]) -> None:
    seen: dict[tuple[str, str], Path] = {}
    for image in images:
        other = seen.setdefault((image.folder, image.stem), image.path)
        if other != image.path:
            raise ValueError(
                f"{other.parent} holds files that differ only in their ending, such as "
                f"{other.name} and {image.path.name}: keep one of each name, or choose them by a "
                f"pattern in quotes, such as {other.parent / ('*' + other.suffix)}."
            )
