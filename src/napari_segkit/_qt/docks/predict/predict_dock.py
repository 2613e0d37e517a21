"""The dock that predicts."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.axes_choice import AxesChoice
from napari_segkit._qt.widgets.device_line import DeviceLine
from napari_segkit._qt.widgets.dock import Dock, Note, problem_of
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.model_summary import can_predict, summary
from napari_segkit._qt.widgets.refine_form import RefineForm, cleanup_classes, unit_of
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.config import ObjectConfig, RefineConfig, TileConfig
from napari_segkit.config._schema import to_python

from .objects_panel import ObjectsPanel, kind_given
from .probabilities_row import ProbabilitiesRow

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
        The Labels layer that shows a new prediction, or other objects of it.
    """

    written = Signal(object)

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.model = Note()
        self.image = LayerChoice(self.viewer, "image")
        self.axes = AxesChoice()
        self.form = Form(TileConfig)
        self.objects = ObjectsPanel(self.session)
        self.refine = RefineForm()
        self.maps = ProbabilitiesRow(self.session)
        self._own = RefineConfig()  # the recipe of the model
        self.device = DeviceLine()
        self.bar = RunBar(self.session, "Predict")
        self._lay_out()
        self._connect()
        self._on_segmenter()

    @property
    def gives_objects(self) -> bool:
        """Whether the session's model finds objects."""
        return kind_given(self.session.segmenter) != "semantic"

    def predict(self) -> None:
        """Predict the chosen image as it is now."""
        image, tile = self.image.current_layer(), self.form.value()
        objects = self.objects.config() if self.gives_objects else None
        more: dict[str, Any] = {"refine": self.recipe(), "probabilities": self.maps.keep.value()}
        axes = self.axes.resolved()
        task = self.session.predict(image, tile, axes=axes, objects=objects, **more)
        task.writer.written.connect(self._on_written)
        self.bar.follow(task)

    def recipe(self) -> RefineConfig | None:
        """What is to be done to the probabilities; None: what the model's own recipe says."""
        chosen = self.refine.value()
        return None if chosen == self._own else chosen

    def code(self) -> str:
        """The Python that predicts as the button does."""
        given = f"{python_snippets.layer(self.image.current_layer())}, {to_python(self.form.value())}"
        more = python_snippets.keywords(axes=self.axes.axes())
        objects = self.objects.form.value()
        if self.gives_objects and objects != ObjectConfig():
            more += f", objects={to_python(objects)}"
        if (recipe := self.recipe()) is not None:
            more += f", refine={to_python(recipe)}"
        more += ", probabilities=True" * self.maps.keep.value()
        return python_snippets.with_import(f"session(viewer).predict({given}{more})")

    def _lay_out(self) -> None:
        self.add_group("Model", _model=self.model)
        self.add_group("Image", image=self.image, axes=self.axes)
        self.group = self.add_group("Objects", _objects=self.objects)
        self.add_group("Refine", _form=self.refine, _maps=self.maps)
        self.add_group("Tiles", _form=self.form, device=self.device)
        self.footer.addWidget(self.bar)

    def _connect(self) -> None:
        self.image.layer_changed.connect(self._on_image)
        self.axes.currentIndexChanged.connect(self._update_state)
        self.form.changed.connect(self._update_state)
        self.objects.changed.connect(self._update_state)
        self.objects.said.connect(self._on_said)
        self.refine.changed.connect(self._update_state)
        self.maps.said.connect(self._on_said)
        self.objects.written.connect(self.written)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.session.busy_changed.connect(self._update_state)
        self.bar.pressed.connect(self.predict)
        self.bar.copy_pressed.connect(self._on_copy)
        self.bar.yielded.connect(self._on_step)

    def _on_image(self) -> None:
        trained = self.session.segmenter.trained
        self.axes.set_image(self.image.current_layer(), like=trained.axes if trained else None)
        self._show_recipe()
        self._update_state()

    def _on_segmenter(self) -> None:
        self.device.show_device(self.session.segmenter.device)
        self.model.setText(summary(self.session.segmenter))
        self.objects.set_segmenter(self.session.segmenter)
        self.group.setVisible(self.gives_objects)
        self._on_image()

    def _show_recipe(self) -> None:
        """Take the recipe of another model over."""
        segmenter, image = self.session.segmenter, self.image.current_layer()
        self.refine.set_classes(cleanup_classes(segmenter), unit_of(image))
        if segmenter.refine != self._own:
            self._own = segmenter.refine
            self.refine.set_value(self._own)

    def _on_step(self, step: Any) -> None:
        self.bar.say(f"Tile {step.done} of {step.total}")

    def _on_written(self, layer: Any) -> None:
        self.bar.say(f"Written to the layer {layer.name!r}.")
        self.written.emit(layer)

    def _on_said(self, text: str) -> None:
        if not self.bar.is_running:
            self.bar.say(text)

    def _on_copy(self) -> None:
        self.bar.copy(self.code())

    def _missing(self) -> str | None:
        """Why nothing can be predicted, in words."""
        if not can_predict(self.session.segmenter):
            return "Train or load a model first."
        if self.image.current_layer() is None:
            return "No Image layer: open an image, or File > Open Sample > SegKit."
        problem = self.axes.problem or problem_of(self.form.value) or problem_of(self.refine.value)
        return problem or (self.objects.problem if self.gives_objects else None)

    def _update_state(self) -> None:
        missing = self._missing()
        self.bar.set_reason(missing)
        self.bar.copy_button.setEnabled(missing is None)
