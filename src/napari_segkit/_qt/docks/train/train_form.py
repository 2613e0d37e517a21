"""Form for `TrainConfig`."""

from qtpy.compat import isalive

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.forms import Form
from napari_segkit.config import TrainConfig
from napari_segkit.models import model_info

HIDE = ("unlabelled", "labels_are", "tile.batch_size")
COLLAPSED = (
    *("batch_size", "learning_rate", "normalise", "voxel_size", "freeze_encoder", "seed"),
    *("validation_fraction", "best_by", "patience", "thresholds"),
)


class TrainForm(Form[TrainConfig]):
    """Shows and sets the session's training options; those the method ignores are disabled."""

    def __init__(self, session: Session) -> None:
        self._session = session
        super().__init__(TrainConfig, hide=HIDE, collapsed=COLLAPSED)
        self._show_config()
        self._grey_out_unused()
        self.changed.connect(self._store_config)
        session.config_changed.connect(self._show_config)
        session.segmenter_changed.connect(self._grey_out_unused)

    def _store_config(self) -> None:
        if self.problem is None:
            self._session.config = self.value

    def _show_config(self) -> None:
        if isalive(self.native) and (self.problem or self.value != self._session.config):
            self.value = self._session.config

    def _grey_out_unused(self) -> None:
        if isalive(self.native):
            info = model_info(self._session.segmenter.spec.name)
            self.grey_out(info.unused, "Not used by this method.")
