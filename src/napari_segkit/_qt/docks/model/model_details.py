"""Description of a model: purpose, size, memory, licence, pretrained weights."""

from functools import partial
from html import escape
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.model_estimate import ModelEstimate, estimate_model
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.models import encoders, model_info

WAIT_MS = 300  # the dock is on screen before torch is imported


class ModelDetails(Note):
    """Describes a model; estimates are computed in the background while this is visible."""

    estimated = Signal(object)  # ModelEstimate

    def __init__(self) -> None:
        super().__init__(" ", rich=True)
        self._model: tuple[Any, ...] = ()
        self._pending: partial[ModelEstimate] | None = None  # runs when this becomes visible
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        self._latest.returned.connect(self._on_estimate)
        self._latest.errored.connect(self._on_errored)

    def show_problem(self, problem: str) -> None:
        """Show why the model cannot be used."""
        self._model, self._pending = (), None
        self._latest.cancel()
        self.setText(f"<b>{escape(problem)}</b>")

    def show_model(
        self,
        spec: ModelSpec,
        image: AxesImage | None,
        classes: int,
        config: TrainConfig,
        device: str,
    ) -> None:
        """Describe a model; arguments as in `estimate_model`."""
        size = image and (image.data.shape, image.axes, image.spacing, image.alpha)
        model = spec, config, size, classes, device
        if model != self._model:
            self._model = model
            self._pending = partial(estimate_model, spec, image, classes, config, device)
            self._latest.cancel()
            self.setText(describe_model(spec, config))
            self._start_estimate()

    def showEvent(self, event: QShowEvent) -> None:
        """Start the pending estimate."""
        super().showEvent(event)
        self._start_estimate()

    def _start_estimate(self) -> None:
        if self._pending is not None and self.isVisible():
            pending, self._pending = self._pending, None
            self._latest.submit(pending)

    def _on_estimate(self, estimate: ModelEstimate) -> None:
        spec, config, *_ = self._model
        self.setText(describe_model(spec, config, estimate))
        self.estimated.emit(estimate)

    def _on_errored(self, error: BaseException) -> None:
        self.setText(f"<b>{escape(error_text(error, 'Estimating the model'))}</b>")


def describe_model(
    spec: ModelSpec, config: TrainConfig, estimate: ModelEstimate | None = None
) -> str:
    """Model description as rich text; without an estimate, its rows show an ellipsis."""
    info = model_info(spec.name)
    rows = {
        "Dimensions": " and ".join(f"{n}D" for n in info.dims),
        "Parameters": _parameters(estimate) if estimate else "…",
        "Memory": _memory(estimate, config.batch_size) if estimate else "…",
        "Pretrained": ", ".join(estimate.weights) or "none" if estimate else "…",
        "Licence": _licence(spec),
    }
    cells = "".join(
        f"<tr><td>{name}&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    return f"{escape(info.about)}<table>{cells}</table>"


def _parameters(estimate: ModelEstimate) -> str:
    return f"{estimate.size.parameters / 1e6:.1f} M" if estimate.size else "few"


def _memory(estimate: ModelEstimate, batch: int) -> str:
    if estimate.size is None:
        return "low; the tile size is chosen to fit"
    training, prediction = estimate.size.training_memory, estimate.size.prediction_memory
    tiles = f"{batch} tiles of {' x '.join(map(str, estimate.tile))}"
    least = "at least " if estimate.size.at_least else ""
    need = f"{least}{_gib(training)} for training, {_gib(prediction)} for prediction ({tiles})"
    if estimate.free is None:
        return need
    if training > estimate.free:
        return f"{need}: more than the {_gib(estimate.free)} free; reduce tile size or batch size"
    return f"{need}; {_gib(estimate.free)} free"


def _licence(spec: ModelSpec) -> str:
    encoder = encoders.licence(str(spec.encoder))
    licence = model_info(spec.name).licence
    return f"{licence}; encoder: {encoder}" if encoder else licence


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
