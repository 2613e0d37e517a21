"""The Model dock: choose, load and save a model."""

from functools import partial

from napari.viewer import Viewer

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.device_line import WAIT_MS, DeviceLine
from napari_segkit._qt.widgets.dock import Dock, Note, show_row
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.model_estimate import ModelEstimate
from napari_segkit._qt.widgets.model_summary import summary
from napari_segkit._qt.widgets.single_click_button import SingleClickButton
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import presets_for
from napari_segkit.segmenter import Segmenter

from .merge_button import MergeButton
from .model_details import ModelDetails
from .model_files import ModelFiles
from .model_form import ModelForm
from .preset_choice import PresetChoice
from .selected_image import SelectedImage
from .trained_choice import TrainedChoice

BUSY = "A task is running: stop it or wait until it ends, then change the model."
DEVICE = "Where training and prediction run. auto: a GPU if there is one, else the CPU."
UNDO = "Bring back the model before this one (again: this one)."
DEFAULT_CLASSES = 2  # assumed before training


class ModelDock(Dock):
    """Choose, load and save the session's model."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.summary = Note(rich=True)
        self.trained = TrainedChoice(self.session)
        self.undo_button = SingleClickButton("Undo training or merge", toolTip=UNDO)
        self.files = ModelFiles(self.session)
        self.merge = MergeButton(self.session)
        self.preset = PresetChoice()
        self.form = ModelForm()
        self.form.value = self.session.segmenter.spec
        self.details = ModelDetails()
        self.selected = SelectedImage(self.session, self)
        self.busy = Note()
        self.device = Choice(_choices(["auto", "cpu"]), tooltip=DEVICE)
        self.device_line = DeviceLine()
        self._best_device = "cpu"  # until it is known
        self._devices = LatestCall(self, wait_ms=WAIT_MS)
        self._lay_out()
        self._connect()
        self._devices.submit(_list_devices)
        self._on_segmenter()

    def _lay_out(self) -> None:
        self.add_group(
            "Current model",
            _summary=self.summary,
            trained_here=self.trained,
            _undo=self.undo_button,
            _files=self.files,
            _merge=self.merge,
        )
        self.add_group(
            "New model", _busy=self.busy, preset=self.preset, _form=self.form, _details=self.details
        )
        device = self.add_group("Device", run_on=self.device, _line=self.device_line)
        self.footer.addWidget(device)  # always visible

    def _connect(self) -> None:
        self.preset.changed.connect(self._on_preset)
        self.form.changed.connect(self._on_form)
        self.form.methods.tree.disabled_clicked.connect(self.details.show_problem)
        self.details.estimated.connect(self._on_estimate)
        self.selected.changed.connect(self.state.request)
        self.device.changed.connect(self._on_device)
        self.undo_button.clicked.connect(self._on_undo)
        self.files.kept.connect(self._on_segmenter)
        self._devices.returned.connect(self._on_devices)
        self._devices.errored.connect(self._on_no_devices)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.session.config_changed.connect(self.state.request)

    def _on_preset(self, name: str) -> None:
        minutes = self.session.config.minutes
        preset = presets_for(self._device_in_use, minutes)[name]
        with self.form.changed.blocked():
            self.form.value = resolve(preset.spec)
        self._apply(preset.settings(minutes))

    def _on_form(self) -> None:
        self._apply(self.session.config)

    def _apply(self, config: TrainConfig) -> None:
        """Use the form's model in the session; ask first if an unsaved model would be lost."""
        self.files.question.close_question()
        spec = self.form.value
        if spec == self.session.segmenter.spec:
            self.session.config = config
        elif self.form.problem is None:
            self.files.replace(partial(self._set_model, spec, config))
        self.state.request()

    def _set_model(self, spec: ModelSpec, config: TrainConfig) -> None:
        self.session.config = config
        self.session.segmenter = Segmenter(spec, device=self.session.segmenter.device)

    def _on_undo(self) -> None:
        self.session.segmenter.restore()
        self.session.segmenter_changed.emit()

    def _on_device(self) -> None:
        self.session.segmenter.device = self.device.value
        self.session.segmenter_changed.emit()

    @property
    def _device_in_use(self) -> str:
        """The device of the session; for "auto" the best one."""
        device = self.session.segmenter.device
        return self._best_device if device == "auto" else device

    def _on_devices(self, names: list[str]) -> None:
        self._best_device = names[1]
        current = self.session.segmenter.device
        self.device.offer(_choices(names if current in names else [*names, current]))
        self.device_line.show_device(current)
        self.state.request()

    def _on_no_devices(self, error: BaseException) -> None:
        self.device_line.setText(error_text(error, "Looking for devices"))

    def _on_segmenter(self) -> None:
        segmenter = self.session.segmenter
        with self.form.changed.blocked(), self.device.changed.blocked():
            self.form.value = segmenter.spec
            self.device.add(segmenter.device, segmenter.device)
            self.device.value = segmenter.device
        self.device_line.show_device(segmenter.device)
        self.state.request()

    def _on_estimate(self, estimate: ModelEstimate) -> None:
        self.form.disable_missing_weights(estimate.weights)

    def _update_state(self) -> None:
        busy = self.session.task is not None
        self.summary.setText(summary(self.session.segmenter))
        self.undo_button.setVisible(self.session.segmenter.previous is not None)
        self.undo_button.setEnabled(not busy)
        self.trained.show_current()
        show_row(self.trained, self.trained.has_others)
        for widget in (self.trained, self.preset, self.form, self.device):
            widget.enabled = not busy
        self.busy.setText(BUSY if busy else "")
        self.preset.show_current(self.form.value, self.session.config, self._device_in_use)
        self._update_details()

    def _update_details(self) -> None:
        segmenter, image, spec = self.session.segmenter, self.selected.image, self.form.value
        axes = image.axes if image else None
        self.form.disable_incompatible(axes)
        if problem := self.form.problem_with(axes):
            self.details.show_problem(problem)
        elif self.session.task is None:
            classes = len(segmenter.classes) or DEFAULT_CLASSES
            self.details.show_model(spec, image, classes, self.session.config, segmenter.device)


def _choices(names: list[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def _list_devices() -> list[str]:
    from napari_segkit.devices import list_devices

    return list_devices()
