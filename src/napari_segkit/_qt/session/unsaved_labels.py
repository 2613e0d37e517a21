"""Painted labels that are in no project: kept in the user's data folder, offered at the next start.

A `SpareFile` names the folder of each, and its lock says whose it is.
"""

import shutil
from datetime import datetime, timedelta
from hashlib import blake2s
from pathlib import Path
from uuid import uuid4

from qtpy.QtCore import QSettings

from napari_segkit.project.paths import AUTOSAVE, PROJECT_FILE

from . import spare_models
from .spare_models import KEEP_DAYS, SpareFile

SUFFIX = ".project"
KEEP_AT_MOST = 5
LAST = "last_project"


def labels_folder() -> Path:
    """Folder of what was painted and not saved, in the user's data folder."""
    return spare_models.spare_folder().with_name("unsaved-labels")


def new_folder() -> SpareFile:
    """A folder that does not exist yet, held."""
    return _held(uuid4().hex)


def hold_project(folder: Path) -> SpareFile:
    """A lock of a person's project; not held if another window has it."""
    return _held(blake2s(str(folder.resolve()).encode(), digest_size=16).hexdigest())


def _held(name: str) -> SpareFile:
    labels_folder().mkdir(parents=True, exist_ok=True)
    spare = SpareFile(labels_folder() / f"{name}{SUFFIX}")
    spare.hold()
    return spare


def remember_project(folder: Path) -> None:
    """The project to be looked at for autosaved labels at the next start."""
    _settings().setValue(LAST, str(folder))


def find_autosaved() -> Path | None:
    """The last project, if labels were autosaved in it that nobody has saved or holds."""
    folder = Path(str(_settings().value(LAST, "")))
    if not (folder / AUTOSAVE / PROJECT_FILE).is_file():
        return None
    spare = hold_project(folder)
    is_free = spare.is_held
    spare.release()
    return folder if is_free else None


def find_unsaved() -> SpareFile | None:
    """The newest labels that were left behind, held."""
    _remove_old()
    for path in spare_models.newest_first(labels_folder(), SUFFIX):
        spare = SpareFile(path)
        if (path / PROJECT_FILE).is_file() and spare.hold():
            return spare
    return None


def describe(folder: Path) -> str:
    """When labels were kept."""
    return f"{datetime.fromtimestamp((folder / PROJECT_FILE).stat().st_mtime):%d %B %Y, %H:%M}"


def remove(spare: SpareFile) -> None:
    """Remove what is kept, and let go of it."""
    shutil.rmtree(spare.path, ignore_errors=True)
    spare.release()


def _remove_old() -> None:
    oldest = (datetime.now() - timedelta(days=KEEP_DAYS)).timestamp()
    for number, path in enumerate(spare_models.newest_first(labels_folder(), SUFFIX)):
        spare = SpareFile(path)
        is_old = number >= KEEP_AT_MOST or path.stat().st_mtime < oldest
        if is_old and spare.hold():
            remove(spare)


def _settings() -> QSettings:
    """What this package remembers of projects."""
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-segkit", "projects"
    )
