"""Choice of a layer for each channel that a model knows by name."""

import re
from collections.abc import Sequence
from functools import partial

from napari.layers import Image, Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_segkit._qt.layers.belonging import is_result
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import validation_error
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit.images.axes_image import as_image, full_resolution
from napari_segkit.images.channel_sources import require_one_grid

TIP = "<p>Image layer of the channel that the model was trained with by this name.</p>"


class ChannelLayers(QWidget):
    """A row for each channel, with the layer whose name has that of the channel preselected.

    It is hidden, and has no channels, where the image itself has all channels of the model.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._names: tuple[str, ...] = ()
        self._image: Image | None = None
        self._axes: str | None = None
        self.rows: dict[str, LayerChoice] = {}
        self.setVisible(False)

    def show_channels(self, names: Sequence[str], image: Image | None, axes: str | None) -> None:
        """Show a row for each name; none where the image has channels of its own."""
        names = () if image is None or "C" in (axes or "") else tuple(names)
        is_other = image is not self._image
        self._image, self._axes = image, axes
        if names != self._names:
            self._show_rows(names)
        elif is_other:
            for row in self.rows.values():
                row.by_hand = False
                row.choose_default()

    @property
    def layers(self) -> dict[str, Layer | None]:
        """The layer of each channel; empty where the image has all channels."""
        return {name: row.value for name, row in self.rows.items()}

    @property
    def problem(self) -> str | None:
        """What is wrong with the choice; None if nothing is."""
        for name, layer in self.layers.items():
            if layer is None:
                return f"Choose the layer of the channel {name!r} of the model."
        chosen: dict[Layer | None, str] = {}
        for name, layer in self.layers.items():
            if layer is not None and layer in chosen:
                return (
                    f"{layer.name} is chosen for the channels {chosen[layer]!r} and {name!r}: "
                    "choose a layer for each."
                )
            chosen[layer] = name
        return validation_error(self._require_one_grid) if chosen else None

    def _require_one_grid(self) -> None:
        images = [as_image(x, self._axes_of(x)) for x in self.layers.values() if x is not None]
        require_one_grid(images, tuple(self.rows), ", ".join(self.rows))

    def _axes_of(self, layer: Layer) -> str | None:
        """The axes chosen for the image, for layers with as many dimensions."""
        has_all = self._axes and len(self._axes) == full_resolution(layer).ndim
        return self._axes if has_all else None

    def _show_rows(self, names: tuple[str, ...]) -> None:
        while self._form.rowCount():
            self._form.removeRow(0)
        self._names, self.rows = names, {}
        for name in names:
            row = LayerChoice(
                self._session.viewer, "image", rank=partial(self._rank, name), tooltip=TIP
            )
            row.changed.connect(self._on_layer)
            self._form.addRow(name, row.native)
            self.rows[name] = row
        self.setVisible(bool(names))
        self.changed.emit()

    def _on_layer(self) -> None:
        self.changed.emit()

    def _rank(self, name: str, layer: Layer) -> int | None:
        """How well the name of a layer fits that of a channel, lower is better; None: not at all.

        Among layers that do, one with the shape of the image, whose name is like it, comes first.
        """
        words, wanted = _words(layer.name), self._own_words(name)
        if is_result(layer) or not wanted <= words:
            return None
        image = self._image
        other_shape = image is not None and _shape(layer) != _shape(image)
        unlike = 0 if image is None else len(_words(image.name) ^ words)
        return 1000 * other_shape + 10 * unlike + (layer.name != name)

    def _own_words(self, name: str) -> set[str]:
        """The words of a channel's name that not all channels have."""
        shared = _words(name)
        for other in self._names:
            shared &= _words(other)
        return _words(name) - shared or _words(name)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", name.casefold()))


def _shape(layer: Layer) -> tuple[int, ...]:
    return tuple(full_resolution(layer).shape)
