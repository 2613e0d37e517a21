"""Shows on the canvas which regions a training holds out."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_segkit._qt.layers.held_out_layers import hatched, remove_held_out, show_held_out
from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.orientation import reorient

if TYPE_CHECKING:
    from napari_segkit.training.held_out import HeldOut

Hatching = tuple[Snapshot, str, NDArray[np.uint8]]  # image, its axes, lines


class HeldOutRegions(QObject):
    """Hatches the regions that the last training has held out of its layers."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._images: Sequence[Snapshot | None] = ()
        self._axes: str | None = None
        self._drawing = LatestCall(self)
        self._drawing.returned.connect(self._on_drawn)

    def start(self, images: Sequence[Snapshot | None], axes: str | None) -> None:
        """Remove the hatching of the training before; `images` are trained on, None: no layer."""
        self._images, self._axes = images, axes
        self._drawing.cancel()
        remove_held_out(self._session.viewer)

    def show(self, held_out: "HeldOut") -> None:
        """Hatch what is held out of the layers."""
        if held_out.how == "regions":
            self._drawing.submit(partial(_hatchings, self._images, held_out, self._axes))

    def _on_drawn(self, hatchings: Sequence[Hatching]) -> None:
        viewer = self._session.viewer
        if viewer is None:  # closed
            return
        shown = {str(layer.unique_id) for layer in viewer.layers}
        for image, axes, lines in hatchings:
            if image.unique_id in shown:
                show_held_out(viewer, image, axes, lines)


def _hatchings(
    images: Sequence[Snapshot | None], held_out: "HeldOut", axes: str | None
) -> list[Hatching]:
    return list(_each_hatching(images, held_out, axes))


def _each_hatching(
    images: Sequence[Snapshot | None], held_out: "HeldOut", axes: str | None
) -> Iterator[Hatching]:
    """Lines in the orientation of each image; the masks are in that of the first one."""
    target = None
    for image, mask in zip(images, held_out.masks, strict=False):
        if image is None:
            continue
        named = as_image(image, axes)
        target = named.orientation if target is None else target
        if mask is not None:
            own = reorient(mask, named.label_axes, target, named.orientation)
            yield image, named.axes, hatched(np.asarray(own))
