"""Whether the session's model can be built at all."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit.config import FeatureConfig, ModelSpec
from napari_segkit.models import Inputs, build, choose_ndim, model_info, outputs

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session


class ModelCheck(QObject):
    """Tries in the background what no list can tell: timm's encoders, chosen features.

    Parameters
    ----------
    session : Session
        Whose model it is.
    parent : QObject, optional
        Owner.

    Attributes
    ----------
    changed : Signal()
        There is an answer.
    """

    changed = Signal()

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._asked: tuple[ModelSpec, int] | None = None
        self._problem: str | None = None
        self._latest = LatestCall(self)
        self._latest.returned.connect(self._on_checked)

    @property
    def is_looking(self) -> bool:
        """Whether an answer is still to come."""
        return self._latest.is_busy

    def problem(self, axes: str) -> str | None:
        """Why the model cannot be, in one sentence; None where it can or is yet to be tried.

        Parameters
        ----------
        axes : str
            Of the image it is to learn from.
        """
        spec = self._session.segmenter.spec
        try:
            asked = spec, choose_ndim(spec, axes)
        except ValueError as unfit:
            return gui_message(str(unfit))
        if asked != self._asked:
            self._asked, self._problem = asked, None
            self._latest.forget()
            if not _is_plain(spec):
                self._latest.ask(_check, *asked)
        return self._problem

    def _on_checked(self, problem: str | None) -> None:
        self._problem = problem and gui_message(problem)
        self.changed.emit()


def _is_plain(spec: ModelSpec) -> bool:
    """Whether the registry vouches for it."""
    return spec.encoder in model_info(spec.name).encoders and spec.features == FeatureConfig()


def _check(spec: ModelSpec, ndim: int) -> str | None:
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.models.meta_device import meta_device

    try:
        with meta_device():
            build(spec, Inputs(1, outputs(spec, 2), spacing=(1.0,) * ndim))
    except ValueError as error:
        return str(error)
    return None
