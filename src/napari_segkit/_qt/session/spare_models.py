"""Spare files of trained models that nobody has saved, offered at the next start."""

import atexit
import logging
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from napari.utils.notifications import show_warning
from qtpy.QtCore import QLockFile, QObject, QStandardPaths, Signal

from napari_segkit.error_messages import plain_message
from napari_segkit.images.classes import joined_names
from napari_segkit.models import model_info
from napari_segkit.segmenter import Segmenter

from .background import LatestCall

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

LOG = logging.getLogger(__name__)
SUFFIX = ".segkit"
KEEP_AT_MOST, KEEP_DAYS, LOCK_DAYS = 5, 30, 2
SEARCH_WAIT_MS = 1000  # the docks appear first


def spare_folder() -> Path:
    """Folder of the spare files, in the user's data folder."""
    place = QStandardPaths.StandardLocation.GenericDataLocation
    return Path(QStandardPaths.writableLocation(place)) / "napari-segkit" / "unsaved-models"


class SpareFile:
    """A spare file, and the lock that keeps other windows and processes from taking it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_held = False
        self._lock = QLockFile(str(path.with_suffix(".lock")))
        # The end of its process frees it, and age if that was on another computer with this home
        self._lock.setStaleLockTime(int(timedelta(days=LOCK_DAYS).total_seconds() * 1000))

    def hold(self) -> bool:
        """Lock the file, unless somebody else does."""
        self.is_held = self.is_held or self._lock.tryLock(0)
        return self.is_held

    def release(self) -> None:
        if self.is_held:
            self._lock.unlock()
        self.is_held = False

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def new_spare() -> SpareFile:
    """A file that does not exist yet, held."""
    spare_folder().mkdir(parents=True, exist_ok=True)
    spare = SpareFile(spare_folder() / f"{uuid4().hex}{SUFFIX}")
    spare.hold()
    return spare


@dataclass(frozen=True)
class FoundModel:
    """A complete model in a spare file that nobody else holds."""

    spare: SpareFile
    description: str


def find_model() -> FoundModel | None:
    """The newest model that was left behind, held; slow, it reads the file."""
    if not newest_first():  # then torch is not needed
        return None
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.model_file import load

    remove_old()
    for path in newest_first():
        spare = SpareFile(path)
        if not spare.hold():
            continue
        try:
            return FoundModel(spare, describe(load(path), path))
        except (ValueError, OSError) as error:
            LOG.warning("The spare model %s cannot be read: %s", path, error)
            spare.release()
    return None


def describe(model: "TrainedModel", path: Path) -> str:
    """Date, method and classes of a model in a spare file."""
    date = datetime.fromtimestamp(path.stat().st_mtime)
    title, classes = model_info(model.spec.name).title, joined_names(model.all_classes)
    return f"{date:%d %B %Y, %H:%M} ({title}; classes: {classes})"


def newest_first(folder: Path | None = None, suffix: str = SUFFIX) -> list[Path]:
    """The spare files, by default those of models."""
    ages = {}
    for path in (folder or spare_folder()).glob(f"*{suffix}"):
        with suppress(FileNotFoundError):  # another process has removed it
            ages[path] = path.stat().st_mtime
    return sorted(ages, key=ages.__getitem__, reverse=True)


def remove_old(
    folder: Path | None = None, suffix: str = SUFFIX, keep_at_most: int = KEEP_AT_MOST
) -> None:
    """Remove what nobody holds: files that are old or too many, and parts of killed writes."""
    folder = folder or spare_folder()
    oldest = (datetime.now() - timedelta(days=KEEP_DAYS)).timestamp()
    for number, path in enumerate(newest_first(folder, suffix)):
        if number >= keep_at_most or path.stat().st_mtime < oldest:
            _remove_unless_held(path, path)
    for part in folder.glob(".*.part"):
        _remove_unless_held(part, part.with_name(part.name.lstrip(".").split(".")[0] + suffix))


def _remove_unless_held(path: Path, spare_path: Path) -> None:
    spare = SpareFile(spare_path)
    if spare.hold():
        with suppress(OSError):  # another program reads it
            path.unlink(missing_ok=True)
        spare.release()


class SpareModel(QObject):
    """Keeps a session's trained model in a spare file until it is saved or replaced.

    `mirror` is called in worker threads, and where the process ends; all else on the window's.
    """

    changed = Signal()  # of `found`

    def __init__(self, segmenter: Callable[[], Segmenter], parent: QObject) -> None:
        super().__init__(parent)
        self.found: FoundModel | None = None  # that is offered
        self._segmenter = segmenter
        self._spare: SpareFile | None = None
        self._kept: TrainedModel | None = None  # that the file holds
        self._writing = threading.Lock()
        self._is_closed = self._has_searched = False
        self._mirrors = LatestCall(self)
        self._search = LatestCall(self, wait_ms=SEARCH_WAIT_MS)
        self._search.returned.connect(self._on_found)
        _alive.add(self)

    @property
    def is_current(self) -> bool:
        """Whether the file holds the model, if it is trained and not saved."""
        return self._unsaved() is self._kept

    def follow(self) -> None:
        """Write, replace or remove the file in the background, if the model is another one."""
        if not self.is_current:
            self._mirrors.submit(self.mirror)

    def mirror(self) -> None:
        """Write, replace or remove the file; slow for large models."""
        with self._writing:
            model = self._unsaved()
            if model is not self._kept:
                try:
                    self._replace(model)
                except Exception as error:
                    LOG.error("No spare copy of the model was written", exc_info=error)
                    text = plain_message(error, lower="close other programs")
                    show_warning(f"No spare copy of the model was written, save it: {text}")
                self._kept = model
            if self._is_closed:
                self._release()

    def close(self, *, busy: bool) -> None:
        """Leave the file to the next start; while `busy`, a last `mirror` is still to come."""
        self._is_closed = True
        self.later()
        if not busy:
            self._mirrors.submit(self.mirror)

    def search(self) -> None:
        """Look once for a model that was left behind, in the background."""
        if not self._has_searched:
            self._search.submit(find_model)
        self._has_searched = True

    def dismiss(self) -> None:
        """Keep no copy of the model as it is now."""
        with self._writing:
            self._replace(None)
            self._kept = self._unsaved()

    def adopt(self, spare: SpareFile, model: "TrainedModel | None") -> None:
        """Go on with the file that the session's model was read from."""
        with self._writing:
            self._release()
            self._spare, self._kept = spare, model

    def take_found(self) -> FoundModel | None:
        """The model that is offered, which no dock offers any longer."""
        found, self.found = self.found, None
        self.changed.emit()
        return found

    def discard(self) -> None:
        """Remove the file that is offered, and offer the next one."""
        if (found := self.take_found()) is not None:
            found.spare.remove()
            found.spare.release()
            self._search.submit(find_model)

    def later(self) -> None:
        """Leave the file that is offered to the next start."""
        if (found := self.take_found()) is not None:
            found.spare.release()

    def _unsaved(self) -> "TrainedModel | None":
        segmenter = self._segmenter()
        trained = segmenter.trained
        if trained is None or segmenter.is_saved or trained.provenance.get("weights") == "whole":
            return None
        return trained

    def _replace(self, model: "TrainedModel | None") -> None:
        from napari_segkit.model_file import save

        if model is None:
            if self._spare is not None:
                self._spare.remove()
                self._release()
            return
        if self._spare is None or not self._spare.hold():
            self._spare = new_spare()
            remove_old()
        save(model, self._spare.path)

    def _release(self) -> None:
        if self._spare is not None:
            self._spare.release()
        self._spare = None

    def _on_found(self, found: FoundModel | None) -> None:
        self.found = found
        if self._is_closed:
            self.later()
        self.changed.emit()


def load_found(found: FoundModel, current: Segmenter) -> tuple[SpareFile, Segmenter]:
    """Read a model that was found, as one that is not saved yet; `current` can be restored."""
    from napari_segkit.model_file import load

    segmenter = Segmenter.of_trained(load(found.spare.path), device=current.device)
    segmenter.previous = current.trained
    return found.spare, segmenter


_alive: "weakref.WeakSet[SpareModel]" = weakref.WeakSet()


@atexit.register
def _keep_all() -> None:
    """Keep the models of windows that are open at the end of a script."""
    for spare in list(_alive):
        spare.mirror()
