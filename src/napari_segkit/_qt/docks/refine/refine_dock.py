"""Dock that refines probabilities, objects and labels."""

from napari.layers import Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import Signal

from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.device_line import DeviceLine
from napari_segkit._qt.widgets.dock import Dock
from napari_segkit._qt.widgets.place_note import PlaceNote
from napari_segkit._qt.widgets.refine_form import RefineForm, unit_of
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit._qt.widgets.when_visible import catch_up
from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import to_python
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.jobs.refine import Truth

from .keep_settings import KeepSettingsButton
from .preview import PreviewInput, PreviewPanel
from .refine_inputs import RefineInputs
from .refine_truth import RefineTruth

REFINE_TIP = (
    "<p>Refine the labels and write the result to a new Labels layer. Press again to stop.</p>"
)
LOWER_SIGMAS = "lower the sigmas of the smoothing, or take a smaller image"
INITIAL = RefineConfig(method="crf")
NO_OPERATION = "Nothing to do: choose a smoothing method or a clean-up step."


class RefineDock(Dock):
    """Smooth and clean up a prediction or painted labels."""

    written = Signal(object)  # Labels layer of a result

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.inputs = RefineInputs(self.session, self)
        self.form = RefineForm()
        self.form.value = INITIAL
        self.device = DeviceLine()
        self.keep_settings = KeepSettingsButton(self.session, lambda: self.form.value)
        self.truth = RefineTruth(self.session, self)
        self.place = PlaceNote(self._apart)
        self.preview = PreviewPanel(self.session, self._preview_input)
        self.bar = RunBar(
            self.session,
            "Refine",
            tooltip=REFINE_TIP,
            unit="Block",
            code=self.code,
            lower=LOWER_SIGMAS,
        )
        self._lay_out()
        self._connect()
        self._on_inputs()
        self._on_segmenter()

    def set_layer(self, layer: Layer) -> None:
        """Choose the layer to refine, unless pinned."""
        if not self.inputs.follower.pin.isChecked():
            self.inputs.layer.suggest(layer)

    def refine(self) -> None:
        """Refine the chosen layer in the background."""
        catch_up(self)
        layer, options = self.inputs.layer.value, self.inputs.start.soft_labels
        if layer is None:
            return
        self.preview.untick()  # it would cover the result
        task = self.session.refine(
            layer,
            self.inputs.image.value,
            self.form.value,
            start=self.inputs.start.name,
            axes=self.inputs.stack.resolved(),
            certainty=options.certainty,
            unlabelled=options.unlabelled,
            truth=self.truth.layer.value,
            truth_unlabelled=self.truth.unlabelled,
        )
        task.written.connect(self._on_written)
        self.bar.follow(task)

    def fit(self) -> None:
        """Search for the settings that agree best with the truth."""
        catch_up(self)
        request = self.inputs.request(self.form.value, self.truth.chosen(), copied=True)
        if request is not None:
            self.truth.fit(request)

    def code(self) -> str:
        """Python code that does the same as the button."""
        catch_up(self)
        arguments = self.inputs.code(to_python(self.form.value))
        return python_snippets.with_import(f"session(viewer).refine({arguments})")

    def _lay_out(self) -> None:
        inputs, truth = self.inputs, self.truth
        self.add_group(
            "Labels and image",
            labels=inputs.follower,
            input=inputs.start.choice,
            certainty=inputs.start.certainty,
            unlabelled=inputs.start.unlabelled,
            image=inputs.image,
            _note=inputs.note,
            axes=inputs.axes,
            slices=inputs.stack,
            _place=self.place,
        )
        self.add_group(
            "Refinement settings", _form=self.form, _keep=self.keep_settings, device=self.device
        )
        self.add_group(
            "Compare with ground truth",
            truth=truth.layer,
            unlabelled=truth.semantics.unlabelled,
            _changes=truth.changes,
            _fit=truth.bar,
            _trials=truth.trials,
        )
        self.footer.addWidget(self.preview)
        self.footer.addWidget(self.bar)

    def _connect(self) -> None:
        self.inputs.changed.connect(self._on_inputs)
        self.form.changed.connect(self._on_form)
        self.truth.changed.connect(self._on_truth)
        self.truth.config_chosen.connect(self._on_config_chosen)
        self.truth.bar.pressed.connect(self.fit)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.bar.pressed.connect(self.refine)
        self.bar.returned.connect(self.truth.show_result)

    def _preview_input(self) -> PreviewInput | None:
        layer = self.inputs.layer.value
        if layer is None or self._missing() is not None:
            return None
        request = self.inputs.request(self.form.value, with_classes=True)
        return None if request is None else PreviewInput(layer, self.inputs.image.value, request)

    def _on_segmenter(self) -> None:
        self.device.show_device(self.session.segmenter.device)

    def _on_inputs(self) -> None:
        layer, start = self.inputs.layer.value, self.inputs.start
        self.form.clean.set_classes(
            () if start.name == "objects" else start.classes, unit_of(layer)
        )
        self.inputs.show_rows()
        self._follow_places()
        self._on_form()

    def _on_truth(self) -> None:
        self._follow_places()
        self.state.request()

    def _follow_places(self) -> None:
        inputs = self.inputs
        self.place.follow(inputs.layer.value, inputs.image.value, self.truth.layer.value)

    def _apart(self) -> str | None:
        truth = self.truth.layer.value
        request = self.inputs.request(RefineConfig(), None if truth is None else Truth(truth))
        return None if request is None else request.apart()

    def _on_config_chosen(self, config: RefineConfig) -> None:
        self.form.value = config

    def _on_form(self) -> None:
        self.keep_settings.update_settings()
        self.state.request()
        self.preview.preview.update()

    def _on_written(self, layer: Labels) -> None:
        before = self.inputs.layer.value
        self.bar.show_status(f"Written to the layer {layer.name!r}.")
        if before is not None and str(before.unique_id) == LayerMetadata.of(layer).source:
            self.bar.show_status(f"Written to the layer {layer.name!r}; {before.name!r} is hidden.")
            before.visible = False  # else the refined layer cannot be told apart
        self.written.emit(layer)

    def _missing(self) -> str | None:
        """Message if refinement cannot start."""
        missing = self.inputs.missing() or self.form.problem
        if missing is not None:
            return missing
        config, objects = self.form.value, self.inputs.start.name == "objects"
        return None if config.smoother or (config.clean and not objects) else NO_OPERATION

    def _update_state(self) -> None:
        missing = self._missing()
        self.bar.set_reason(missing)
        self.truth.set_reason(missing, self.form.method.value, self.inputs.start.name)
