"""The dock that chooses, loads and saves a model."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.device_line import WAIT_MS, DeviceLine
from napari_segkit._qt.widgets.dock import Dock, Note
from napari_segkit._qt.widgets.fields import ChoiceField
from napari_segkit._qt.widgets.model_summary import summary
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import Preset
from napari_segkit.segmenter import Segmenter

from .merge_button import MergeButton
from .model_details import ModelDetails
from .model_estimate import ModelEstimate
from .model_files import ModelFiles
from .model_form import ModelForm, misfit
from .preset_choice import PresetChoice
from .selected_image import SelectedImage

if TYPE_CHECKING:
    import napari

BUSY = "Something is running: stop it or wait for its end to choose another model."
DEVICE = "Where training and prediction run; auto takes a graphics card where there is one."
CLASSES = 2  # of a model that has not been trained


class ModelDock(Dock):
    """Choose the session's model, load one from a file, save it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose session is shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self.held = Note()
        self.back_button = QPushButton("Back to the model before")
        self.back_button.setToolTip(
            "What the last training or merging replaced; pressed again, what it made."
        )
        self.files = ModelFiles(self.session)
        self.merging = MergeButton(self.session)
        self.preset = PresetChoice()
        self.form = ModelForm()
        self.form.set_value(self.session.segmenter.spec)
        self.details = ModelDetails()
        self.image = SelectedImage(self.session, self)
        self.busy = Note()
        self.device = ChoiceField(["auto", "cpu"])
        self.device_line = DeviceLine()
        self._devices = LatestCall(self, wait_ms=WAIT_MS)
        self._lay_out()
        self._connect()
        self._devices.ask(_list_devices)
        self._on_segmenter()

    def _lay_out(self) -> None:
        self.add_group(
            "Model in use",
            _held=self.held,
            _back=self.back_button,
            _files=self.files,
            _merging=self.merging,
        )
        self.add_group(
            "Choose another",
            _busy=self.busy,
            preset=self.preset,
            _form=self.form,
            _details=self.details,
        )
        self.device.setToolTip(DEVICE)
        self.add_group("Device", run_on=self.device, _line=self.device_line)

    def _connect(self) -> None:
        self.preset.chosen.connect(self._on_preset)
        self.form.changed.connect(self._on_choice)
        self.form.methods.refused.connect(self.details.show_problem)
        self.details.found.connect(self._on_details)
        self.image.changed.connect(self._update_state)
        self.device.changed.connect(self._on_device)
        self.back_button.clicked.connect(self._on_back)
        self.files.kept.connect(self._on_segmenter)
        self._devices.returned.connect(self._on_devices)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.session.config_changed.connect(self._update_state)
        self.session.busy_changed.connect(self._update_state)

    def _on_preset(self, preset: Preset) -> None:
        blocked = self.form.blockSignals(True)
        self.form.set_value(resolve(preset.spec))
        self.form.blockSignals(blocked)
        self._propose(preset.config)

    def _on_choice(self) -> None:
        self._propose(self.session.config)

    def _propose(self, config: TrainConfig) -> None:
        """Take what the form shows for the session's model, after a question where it must be."""
        self.files.question.close_question()
        spec = self.form.value()
        if spec == self.session.segmenter.spec:
            self.session.config = config
        elif self.form.problem is None:
            self.files.replace(partial(self._adopt, spec, config))
        self._update_state()

    def _adopt(self, spec: ModelSpec, config: TrainConfig) -> None:
        self.session.config = config
        self.session.segmenter = Segmenter(spec, device=self.session.segmenter.device)

    def _on_back(self) -> None:
        self.session.segmenter.restore()
        self.session.segmenter_changed.emit()

    def _on_device(self) -> None:
        self.session.segmenter.device = self.device.value()
        self.session.segmenter_changed.emit()

    def _on_devices(self, names: list[str]) -> None:
        held = self.session.segmenter.device
        self.device.set_choices(names if held in names else [*names, held])

    def _on_segmenter(self) -> None:
        held = self.session.segmenter
        blocked = self.form.blockSignals(True)
        self.form.set_value(held.spec)
        self.form.blockSignals(blocked)
        if self.device.value() != held.device:
            self.device.set_value(held.device)
        self.device_line.show_device(held.device)
        self._update_state()

    def _on_details(self, facts: ModelEstimate) -> None:
        self.form.offer_weights(facts.weights)

    def _update_state(self) -> None:
        busy = self.session.task is not None
        self.held.setText(summary(self.session.segmenter))
        self.back_button.setVisible(self.session.segmenter.previous is not None)
        self.back_button.setEnabled(not busy)
        self.preset.setEnabled(not busy)
        self.form.setEnabled(not busy)
        self.device.setEnabled(not busy)
        self.busy.setText(BUSY if busy else "")
        self.preset.show_choice(self.form.value(), self.session.config)
        self._update_details()

    def _update_details(self) -> None:
        held, image, spec = self.session.segmenter, self.image.image, self.form.value()
        axes = image.axes if image else None
        self.form.fit_to(axes)
        problem = self.form.problem or misfit(spec.name, spec.dims, axes)
        if problem:
            self.details.show_problem(problem)
        elif self.session.task is None:
            classes = len(held.classes) or CLASSES
            self.details.show_model(spec, image, classes, self.session.config, held.device)


def _list_devices() -> list[str]:
    from napari_segkit.devices import list_devices

    return list_devices()
