"""The dock that chooses, loads and saves a model."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_segkit.config import ModelSpec
from napari_segkit.models import list_models, model_info
from napari_segkit.segmenter import Segmenter

from .background import Latest
from .device_line import WAIT_MS, DeviceLine
from .fields import ChoiceField
from .forms import Form
from .model_files import ModelFiles
from .model_line import summary
from .panel import Dock, Note

if TYPE_CHECKING:
    import napari

BUSY = "Something is running: stop it or wait for its end to choose another model."


class ModelDock(Dock):
    """Choose the session's model, load one from a file, save it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer whose session is shown.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        spec = self.session.segmenter.spec
        encoders = model_info(spec.name).encoders
        names = [info.name for info in list_models()]
        choices = {"name": names, "encoder": encoders}
        self.form = Form(ModelSpec, choices=choices, hide=("weights",))
        self.form.set_value(spec)
        self.held = Note()
        self.back_button = QPushButton("Back to the model before")
        self.files = ModelFiles(self.session)
        self.about = Note()
        self.back_button.setToolTip("What the last training replaced; pressed again, what it made.")
        self.device = ChoiceField(["auto", "cpu"])
        self.device_line = DeviceLine()
        self._devices = Latest(self, wait_ms=WAIT_MS)
        self._lay_out()
        self._connect()
        self._devices.ask(_list_devices)
        self._on_segmenter()

    def _lay_out(self) -> None:
        self.add_group("Model in use", _held=self.held, _back=self.back_button, _files=self.files)
        self.choice = self.add_group("Choose another", _form=self.form, _about=self.about)
        self.add_group("Device", run_on=self.device, _line=self.device_line)

    def _connect(self) -> None:
        self.form.field("name").changed.connect(self._on_name)
        self.form.changed.connect(self._on_choice)
        self.device.changed.connect(self._on_device)
        self.back_button.clicked.connect(self._on_back)
        self.files.kept.connect(self._on_segmenter)
        self._devices.returned.connect(self._on_devices)
        self.session.segmenter_changed.connect(self._on_segmenter)
        self.session.busy_changed.connect(self._update_state)

    def _on_name(self) -> None:
        info = model_info(self.form.field("name").value())
        self.form.field("encoder").set_choices(info.encoders)

    def _on_choice(self) -> None:
        self.files.question.close_question()
        if self.form.value() != self.session.segmenter.spec:
            self.files.replace(self._renew)
        self._update_state()

    def _renew(self) -> None:
        device = self.session.segmenter.device
        self.session.segmenter = Segmenter(self.form.value(), device=device)

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
        if self.form.value() != held.spec:
            self.form.set_value(held.spec)
        if self.device.value() != held.device:
            self.device.set_value(held.device)
        self.device_line.show_device(held.device)
        self._update_state()

    def _update_state(self) -> None:
        busy = self.session.task is not None
        self.held.setText(summary(self.session.segmenter))
        self.back_button.setVisible(self.session.segmenter.previous is not None)
        self.back_button.setEnabled(not busy)
        self.choice.setEnabled(not busy)
        self.device.setEnabled(not busy)
        about = model_info(self.form.field("name").value()).about
        self.about.setText(BUSY if busy else about)


def _list_devices() -> list[str]:
    from napari_segkit.devices import list_devices

    return list_devices()
