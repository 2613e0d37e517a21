"""Brush that labels entire superpixels."""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.events import Event
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.canvas_coordinates import canvas_to_data
from napari_segkit.images.types import AnyArray

INITIAL_RADIUS = 16  # pixels searched around the clicked one at first
PAN_KEY = "Shift"


class SuperpixelBrush(QObject):
    """Labels superpixels by clicks and drags on the canvas while it is active.

    The Labels layer must be selected and in pan/zoom mode. A stroke is one undo step; dragging
    with Shift moves the view.
    """

    ended = Signal()  # the user chose another layer mode
    _superpixels: Labels  # set by `begin`

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.replace = False  # whether to overwrite pixels that are labelled already
        self._viewer: Any = weakref.ref(viewer)
        self._labels: Labels | None = None
        self._callback = _weak_callback(self)

    @property
    def is_on(self) -> bool:
        return self._labels is not None

    def begin(self, labels: Labels, superpixels: Labels) -> None:
        """Start painting on in-memory labels; the superpixels have the same shape and transform."""
        self.end()
        self._viewer().layers.selection.active = labels
        labels.mode = "pan_zoom"
        labels.cursor = "cross"
        labels.mouse_drag_callbacks.append(self._callback)
        labels.events.mode.connect(self._on_mode)
        self._labels, self._superpixels = labels, superpixels

    def end(self) -> None:
        labels, self._labels = self._labels, None
        if labels is None:
            return
        labels.events.mode.disconnect(self._on_mode)
        if self._callback in labels.mouse_drag_callbacks:  # napari clears those of removed layers
            labels.mouse_drag_callbacks.remove(self._callback)
        if labels.mode == "pan_zoom":
            labels.cursor = "standard"

    def stroke(self, labels: Labels, event: Event) -> Iterator[None]:
        """Mouse drag callback of napari: one stroke."""
        if event.button != 1 or len(event.dims_displayed) != 2:
            return
        event.handled = True  # else the canvas would pan
        if PAN_KEY in event.modifiers:
            yield from self._pan(event)
            return
        done: set[int] = set()
        with labels.block_history():
            previous = self._pixel_at(event)
            self._paint(labels, previous, previous, done)
            yield
            while event.type == "mouse_move":
                event.handled = True
                current = self._pixel_at(event)
                self._paint(labels, previous, current, done)
                previous = current
                yield

    def _on_mode(self) -> None:
        self.end()
        self.ended.emit()

    def _pan(self, event: Event) -> Iterator[None]:
        """Move the view with the pointer."""
        camera, shown = self._viewer().scene.camera, list(event.dims_displayed)
        start = np.asarray(event.position)[shown]
        yield
        while event.type == "mouse_move":
            event.handled = True
            moved = start - np.asarray(event.position)[shown]
            z, *plane = camera.center
            camera.center = (z, *(np.asarray(plane) + moved))
            yield

    def _pixel_at(self, event: Event) -> NDArray[np.float64]:
        return canvas_to_data(self._superpixels, event.position, event.dims_displayed)

    def _paint(self, labels: Labels, start: AnyArray, end: AnyArray, done: set[int]) -> None:
        """Label the superpixels on a line, each once per stroke."""
        superpixels = self._superpixels.data
        for pixel in pixels_on_line(start, end, superpixels.shape):
            superpixel = int(superpixels[pixel])
            if superpixel == 0 or superpixel in done:
                continue
            done.add(superpixel)
            box, mask = superpixel_mask(superpixels, pixel)
            if not self.replace:
                mask &= labels.data[box] == 0
            where = (i + b.start for i, b in zip(np.nonzero(mask), box, strict=True))
            labels.data_setitem(tuple(where), labels.selected_label)


def pixels_on_line(start: AnyArray, end: AnyArray, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Pixels on a line, clipped to the array."""
    steps = int(np.ceil(np.abs(end - start).max())) + 1
    line = np.linspace(start, end, steps + 1).round().astype(int)
    inside = ((line >= 0) & (line < shape)).all(axis=1)
    return list(dict.fromkeys(map(tuple, line[inside].tolist())))


def superpixel_mask(
    superpixels: AnyArray, pixel: tuple[int, ...]
) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
    """Bounding box and mask of the connected superpixel at a pixel."""
    radius = np.full((len(pixel), 2), INITIAL_RADIUS)
    superpixel = superpixels[pixel]
    while True:
        ends = [
            (max(0, p - a), min(n, p + b + 1))
            for p, (a, b), n in zip(pixel, radius, superpixels.shape, strict=True)
        ]
        box = tuple(slice(*e) for e in ends)
        mask = np.asarray(superpixels[box]) == superpixel
        touched = _touched_sides(mask, ends, superpixels.shape)
        if not touched.any():
            return box, mask
        radius[touched] *= 2


def _touched_sides(
    mask: NDArray[np.bool_], ends: list[tuple[int, int]], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Sides of a box, inside the array, that the mask touches: ``(axes, 2)``."""
    touched = np.zeros((mask.ndim, 2), bool)
    for axis, ((low, high), length) in enumerate(zip(ends, shape, strict=True)):
        touched[axis, 0] = low > 0 and mask.take(0, axis).any()
        touched[axis, 1] = high < length and mask.take(-1, axis).any()
    return touched


def _weak_callback(brush: SuperpixelBrush) -> Callable[[Labels, Event], Iterator[None]]:
    """Layer callback that does not keep the brush alive."""
    reference = weakref.ref(brush)

    def stroke(labels: Labels, event: Event) -> Iterator[None]:
        brush = reference()
        return iter(()) if brush is None else brush.stroke(labels, event)

    return stroke
