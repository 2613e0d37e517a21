"""Check whether the session's model can be built."""

from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit.config import FeatureConfig, ModelSpec
from napari_segkit.models import Inputs, build, choose_ndim, model_info, outputs


class ModelCheck(QObject):
    """Builds models in the background that no list can check: timm encoders, custom features."""

    changed = Signal()  # the check has ended

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._checked: tuple[ModelSpec, int] | None = None
        self._problem: str | None = None
        self._latest = LatestCall(self)
        self._latest.returned.connect(self._on_checked)

    def problem(self, axes: str) -> str | None:
        """Why the model cannot be trained on an image with these axes; None if unknown so far."""
        spec = self._session.segmenter.spec
        try:
            model = spec, choose_ndim(spec, axes)
        except ValueError as error:
            return gui_message(str(error))
        if model != self._checked:
            self._checked, self._problem = model, None
            self._latest.cancel()
            if not _is_registered(spec):
                self._latest.submit(partial(_check, *model))
        return self._problem

    def _on_checked(self, problem: str | None) -> None:
        self._problem = problem and gui_message(problem)
        self.changed.emit()


def _is_registered(spec: ModelSpec) -> bool:
    """Whether the registry lists the encoder, and features and options are the default ones."""
    is_listed = spec.encoder in model_info(spec.name).encoders
    return is_listed and spec.features == FeatureConfig() and not spec.options


def _check(spec: ModelSpec, ndim: int) -> str | None:
    from napari_segkit import devices  # noqa: F401  the first import of torch
    from napari_segkit.models.meta_device import meta_device

    try:
        with meta_device():
            build(spec, Inputs(1, outputs(spec, 2), spacing=(1.0,) * ndim))
    except ValueError as error:
        return str(error)
    return None
