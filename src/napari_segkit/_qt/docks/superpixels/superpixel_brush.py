"""A brush that gives whole superpixels a label."""

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.canvas_coordinates import place_in

FIRST_REACH = 16  # pixels around the one that was met, at first
PAN = "Shift"


class SuperpixelBrush(QObject):
    """While it is on, a click or a drag on the canvas gives superpixels the selected label.

    It works where the Labels layer is the selected one and its mode is pan/zoom; a stroke is one
    step of undo. Dragging with Shift held moves the view.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose canvas it is; not kept alive.
    parent : QObject, optional
        Owner.

    Attributes
    ----------
    ended : Signal()
        Another mode was chosen for the layer.
    replace : bool
        Whether pixels that are labelled already get the label, too.
    """

    ended = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.replace = False
        self._viewer: Any = weakref.ref(viewer)
        self._labels: Any = None
        self._superpixels: Any = None
        self._callback = _weakly(self)

    @property
    def is_on(self) -> bool:
        """Whether it is in use."""
        return self._labels is not None

    def begin(self, labels: Any, superpixels: Any) -> None:
        """Take the brush.

        Parameters
        ----------
        labels : napari.layers.Labels
            What is painted on; its pixels are in memory.
        superpixels : napari.layers.Labels
            Of the same shape, in the same place; 0 is none.
        """
        self.end()
        self._viewer().layers.selection.active = labels
        labels.mode = "pan_zoom"
        labels.cursor = "cross"
        labels.mouse_drag_callbacks.append(self._callback)
        labels.events.mode.connect(self._on_mode)
        self._labels, self._superpixels = labels, superpixels

    def end(self) -> None:
        """Put the brush away."""
        labels, self._labels = self._labels, None
        if labels is None:
            return
        labels.events.mode.disconnect(self._on_mode)
        if self._callback in labels.mouse_drag_callbacks:  # napari empties those of removed layers
            labels.mouse_drag_callbacks.remove(self._callback)
        if labels.mode == "pan_zoom":
            labels.cursor = "standard"

    def stroke(self, event: Any) -> Any:
        """One stroke, as napari runs it: from the press to the release of the button."""
        if event.button != 1 or len(event.dims_displayed) != 2:
            return
        event.handled = True  # else the canvas would pan
        if PAN in event.modifiers:
            yield from self._pan(event)
            return
        done: set[int] = set()
        with self._labels.block_history():
            last = self._place(event)
            self._give(last, last, done)
            yield
            while event.type == "mouse_move":
                event.handled = True
                here = self._place(event)
                self._give(last, here, done)
                last = here
                yield

    def _on_mode(self) -> None:
        self.end()
        self.ended.emit()

    def _pan(self, event: Any) -> Any:
        """Move the view so that the place that was pressed stays below the pointer."""
        camera, shown = self._viewer().scene.camera, list(event.dims_displayed)
        start = np.asarray(event.position)[shown]
        yield
        while event.type == "mouse_move":
            event.handled = True
            moved = start - np.asarray(event.position)[shown]
            z, *plane = camera.center
            camera.center = (z, *(np.asarray(plane) + moved))
            yield

    def _place(self, event: Any) -> NDArray[np.float64]:
        return place_in(self._superpixels, event.position, event.dims_displayed)

    def _give(self, start: NDArray[Any], end: NDArray[Any], done: set[int]) -> None:
        """Give the superpixels between two places the selected label, each once a stroke."""
        labels, numbers = self._labels, self._superpixels.data
        for place in places_between(start, end, numbers.shape):
            number = int(numbers[place])
            if number == 0 or number in done:
                continue
            done.add(number)
            box, mask = whole(numbers, place)
            if not self.replace:
                mask &= labels.data[box] == 0
            where = (i + b.start for i, b in zip(np.nonzero(mask), box, strict=True))
            labels.data_setitem(tuple(where), labels.selected_label)


def places_between(
    start: NDArray[Any], end: NDArray[Any], shape: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """The pixels on a line that lie inside an array.

    Parameters
    ----------
    start, end : ndarray
        Its ends, in pixels.
    shape : tuple of int
        Of the array.
    """
    steps = int(np.ceil(np.abs(end - start).max())) + 1
    line = np.linspace(start, end, steps + 1).round().astype(int)
    inside = ((line >= 0) & (line < shape)).all(axis=1)
    return list(dict.fromkeys(map(tuple, line[inside].tolist())))


def whole(
    numbers: NDArray[Any], place: tuple[int, ...]
) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
    """Find all of the superpixel that lies at a place.

    Parameters
    ----------
    numbers : array-like of int
        Superpixels; each is one connected piece.
    place : tuple of int
        A pixel.

    Returns
    -------
    box : tuple of slice
        Pixels around the place, the whole superpixel among them.
    mask : ndarray of bool
        Where in the box it lies.
    """
    reach = np.full((len(place), 2), FIRST_REACH)
    number = numbers[place]
    while True:
        ends = [
            (max(0, p - a), min(n, p + b + 1))
            for p, (a, b), n in zip(place, reach, numbers.shape, strict=True)
        ]
        box = tuple(slice(*e) for e in ends)
        mask = np.asarray(numbers[box]) == number
        open_ = _touched(mask, ends, numbers.shape)
        if not open_.any():
            return box, mask
        reach[open_] *= 2


def _touched(
    mask: NDArray[np.bool_], ends: list[tuple[int, int]], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which sides of a box, none of the array's own, the mask reaches: ``(axes, 2)``."""
    touched = np.zeros((mask.ndim, 2), bool)
    for axis, ((low, high), length) in enumerate(zip(ends, shape, strict=True)):
        touched[axis, 0] = low > 0 and mask.take(0, axis).any()
        touched[axis, 1] = high < length and mask.take(-1, axis).any()
    return touched


def _weakly(brush: SuperpixelBrush) -> Any:
    """A callback for a layer that does not keep the brush alive."""
    reference = weakref.ref(brush)

    def stroke(_layer: Any, event: Any) -> Any:
        brush = reference()
        return iter(()) if brush is None else brush.stroke(event)

    return stroke
