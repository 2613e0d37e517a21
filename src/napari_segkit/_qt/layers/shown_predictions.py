"""Key that hides predictions and shows them again."""

from typing import TYPE_CHECKING, Any
from weakref import WeakSet, ref

from napari.components import ViewerModel

from .prediction_look import predictions_in

if TYPE_CHECKING:
    from napari.layers import Labels

KEY = "H"


class ShownPredictions:
    """Hides all predictions of a viewer that are visible, and shows these again."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = ref(viewer)
        self._hidden: WeakSet[Labels] = WeakSet()
        bound = {str(key): function for key, function in viewer.keymap.items()}.get(KEY)
        if bound is None or isinstance(getattr(bound, "__self__", None), ShownPredictions):
            viewer.bind_key(KEY, self.toggle, overwrite=True)  # a person's own binding stays

    def toggle(self, *_: Any) -> None:
        """Hide what is visible; else show what was hidden here, or the topmost."""
        viewer = self._viewer()
        layers = [] if viewer is None else predictions_in(viewer)
        visible = [x for x in layers if x.visible]
        shown = [x for x in layers if x in self._hidden] or layers[:1]
        for layer in visible or shown:
            layer.visible = not visible
        self._hidden = WeakSet(visible)
