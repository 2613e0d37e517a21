"""Where results are written: checked before the work; no result takes the place of an input."""

import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from napari_segkit.arguments import as_path

from .filenames import MODEL, AnyPath, ending, stem
from .replace_file import ExistsError, cause, link_target, try_to_write

MEGABYTE = 10**6


def check_output_path(path: AnyPath, *, overwrite: bool = False, new_folder: bool = False) -> Path:
    """Check before the work that a file can be written: its name is free, or may be overwritten.

    Its folder must take files, and exist unless it may be a `new_folder`.
    """
    file = as_path("path", path)
    try:
        target = link_target(file)
        with suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(target)  # other errors are of the name
            _require_replaceable(file, target, overwrite=overwrite)
    except OSError as error:
        raise ValueError(f"{file} cannot be written: {cause(error)}.") from None
    if not new_folder and not target.parent.is_dir():
        raise ValueError(
            f"There is no folder {target.parent} for {file.name}: create it, or choose another."
        )
    check_output_folder(target.parent)
    return file


def check_output_folder(folder: AnyPath) -> None:
    """Check that files can be written into a folder, or that it can be made."""
    new = Path(folder)
    try:
        existing = next((p for p in (new, *new.parents) if _exists(p)), new)
        if not existing.is_dir():
            raise ValueError(
                f"{existing} is no folder, so nothing can be written into {new}: choose another."
            )
        try_to_write(existing)
    except OSError as error:
        raise ValueError(f"Nothing can be written into {new}: {cause(error)}.") from None


def require_space(file: Path, size: int) -> None:
    """Check that the disk of a file, whose folder may be new, has `size` bytes left."""
    existing = next((p for p in file.parents if p.is_dir()), Path())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise ValueError(
            f"{file} will take {size / MEGABYTE:.1f} MB, but its disk has {free / MEGABYTE:.1f} MB "
            "left: free space on it, or choose another folder."
        )


def require_inputs_kept(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse a result in the place of a file that is read, by whatever name it is given.

    Links, relative paths and other capitals are names of the same file.
    """
    input_at = {place: path for path in inputs for place in _places(path)}
    for output in outputs:
        for place in _places(output):
            if place in input_at:
                read = input_at[place]
                same = "" if str(read) == str(output) else f" ({read})"
                raise ValueError(
                    f"{output} is an input{same}, and the result would replace it: choose another "
                    "name or folder for the result."
                )


def write_new(path: Path, write: Callable[[Path], object], *, overwrite: bool = False) -> Path:
    """Call `write` with the path, and give it.

    Without `overwrite`, a file that has appeared there since the check stays: the result gets an
    unused name beside it, with a warning.
    """
    while True:
        file = path if overwrite else unused_path(path)
        try:
            write(file)
        except ExistsError:
            if overwrite:
                raise
            continue
        if file != path:
            warn_renamed(path, file)
        return file


def warn_renamed(path: Path, file: Path) -> None:
    warnings.warn(
        f"{path} has appeared meanwhile and stays: the result is {file}.", UserWarning, stacklevel=3
    )


def unused_path(
    path: Path, files_of: Callable[[Path], Sequence[Path]] = lambda path: [path]
) -> Path:
    """The path, or with a number, such as a-2.tif, if one of its files exists."""
    return next(p for p in _numbered(path) if not any(map(os.path.lexists, files_of(p))))


def model_path(path: AnyPath) -> Path:
    """Path of a model file: without spaces around its name, and with the ending of models."""
    file = Path(path)
    if file.exists() and not file.is_file():
        raise ValueError(f"{file} is a folder or a device: give the name of a file.")
    name = file.name.strip()
    return file.with_name(name if Path(name).suffix.lower() == MODEL else f"{name}{MODEL}")


def _require_replaceable(file: Path, target: Path, *, overwrite: bool) -> None:
    """Check a name that is taken."""
    if target.is_dir():
        raise ValueError(f"{file} is a folder: give the name of a file in it.")
    if not target.is_file():
        raise ValueError(f"{file} is a device, not a file: choose another name.")
    if not overwrite:
        raise ExistsError(f"{file} exists already: choose another name, or overwrite.")
    if not os.access(target, os.W_OK):
        raise ValueError(f"{file} is protected against writing: choose another name.")


def _exists(path: Path) -> bool:
    """Whether something has this name; OSError if the name is impossible."""
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)
        return True
    return False


def _places(path: Path) -> list[object]:
    """What all names of a file share: its resolved path, and its number on its disk."""
    resolved: list[object] = [os.path.realpath(path)]
    with suppress(OSError):
        status = path.stat()
        if status.st_ino:  # 0 where the file system has no numbers
            return [*resolved, (status.st_dev, status.st_ino)]
    return resolved


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in count(2):
        yield path.with_name(f"{stem(path)}-{number}{ending(path)}")
