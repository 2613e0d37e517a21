"""The form for a training."""

from typing import TYPE_CHECKING

from napari_segkit._qt.widgets.dock import problem_of
from napari_segkit._qt.widgets.forms import Form
from napari_segkit.config import TrainConfig
from napari_segkit.models import model_info

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

HIDE = ("unlabelled", "labels_are", "tile.batch_size")
MORE = ("batch_size", "learning_rate", "normalise", "voxel_size", "augment", "seed")


class TrainForm(Form):
    """How to train, whatever the labels mean: the session's `config`, shown and set.

    Parameters
    ----------
    session : Session
        What its model does not go by is greyed out.
    """

    def __init__(self, session: "Session") -> None:
        super().__init__(TrainConfig, hide=HIDE, more=MORE)
        self._session = session
        self._show_config()
        self._grey_out_unused()
        self.changed.connect(self._tell)
        session.config_changed.connect(self._show_config)
        session.segmenter_changed.connect(self._grey_out_unused)

    def _tell(self) -> None:
        if problem_of(self.value) is None:
            self._session.config = self.value()

    def _show_config(self) -> None:
        if problem_of(self.value) or self.value() != self._session.config:
            self.set_value(self._session.config)

    def _grey_out_unused(self) -> None:
        info = model_info(self._session.segmenter.spec.name)
        reason = f"The {info.title.lower()} is not trained in steps: this does not count for it."
        self.grey_out(info.unused, reason)
