"""States of trainings that did not end: kept in the user's data folder, offered to go on."""

import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from qtpy.QtCore import QObject, Signal

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import model_info
from napari_segkit.steps import Step

from . import spare_models
from .background import LatestCall
from .spare_models import SEARCH_WAIT_MS, SpareFile

LOG = logging.getLogger(__name__)
SUFFIX = ".state"
KEEP_AT_MOST = 3  # they are several times as large as their models


@dataclass(frozen=True)
class FoundTraining:
    """The complete state of a training, in a file that nobody else holds."""

    spare: SpareFile
    spec: ModelSpec
    config: TrainConfig
    description: str


class InterruptedTrainings(QObject):
    """The states of trainings that did not end: one that an earlier window left, one stopped here.

    What a person stops can be resumed until the window is closed or another training begins. What
    ended in another way is offered at the next start.
    """

    changed = Signal()  # of `found` or `stopped`

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.found: FoundTraining | None = None  # that is offered
        self.stopped: FoundTraining | None = None
        self._has_searched = False
        self._search = LatestCall(self, wait_ms=SEARCH_WAIT_MS)
        self._search.returned.connect(self._on_found)

    def search(self) -> None:
        """Look once for what an earlier window has left, in the background."""
        if not self._has_searched:
            self.search_again()
        self._has_searched = True

    def search_again(self) -> None:
        """Look for what the last training, or another one, has left."""
        if self.found is None:
            self._search.submit(find_training)

    def take(self) -> FoundTraining | None:
        """The training that is offered, which no dock offers any longer."""
        found, self.found = self.found, None
        self.changed.emit()
        return found

    def discard(self) -> None:
        """Remove the file that is offered, and offer the next one."""
        if (found := self.take()) is not None:
            found.spare.remove()
            found.spare.release()
            self.search_again()

    def later(self) -> None:
        """Leave the file that is offered to the next start."""
        if (found := self.take()) is not None:
            found.spare.release()

    def close(self) -> None:
        """Leave what is offered to the next start, and forget what was stopped."""
        self.blockSignals(True)  # the widgets of the window are being deleted
        self.later()
        self.forget_stopped()

    def keep_stopped(self, spare: SpareFile, spec: ModelSpec, config: TrainConfig) -> None:
        """Offer to resume the training that a person has stopped, if its state is there."""
        if spare.path.exists() and spare.hold():
            self.stopped = FoundTraining(spare, spec, config, "")
            self.changed.emit()

    def take_stopped(self) -> FoundTraining | None:
        """The training that was stopped, which is no longer offered."""
        stopped, self.stopped = self.stopped, None
        self.changed.emit()
        return stopped

    def forget_stopped(self) -> None:
        """Remove the state of the training that was stopped."""
        if (stopped := self.take_stopped()) is not None:
            stopped.spare.remove()
            stopped.spare.release()

    def _on_found(self, found: FoundTraining | None) -> None:
        self.found = found
        self.changed.emit()


def state_folder() -> Path:
    return spare_models.spare_folder().with_name("interrupted-trainings")


def new_spare() -> SpareFile:
    """A file that does not exist yet, held."""
    state_folder().mkdir(parents=True, exist_ok=True)
    spare = SpareFile(state_folder() / f"{uuid4().hex}{SUFFIX}")
    spare.hold()
    return spare


def find_training() -> FoundTraining | None:
    """The newest training that was interrupted, held; slow, it reads the file."""
    for path in spare_models.newest_first(state_folder(), SUFFIX):
        spare = SpareFile(path)
        if not spare.hold():
            continue
        try:
            return _describe(spare)
        except (ValueError, OSError) as error:
            LOG.warning("The state %s cannot be read: %s", path, error)
            spare.release()
    return None


def _describe(spare: SpareFile) -> FoundTraining:
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.training.state_file import read_settings

    spec, config = read_settings(spare.path)
    title = model_info(spec.name).title + ", Live" * config.is_endless
    date = datetime.fromtimestamp(spare.path.stat().st_mtime)
    return FoundTraining(spare, spec, config, f"{title}, {date:%d %B %Y, %H:%M}")


def kept(steps: Generator[Step, Any, Any], spare: SpareFile) -> Generator[Step, Any, Any]:
    """Run a training with checkpoints in a file, which is removed if it ends by itself."""
    from napari_segkit.jobs.checkpoints import with_checkpoints

    spare_models.remove_old(state_folder(), SUFFIX, KEEP_AT_MOST)
    with closing(steps):
        try:
            result = yield from with_checkpoints(steps, spare.path)
            spare.remove()
        finally:
            spare.release()
    return result
