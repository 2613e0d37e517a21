"""The labels of the row that is shown, which are saved even if the dock or napari closes."""

import atexit
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock, Thread

import numpy as np
from napari.utils.notifications import show_warning

from napari_segkit._qt.layers.layer_classes import read_classes
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.training_set import TrainingRow

from .row_files import PaintedLabels, Turned, own_file, save_painted, turn
from .row_view import OpenRow

SAVING = "segkit saves labels"  # name of a thread
LOG = logging.getLogger(__name__)
_alive: "set[OpenLabels]" = set()


@dataclass(eq=False)
class OpenLabels:
    """The row that is shown, and whether its labels may be written into their file."""

    row: OpenRow | None = None
    overwrite: bool | None = None  # label files; None: to be asked
    written: set[Path] = field(default_factory=set)
    _saving: Lock = field(default_factory=Lock)
    _saved: OpenRow | None = None  # by a turn, whether the dock has heard of it or not

    def __post_init__(self) -> None:
        _alive.add(self)

    def painted(self) -> PaintedLabels | None:
        """The labels, to be saved if they have changed; None if they are no file's."""
        if self.row is None or not self.row.has_opened_labels:
            return None
        labels, file = self.row.labels, own_file(self.row.row)
        return PaintedLabels(
            np.array(labels.data),
            read_classes(labels) if "name" in labels.features else (),
            self.row.image,
            self.row.row,
            self.row.fingerprint,
            True if file in self.written else self.overwrite,
        )

    def turn(
        self, left: OpenRow | None, painted: PaintedLabels | None, row: TrainingRow | None
    ) -> Turned:
        """Save what was painted on the row that is left, and read the next one; slow."""
        with self._saving:
            turned = turn(painted, row)
            self._saved = None if turned.must_ask else left
            return turned

    def close(self) -> None:
        """Save in the background, now that nobody is there to be asked; Python waits for it."""
        if (last := self._last()) is not None:
            Thread(target=self._save, args=(last, self.row), name=SAVING).start()

    def close_at_exit(self) -> None:
        """Save, where the process ends and the dock was not closed before."""
        if (last := self._last()) is not None:
            self._save(last, self.row)

    def _last(self) -> PaintedLabels | None:
        if self not in _alive:
            return None
        _alive.discard(self)
        painted = self.painted()
        return painted and replace(painted, overwrite=bool(painted.overwrite))

    def _save(self, painted: PaintedLabels, row: OpenRow | None) -> None:
        """Save once; beside a file that nobody has allowed to be overwritten."""
        with self._saving:
            if row is self._saved:
                return
            try:
                save_painted(painted)
            except Exception as error:
                LOG.error("The labels that were painted on were not saved", exc_info=error)
                show_warning(error_text(error, "Saving the labels"))


@atexit.register
def _close_all() -> None:
    for labels in tuple(_alive):
        labels.close_at_exit()
