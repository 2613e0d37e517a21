"""Atomic writing: a file appears when it is complete, or not at all."""

import errno
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from hashlib import blake2s
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir, mkdtemp
from typing import BinaryIO

Content = Callable[[BinaryIO], object]  # writes a file

PART = re.compile(r"\.segkit-([0-9a-f]{8})-([0-9]{1,9})-[0-9a-f]{8}\.part")
FOREIGN_AGE = 24 * 3600  # seconds after which what may be in use elsewhere was left
SPARE = "segkit-"
PROBE = bytes(2**12)
NOT_OFFERED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)  # by some network drives
CAUSES = {
    errno.ENOSPC: "the disk is full; free space on it, or choose another folder",
    errno.EDQUOT: "your quota of disk space is used up; delete files, or choose another folder",
    errno.EFBIG: "a file may not be so large there; choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
CAUSES |= dict.fromkeys(
    (errno.EACCES, errno.EPERM),
    "you may not write there, or another program has the file open; choose another folder",
)


class ExistsError(ValueError):
    """The file exists, and `overwrite` is not set."""

    remedies = ("overwrite=True",)


class WriteError(OSError):
    """A file that could not be written, with the cause."""


@contextmanager
def atomic_write(path: Path, *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `path` at the end; an error leaves `path` unchanged.

    A symbolic link stays a link: the file it leads to is replaced, and keeps its permissions.
    Without `overwrite`, a file that has appeared there meanwhile is an ExistsError.
    """
    target = link_target(path)
    if target.exists() and not target.is_file():
        raise WriteError(f"{path} is a folder or a device, not a file: choose another name.")
    clear_left_parts(target.parent.absolute())
    part = target.with_name(_part_name())
    try:
        with part.open("xb") as file:
            try:
                yield file
            except OSError as error:
                raise _system_error(error, file) from None
            _store(file)
        _place(part, target, overwrite=overwrite)
    except WriteError:
        raise
    except FileExistsError:
        raise ExistsError(f"{path} exists already: choose another name, or overwrite.") from None
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {cause(error)}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_together(contents: Mapping[Path, Content], *, overwrite: bool = True) -> None:
    """Write files that belong together: when all are complete, they appear, the first one first."""
    with ExitStack() as files:
        for path, write in reversed(list(contents.items())):
            write(files.enter_context(atomic_write(path, overwrite=overwrite)))


def link_target(path: Path) -> Path:
    """The file that a symbolic link leads to; any other path itself."""
    if not path.is_symlink():
        return path
    try:
        return Path(os.path.realpath(path, strict=True))
    except FileNotFoundError:
        end = "a file that does not exist"
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        end = "itself"
    raise ValueError(f"{path} is a link to {end}: remove the link, or choose another name.")


def try_to_write(folder: Path) -> None:
    """Write a small file and remove it; OSError if the folder takes none, or the disk is full."""
    part = folder / _part_name()
    try:
        with part.open("xb") as file:
            file.write(PROBE)
    finally:
        part.unlink(missing_ok=True)


def cause(error: OSError) -> str:
    """Why a file cannot be written, and what helps."""
    return CAUSES.get(error.errno or 0) or error.strerror or str(error).rstrip(".")


@cache
def clear_left_parts(folder: Path) -> None:
    """Remove what killed processes left in a folder; once, because listing a folder takes time."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if (match := PART.fullmatch(name)) and _is_left(folder / name, *match.groups()):
                (folder / name).unlink()


def make_spare_folder() -> Path:
    """Make a private folder for what could not be written where it belongs.

    Those that killed processes left without a file are removed, but not if they may be in use.
    """
    for folder in Path(gettempdir()).glob(f"{SPARE}*"):
        clear_left_parts(folder)
        with suppress(OSError):  # not empty, or of another user
            if _age(folder) > FOREIGN_AGE:
                folder.rmdir()
    return Path(mkdtemp(prefix=SPARE))


def _is_left(part: Path, computer: str, process: str) -> bool:
    """Whether the process that wrote a part file has ended."""
    from psutil import pid_exists

    if computer == _computer():
        return not pid_exists(int(process))
    return _age(part) > FOREIGN_AGE


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _part_name() -> str:
    """A name that `PART` matches, short and hidden."""
    return f".segkit-{_computer()}-{os.getpid()}-{token_hex(4)}.part"


@cache
def _computer() -> str:
    """Digest of the computer or container, in which a number names one process."""
    namespace = ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return blake2s(f"{platform.node()} {namespace}".encode(), digest_size=4).hexdigest()


def _store(file: BinaryIO) -> None:
    """Wait until a file is on the disk, so that a power cut leaves the old one or the new one."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise


def _system_error(error: OSError, file: BinaryIO) -> OSError:
    """The error of the system where NumPy and Pillow raise one that does not tell the cause."""
    if error.errno is None and not isinstance(error, WriteError):
        try:
            file.write(PROBE)
            file.flush()
        except OSError as again:
            return again
    return error


def _place(part: Path, target: Path, *, overwrite: bool) -> None:
    """Give a complete file its name; FileExistsError if it is taken and may not be replaced."""
    if overwrite:
        with suppress(OSError):  # new, or on a disk without permissions
            shutil.copymode(target, part)
        part.replace(target)
    elif os.name == "nt":
        part.rename(target)  # Windows refuses to replace
    else:
        _link(part, target)


def _link(part: Path, target: Path) -> None:
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        target.touch(exist_ok=False)
        try:
            part.replace(target)
        except OSError:
            target.unlink()
            raise
