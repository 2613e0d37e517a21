"""Clicks on the canvas that move nothing."""

from collections.abc import Callable, Generator
from typing import Any
from weakref import finalize, ref

from napari.components import ViewerModel
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

CLICK_MODES = ("pan_zoom", "pick")  # of layers; the others paint


class CanvasClicks(QObject):
    """Tells of clicks without a drag, unless the active layer is painted on or edited."""

    clicked = Signal(object, object)  # position in the world, and the displayed dimensions

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        callbacks, clicks = viewer.mouse_drag_callbacks, _clicks_for(self)
        callbacks.append(clicks)
        finalize(self, callbacks.remove, clicks)


def _clicks_for(
    listener: CanvasClicks,
) -> Callable[[ViewerModel, Any], Generator[None, None, None]]:
    """A callback of the canvas that does not keep the listener alive."""
    known = ref(listener)

    def on_pressed(viewer: ViewerModel, event: Any) -> Generator[None, None, None]:
        position, displayed = tuple(event.position), tuple(event.dims_displayed)
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        listener, active = known(), viewer.layers.selection.active
        is_painting = active is not None and active.mode not in CLICK_MODES
        if listener is not None and isalive(listener) and not (moved or is_painting):
            listener.clicked.emit(position, displayed)

    return on_pressed
