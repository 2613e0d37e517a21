"""The dock that refines probabilities, objects and labels."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal

from napari_segkit._qt.session.refine_job import RefineRequest, RefineResult
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.device_line import DeviceLine
from napari_segkit._qt.widgets.dock import Dock, problem_of
from napari_segkit._qt.widgets.refine_form import RefineForm, unit_of
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import to_python

from .keep_settings import KeepSettingsButton
from .preview import PreviewBox
from .refine_inputs import RefineInputs
from .refine_truth import RefineTruth

if TYPE_CHECKING:
    import napari

START = RefineConfig(method="crf")
NOTHING = "Nothing to do: choose how to smooth, or what to clean up."


class RefineDock(Dock):
    """Smooth and tidy what a model, or a person, says of an image.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose layers are offered.

    Attributes
    ----------
    written : Signal(object)
        The Labels layer that shows a result.
    """

    written = Signal(object)

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.inputs = RefineInputs(self.session, self)
        self.form = RefineForm()
        self.form.set_value(START)
        self.device = DeviceLine()
        self.keep = KeepSettingsButton(self.session, self.form.value)
        self.truth = RefineTruth(self.session, self)
        self.preview = PreviewBox(self.session, self._previewed)
        self.bar = RunBar(self.session, "Refine")
        self._lay_out()
        self._connect()
        self._on_inputs()
        self._on_segmenter()

    def set_layer(self, layer: Any) -> None:
        """Choose what is refined."""
        self.inputs.layer.suggest(layer)

    def refine(self) -> None:
        """Refine the chosen layer as it is now."""
        order = self.inputs.order(self.form.value(), self.truth.chosen())
        if order is not None:
            self.preview.untick()  # it would lie over the result
            task = self.session.run_refinement(order)
            task.writer.written.connect(self._on_written)
            self.bar.follow(task)

    def fit(self) -> None:
        """Search for the numbers that agree best with the truth."""
        order = self.inputs.order(self.form.value(), self.truth.chosen())
        if order is not None:
            self.truth.fit(order)

    def code(self) -> str:
        """The Python that refines as the button does."""
        given = self.inputs.code(to_python(self.form.value()))
        return python_snippets.with_import(f"session(viewer).refine({given})")

    def _lay_out(self) -> None:
        inputs, truth = self.inputs, self.truth
        self.group = self.add_group(
            "Labels and image",
            labels=inputs.layer,
            refine_from=inputs.start.choice,
            certainty=inputs.start.certainty,
            unlabelled=inputs.start.unlabelled,
            image=inputs.image,
            axes=inputs.axes,
            slices=inputs.stack,
        )
        self.add_group("Recipe", _form=self.form, _keep=self.keep, device=self.device)
        self.add_group(
            "TruthLayer",
            truth=truth.layer,
            unlabelled=truth.meaning.unlabelled,
            _changes=truth.changes,
            _fit=truth.bar,
            _trials=truth.trials,
        )
        self.footer.addWidget(self.preview)
        self.footer.addWidget(self.bar)

    def _connect(self) -> None:
        self.inputs.changed.connect(self._on_inputs)
        self.form.changed.connect(self._on_form)
        self.truth.changed.connect(self._update_state)
        self.truth.found.connect(self.form.set_value)
        self.truth.bar.pressed.connect(self.fit)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.session.busy_changed.connect(self._update_state)
        self.bar.pressed.connect(self.refine)
        self.bar.copy_pressed.connect(self._on_copy)
        self.bar.yielded.connect(self._on_step)

    def _previewed(self) -> RefineRequest | None:
        if self._missing() is not None:
            return None
        return self.inputs.order(self.form.value(), known=True)

    def _on_segmenter(self) -> None:
        self.device.show_device(self.session.segmenter.device)

    def _on_inputs(self) -> None:
        layer, start = self.inputs.layer.current_layer(), self.inputs.start
        self.form.set_classes(() if start.name == "objects" else start.classes, unit_of(layer))
        self.inputs.show_in(self.group)
        self._on_form()

    def _on_form(self) -> None:
        self.keep.recipe_changed()
        self._update_state()
        self.preview.update_preview()

    def _on_step(self, step: Any) -> None:
        self.bar.say(f"Part {step.done} of {step.total}")

    def _on_written(self, layer: Any, outcome: RefineResult) -> None:
        before = self.inputs.layer.current_layer()
        self.bar.say(f"Written to the layer {layer.name!r}.")
        if str(getattr(before, "unique_id", "")) == outcome.source.layer.unique_id:
            self.bar.say(f"Written to the layer {layer.name!r}; {before.name!r} is hidden.")
            before.visible = False  # two layers of the same colours show no difference
        self.truth.show_outcome(outcome)
        self.written.emit(layer)

    def _on_copy(self) -> None:
        self.bar.copy(self.code())

    def _missing(self) -> str | None:
        """Why nothing can be refined, in words."""
        missing = self.inputs.missing() or problem_of(self.form.value)
        if missing is not None:
            return missing
        config, objects = self.form.value(), self.inputs.start.name == "objects"
        return None if config.smoother or (config.clean and not objects) else NOTHING

    def _update_state(self) -> None:
        missing = self._missing()
        self.bar.set_reason(missing)
        self.bar.copy_button.setEnabled(missing is None)
        self.truth.set_reason(missing, self.form.method.value(), self.inputs.start.name)
