"""States of trainings that were interrupted: kept in the user's data folder, offered to go on."""

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
    """Keeps the state of a session's training in a file, which is offered if it does not end."""

    changed = Signal()  # of `found`

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.found: FoundTraining | None = None  # that is offered
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
    spare_models.remove_old(state_folder(), SUFFIX, KEEP_AT_MOST)
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
    from napari_segkit.training.state_file import read_settings

    spec, config = read_settings(spare.path)
    date = datetime.fromtimestamp(spare.path.stat().st_mtime)
    return FoundTraining(
        spare, spec, config, f"{model_info(spec.name).title}, {date:%d %B %Y, %H:%M}"
    )


def kept(
    steps: Generator[Step, Any, Any], found: FoundTraining | None = None
) -> Generator[Step, Any, Any]:
    """Run a training with checkpoints, in the file that it goes on from or in a new one.

    The file of a training that ends by itself is removed.
    """
    from napari_segkit.jobs.checkpoints import with_checkpoints

    with closing(steps):
        spare = new_spare() if found is None else found.spare
        try:
            result = yield from with_checkpoints(steps, spare.path)
            spare.remove()
        finally:
            spare.release()
    return result
