"""What is painted on a Labels layer, as patches for a training that runs."""

from collections import deque
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.events import Event
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_segkit._qt.layers.layer_classes import bounds
from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit.images.regions import Box, union
from napari_segkit.images.types import AnyArray

WAIT_MS = 150  # for what follows a change that napari announces without its place
AT_ONCE = 2**20  # pixels that are compared between two turns of the event loop


@dataclass(frozen=True, eq=False)
class Patch:
    """Label values of a box of a layer, which nobody changes any more."""

    start: tuple[int, ...]
    values: AnyArray


class StrokeWatcher(QObject):
    """Sends what changes in a Labels layer since `known`, a copy of its pixels.

    napari tells where a stroke or a fill was made, but not what undo, redo or a script changed:
    then the layer is compared with what is known, piece by piece between other events.
    """

    changed = Signal(int, object)  # number of the image, Patch
    replaced = Signal(
        str
    )  # name of the layer: the pixels now have another shape or dtype: it watches no longer

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Labels,
        known: AnyArray,
        number: int = 0,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.layer, self._number = layer, number
        self._known = known.copy()
        self._boxes: deque[Box] = deque()  # to be compared
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._compare)
        self._redraws = LayerWatcher(viewer, self)  # other slices are no change
        self._redraws.watch(layer)
        self._redraws.redrawn.connect(self._on_redrawn)
        layer.events.paint.connect(self._on_painted)
        layer.events.data.connect(self._on_redrawn)
        self._on_redrawn()  # what was painted since the copy was made

    def close(self) -> None:
        """Watch no longer."""
        self._timer.stop()
        self._boxes.clear()
        self._redraws.watch(None)
        for emitter, slot in (
            (self.layer.events.paint, self._on_painted),
            (self.layer.events.data, self._on_redrawn),
        ):
            emitter.disconnect(slot)

    def _on_painted(self, event: Event) -> None:
        """A stroke, a fill or a polygon has ended."""
        if not isalive(self):
            return
        if event.value:
            self._boxes.append(union([_box_of(atom, self._known.shape) for atom in event.value]))
            self._timer.start(0)

    def _on_redrawn(self) -> None:
        whole = tuple(slice(0, n) for n in self._known.shape)
        if isalive(self) and whole not in self._boxes:
            self._boxes.append(whole)
            self._timer.start(WAIT_MS)

    def _compare(self) -> None:
        pixels = self.layer.data
        if pixels.shape != self._known.shape or pixels.dtype != self._known.dtype:
            self.close()
            self.replaced.emit(self.layer.name)
            return
        budget = AT_ONCE
        while self._boxes and budget > 0:
            box = self._boxes.popleft()
            if prod(_lengths(box)) > AT_ONCE:
                self._boxes.extendleft(_halves(box))
            else:
                budget -= prod(_lengths(box))
                self._send_changes(pixels, box)
        if self._boxes:
            self._timer.start(0)

    def _send_changes(self, pixels: AnyArray, box: Box) -> None:
        changed = pixels[box] != self._known[box]
        if not changed.any():
            return
        inner = tuple(
            slice(side.start + part.start, side.start + part.stop)
            for side, part in zip(box, bounds(changed), strict=True)
        )
        values = pixels[inner].copy()
        self._known[inner] = values
        values.setflags(write=False)
        self.changed.emit(self._number, Patch(tuple(side.start for side in inner), values))


def _box_of(atom: Any, shape: tuple[int, ...]) -> Box:
    """Where an edit of napari's history lies."""
    key = getattr(atom, "slice_key", None)
    key = atom[0] if key is None else key
    return tuple([_side(places, n) for places, n in zip(key, shape, strict=True)])


def _side(places: Any, length: int) -> slice:
    """The span of an index along an axis: a slice, a number or numbers."""
    if isinstance(places, slice):
        return slice(*places.indices(length)[:2])
    numbers = np.asarray(places) % length  # they may count from the end
    return slice(int(numbers.min()), int(numbers.max()) + 1)


def _lengths(box: Box) -> list[int]:
    return [side.stop - side.start for side in box]


def _halves(box: Box) -> tuple[Box, Box]:
    """A box divided across its longest side."""
    axis = int(np.argmax(_lengths(box)))
    side = box[axis]
    middle = (side.start + side.stop) // 2
    halves = slice(side.start, middle), slice(middle, side.stop)
    first, second = [(*box[:axis], half, *box[axis + 1 :]) for half in halves]
    return first, second
