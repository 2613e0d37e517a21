"""Form for `TrainConfig`."""

from typing import TYPE_CHECKING

from napari_segkit._qt.widgets.dock import validation_error
from napari_segkit._qt.widgets.forms import Form
from napari_segkit.config import TrainConfig
from napari_segkit.models import model_info

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

HIDE = ("unlabelled", "labels_are", "tile.batch_size")
COLLAPSED = ("batch_size", "learning_rate", "normalise", "voxel_size", "augment", "seed")


class TrainForm(Form):
    """Shows and sets the session's training options; those the method ignores are disabled."""

    def __init__(self, session: "Session") -> None:
        super().__init__(TrainConfig, hide=HIDE, collapsed=COLLAPSED)
        self._session = session
        self._show_config()
        self._grey_out_unused()
        self.changed.connect(self._store_config)
        session.config_changed.connect(self._show_config)
        session.segmenter_changed.connect(self._grey_out_unused)

    def _store_config(self) -> None:
        if validation_error(self.value) is None:
            self._session.config = self.value()

    def _show_config(self) -> None:
        if validation_error(self.value) or self.value() != self._session.config:
            self.set_value(self._session.config)

    def _grey_out_unused(self) -> None:
        info = model_info(self._session.segmenter.spec.name)
        self.grey_out(info.unused, "Not used by this method.")
