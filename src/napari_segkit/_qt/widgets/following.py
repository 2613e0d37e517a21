"""A choice of a layer that follows the layer selected in the viewer, unless pinned."""

from collections.abc import Callable
from weakref import ref

from napari.layers import Image, Labels, Layer
from napari.utils.events import Event
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget

from napari_segkit._qt.layers.belonging import image_of, is_mask, is_result, rank_of
from napari_segkit._qt.layers.layer_watcher import Listener
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session

from .dock import stack
from .layer_choice import LayerChoice

KINDS = Labels, Image
PIN_TIP = "<p>Keep this layer while other layers are selected in the layer list.</p>"


class Following(QWidget):
    """A layer choice with its pin; never changes while a task runs.

    `target` gives the layer to choose when a layer is selected; None: the choice stays. Layers
    that `waits` are followed once a person selects them, not when they appear.
    """

    followed = Signal(object)  # the selected layer, after the choice

    def __init__(
        self,
        session: Session,
        choice: LayerChoice,
        target: Callable[[Layer], Layer | None],
        waits: Callable[[Layer], bool],
    ) -> None:
        super().__init__()
        self.pin = QPushButton("Pin", toolTip=PIN_TIP, checkable=True)
        self.pin.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._session, self._choice = session, choice
        self._target, self._waits = target, waits
        self._layers = unwrapped(session.viewer).layers
        self._added: Callable[[], Layer | None] = lambda: None
        self._is_due = False
        self._layers.events.inserted.connect(self._on_inserted, position="first")
        self._selection = Listener(self, self.follow)
        self._selection.listen([self._layers.selection.events.active])
        stack(self, (choice.native, self.pin))
        session.busy_changed.connect(self._on_busy)
        self.pin.toggled.connect(self.follow)

    def follow(self, *_: object) -> None:
        """Choose what the selected layer asks for; while a task runs, once it has ended."""
        self._is_due = self._session.task is not None
        selected = self._layers.selection.active
        if selected not in (None, self._added()):
            self._added = lambda: None
        if selected is None or self.pin.isChecked() or self._is_due:
            return
        if self.is_just_added(selected) and self._waits(selected):
            return
        target = self._target(selected)
        other = target is not None and target is not self._choice.value
        if other and target in self._choice.choices:
            self._choice.suggest(target)
        self.followed.emit(selected)

    def is_just_added(self, layer: Layer) -> bool:
        """Whether napari selected a layer because it was added, and none was selected since."""
        return layer is self._added()

    def _on_inserted(self, event: Event) -> None:
        self._added = ref(event.value)

    def _on_busy(self) -> None:
        if self._is_due:
            self.follow()


def follow_image(session: Session, choice: LayerChoice) -> Following:
    """Follow the selected image, or the image that the selected layer belongs to."""

    def target(layer: Layer) -> Layer | None:
        if isinstance(layer, Image) and not is_result(layer):
            return layer
        return image_of(session, layer, choice.value) if isinstance(layer, KINDS) else None

    return Following(session, choice, target, is_result)


def follow_result(
    session: Session, choice: LayerChoice, is_source: Callable[[Layer], bool]
) -> Following:
    """Follow the selected result, or the topmost one of the selected image."""

    def target(layer: Layer) -> Layer | None:
        if layer in choice.choices and is_source(layer):
            return layer
        if not isinstance(layer, Image) or layer is choice.value:
            return None
        results = (choice.value, *filter(is_source, choice.choices))  # the current one may stay
        return next((x for x in results if x and rank_of(session, x, layer) is not None), None)

    return Following(session, choice, target, is_mask)
