"""What a model is for, and what it needs."""

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.models import encoders, model_info

from .model_estimate import ModelEstimate, look

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_MS = 300  # the dock is on screen before torch is imported


class ModelDetails(Note):
    """What a model is for, its size, its need of memory, its licence, its pretrained weights.

    What torch has to be asked for arrives a moment later, and only while this is on screen.

    Attributes
    ----------
    found : Signal(object)
        The new `ModelEstimate`.
    """

    found = Signal(object)

    def __init__(self) -> None:
        super().__init__(" ")
        self._shown: tuple[Any, ...] = ()
        self._wanted: Callable[[], ModelEstimate] | None = None  # where nobody has seen it so far
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        self._latest.returned.connect(self._on_found)
        self._latest.errored.connect(self._on_errored)

    @property
    def is_looking(self) -> bool:
        """Whether what is shown is about to be completed."""
        return self._latest.is_busy

    def show_problem(self, problem: str) -> None:
        """Say why there is nothing to describe."""
        self._shown, self._wanted = (), None
        self._latest.forget()
        self.setText(f"<b>{escape(problem)}</b>")

    def show_model(
        self,
        spec: ModelSpec,
        image: AxesImage | None,
        classes: int,
        config: TrainConfig,
        device: str,
    ) -> None:
        """Describe a model; what is given is as in `model_facts.look`."""
        size = image and (image.data.shape, image.axes, image.spacing, image.alpha)
        shown = spec, config, size, classes, device
        if shown != self._shown:
            self._shown = shown
            self._wanted = partial(look, spec, image, classes, config, device)
            self._latest.forget()
            self.setText(describe(spec, config))
            self._ask()

    def setText(self, text: str) -> None:
        """Show other words."""
        super().setText(text)
        self._keep_room()

    def resizeEvent(self, event: Any) -> None:
        """Keep room for all lines."""
        super().resizeEvent(event)
        self._keep_room()

    def showEvent(self, event: Any) -> None:
        """Ask for what nobody has seen so far."""
        super().showEvent(event)
        self._ask()

    def _keep_room(self) -> None:
        """A form's layout may give words that came later the height of those before."""
        self.setMinimumHeight(self.heightForWidth(self.width()))

    def _ask(self) -> None:
        if self._wanted is not None and self.isVisible():
            wanted, self._wanted = self._wanted, None
            self._latest.ask(wanted)

    def _on_found(self, facts: ModelEstimate) -> None:
        spec, config, *_ = self._shown
        self.setText(describe(spec, config, facts))
        self.found.emit(facts)

    def _on_errored(self, error: Exception) -> None:
        self.setText(f"<b>{escape(gui_message(str(error)))}</b>")


def describe(spec: ModelSpec, config: TrainConfig, facts: ModelEstimate | None = None) -> str:
    """A model in rich text.

    Parameters
    ----------
    spec : ModelSpec
        Its encoder named.
    config : TrainConfig
        Its batch size is told with the memory.
    facts : ModelEstimate, optional
        What torch was asked for; None while it is being asked.
    """
    info = model_info(spec.name)
    rows = {
        "Works in": " and ".join(f"{n}D" for n in info.dims),
        "Parameters": _parameters(facts) if facts else "…",
        "Memory": _memory(facts, config.batch_size) if facts else "…",
        "Pretrained": ", ".join(facts.weights) or "none" if facts else "…",
        "Licence": _licence(spec),
    }
    cells = "".join(
        f"<tr><td>{name}&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    return f"{escape(info.about)}<table>{cells}</table>"


def _parameters(facts: ModelEstimate) -> str:
    return f"{facts.size.parameters / 1e6:.1f} M" if facts.size else "few"


def _memory(facts: ModelEstimate, batch: int) -> str:
    if facts.size is None:
        return "little: its tiles are cut to fit"
    training, prediction = facts.size.training_memory, facts.size.prediction_memory
    tiles = f"{batch} tiles of {' x '.join(map(str, facts.tile))}"
    least = "at least " if facts.size.at_least else ""
    need = f"{least}train {_gib(training)}, predict {_gib(prediction)} ({tiles})"
    if facts.free is None:
        return need
    if training > facts.free:
        return f"{need}: more than the {_gib(facts.free)} free; take smaller tiles or batches"
    return f"{need}; {_gib(facts.free)} free"


def _licence(spec: ModelSpec) -> str:
    own = encoders.licence(str(spec.encoder))
    licence = model_info(spec.name).licence
    return f"{licence}; encoder: {own}" if own else licence


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
