"""A choice of a layer that follows the layer selected in the viewer, unless pinned."""

from collections.abc import Callable

from napari.layers import Image, Labels, Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget

from napari_segkit._qt.layers.belonging import image_of, rank_of
from napari_segkit._qt.layers.layer_watcher import Listener
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session
from napari_segkit.images.layer_metadata import LayerMetadata

from .dock import stack
from .layer_choice import LayerChoice

KINDS = Labels, Image
PIN_TIP = "<p>Keep this layer while other layers are selected in the layer list.</p>"


class Following(QWidget):
    """A layer choice with its pin; never changes while a task runs.

    `target` gives the layer to choose when a layer is selected; None: the choice stays.
    """

    followed = Signal(object)  # the selected layer, after the choice

    def __init__(
        self, session: Session, choice: LayerChoice, target: Callable[[Layer], Layer | None]
    ) -> None:
        super().__init__()
        self.pin = QPushButton("Pin", toolTip=PIN_TIP, checkable=True)
        self.pin.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._session, self._choice, self._target = session, choice, target
        self._layers = unwrapped(session.viewer).layers
        self._selection = Listener(self, self.follow)
        self._selection.listen([self._layers.selection.events.active])
        stack(self, (choice.native, self.pin))
        session.busy_changed.connect(self.follow)
        self.pin.toggled.connect(self.follow)

    def follow(self, *_: object) -> None:
        """Choose what the selected layer asks for."""
        selected = self._layers.selection.active
        if selected is None or self.pin.isChecked() or self._session.task is not None:
            return
        target = self._target(selected)
        other = target is not None and target is not self._choice.value
        if other and target in self._choice.choices:
            self._choice.suggest(target)
        self.followed.emit(selected)


def follow_image(session: Session, choice: LayerChoice) -> Following:
    """Follow the selected image, or the image that the selected layer belongs to."""

    def target(layer: Layer) -> Layer | None:
        if isinstance(layer, Image) and not LayerMetadata.of(layer).kind:
            return layer
        return image_of(session, layer, choice.value) if isinstance(layer, KINDS) else None

    return Following(session, choice, target)


def follow_result(
    session: Session, choice: LayerChoice, is_result: Callable[[Layer], bool]
) -> Following:
    """Follow the selected result, or the topmost one of the selected image."""

    def target(layer: Layer) -> Layer | None:
        if layer in choice.choices and is_result(layer):
            return layer
        if not isinstance(layer, Image) or layer is choice.value:
            return None
        results = (choice.value, *filter(is_result, choice.choices))  # the current one may stay
        return next((x for x in results if x and rank_of(session, x, layer) is not None), None)

    return Following(session, choice, target)
