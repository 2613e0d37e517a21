"""What of an image is predicted: its channels, its level, and at which pixel size."""

from dataclasses import replace
from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox
from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import stack, validation_error
from napari_segkit._qt.widgets.gui_messages import RESAMPLE, gui_message
from napari_segkit._qt.widgets.place_note import PlaceNote
from napari_segkit.config import PredictConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.images.axes_image import AxesImage, as_image

from .channel_layers import ChannelLayers
from .level_choice import LevelChoice

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


class ImageOptions(QWidget):
    """Layers of the channels, the level of a pyramid, and resampling; only what applies shows."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._image: Image | None = None
        self._axes: str | None = None
        self._model: TrainedModel | None = None
        self.channels = ChannelLayers(session)
        self.level = LevelChoice()
        self.pixel_size = PlaceNote(self._pixel_size)
        about = config_fields(PredictConfig)["resample"].about
        self.resample = CheckBox(text=RESAMPLE, tooltip=f"<p>{about}</p>")
        self.of_one = QWidget()  # what holds for the chosen image only
        stack(self.of_one, self.channels, self.level)
        stack(self, self.of_one, self.pixel_size, self.resample)
        self.channels.changed.connect(self._on_change)
        self.level.changed.connect(self._on_change)
        self.resample.changed.connect(self._on_change)
        self._on_change()

    def show_image(
        self, image: Image | None, axes: str | None, model: "TrainedModel | None"
    ) -> None:
        """Show what can be chosen of an image for a model."""
        self._image, self._axes, self._model = image, axes, model
        self.channels.show_channels(() if model is None else model.channel_names, image, axes)
        self.level.show_levels(image, axes, model)
        self.pixel_size.follow(image)
        self._on_change()

    @property
    def source(self) -> Image | dict[str, Image]:
        """The image, or the layer of each of its channels."""
        return self.channels.layers or self._image

    @property
    def place(self) -> Image | None:
        """The layer that lies where the result will: the image, or its first channel."""
        return next(iter(self.channels.layers.values()), self._image)

    def config(self, config: PredictConfig) -> PredictConfig:
        """Settings of a prediction, with the level and the resampling that are chosen."""
        return replace(config, level=self.level.value, resample=self._resamples)

    def code(self) -> str:
        """Python expression for the image, or for its channels."""
        channels = self.channels.layers
        if not channels:
            return python_snippets.layer(self._image)
        pairs = (f"{name!r}: {python_snippets.layer(layer)}" for name, layer in channels.items())
        return f"{{{', '.join(pairs)}}}"

    @property
    def problem(self) -> str | None:
        """Why the choice cannot be predicted; None if it can."""
        return self.channels.problem or validation_error(self._require_sizes)

    @property
    def _resamples(self) -> bool:
        return self.resample.native.isVisibleTo(self) and self.resample.value

    def _at_level(self) -> AxesImage | None:
        if self._image is None or self._axes is None:
            return None
        return as_image(self._image, self._axes, level=self.level.value)

    def _require_sizes(self) -> None:
        image = self._at_level()
        if image is not None and self._model is not None:
            self._model.voxel_size_for(image, resample=self._resamples)

    def _pixel_size(self) -> str | None:
        """How the pixel size differs from that of the training, or which is unknown."""
        image, model = self._at_level(), self._model
        if image is None or model is None:
            return None
        difference = model.pixel_size_note(image)
        self.resample.native.setVisible(difference is not None)
        text = difference or model.unknown_size_note(image)
        return text and gui_message(text)

    def _on_change(self) -> None:
        self.pixel_size.update_text()
        self.changed.emit()
