"""The dock that predicts."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_segkit.config import TileConfig, call

from . import snippets
from .axes_choice import AxesChoice
from .choices import LayerChoice
from .device_line import DeviceLine
from .forms import Form
from .model_line import summary
from .panel import Dock, Note, problem_of
from .runbar import RunBar

if TYPE_CHECKING:
    import napari


class PredictDock(Dock):
    """Predict an image with the session's model.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose layers are offered.

    Attributes
    ----------
    written : Signal(object)
        The Labels layer that shows a new prediction.
    """

    written = Signal(object)

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.model = Note()
        self.image = LayerChoice(self.viewer, "image")
        self.axes = AxesChoice()
        self.form = Form(TileConfig)
        self.device = DeviceLine()
        self.bar = RunBar(self.session, "Predict")
        self._lay_out()
        self._connect()
        self._on_segmenter()

    def predict(self) -> None:
        """Predict the chosen image as it is now."""
        image, tile = self.image.current_layer(), self.form.value()
        task = self.session.predict(image, tile, axes=self.axes.resolved())
        task.delivery.written.connect(self._on_written)
        self.bar.follow(task)

    def code(self) -> str:
        """The Python that predicts as the button does."""
        given = f"{snippets.layer(self.image.current_layer())}, {call(self.form.value())}"
        axes = snippets.keywords(axes=self.axes.axes())
        return snippets.with_import(f"session(viewer).predict({given}{axes})")

    def _lay_out(self) -> None:
        self.add_group("Model", _model=self.model)
        self.add_group("Image", image=self.image, axes=self.axes)
        self.add_group("Tiles", _form=self.form, device=self.device)
        self.footer.addWidget(self.bar)

    def _connect(self) -> None:
        self.image.layer_changed.connect(self._on_image)
        self.axes.currentIndexChanged.connect(self._update_state)
        self.form.changed.connect(self._update_state)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.session.busy_changed.connect(self._update_state)
        self.bar.pressed.connect(self.predict)
        self.bar.copy_pressed.connect(self._on_copy)
        self.bar.yielded.connect(self._on_step)

    def _on_image(self) -> None:
        trained = self.session.segmenter.trained
        self.axes.set_image(self.image.current_layer(), like=trained.axes if trained else None)
        self._update_state()

    def _on_segmenter(self) -> None:
        self.device.show_device(self.session.segmenter.device)
        self.model.setText(summary(self.session.segmenter))
        self._on_image()

    def _on_step(self, step: Any) -> None:
        self.bar.say(f"Tile {step.done} of {step.total}")

    def _on_written(self, layer: Any) -> None:
        self.bar.say(f"Written to the layer {layer.name!r}.")
        self.written.emit(layer)

    def _on_copy(self) -> None:
        self.bar.copy(self.code())

    def _missing(self) -> str | None:
        """Why nothing can be predicted, in words."""
        if not self.session.segmenter.is_trained:
            return "Train or load a model first."
        if self.image.current_layer() is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        return self.axes.problem or problem_of(self.form.value)

    def _update_state(self) -> None:
        missing = self._missing()
        self.bar.set_reason(missing)
        self.bar.copy_button.setEnabled(missing is None)
