"""Suggest a model and settings for what a training would read; nothing is set unasked."""

from collections.abc import Callable, Generator
from functools import partial
from html import escape

from qtpy.compat import isalive
from qtpy.QtWidgets import QLabel, QWidget

from napari_segkit._qt.session.background import LatestSteps
from napari_segkit._qt.session.runner import leave_a_core
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.fields import Number
from napari_segkit._qt.widgets.gui_messages import error_text, gui_message
from napari_segkit._qt.widgets.question import Answers
from napari_segkit._qt.widgets.single_click_button import SingleClickButton
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.steps import Step
from napari_segkit.suggestion.reason import Reason
from napari_segkit.suggestion.suggest import DEFAULT_MINUTES, Suggestion, suggestions
from napari_segkit.training_set import TrainingSet

SUGGEST, STOP, USE = "Suggest a model", "Stop", "Use these"
TIP = (
    "<p>Look at images and labels and suggest a method and its settings, each with its reason. "
    "Nothing is changed until you press <i>Use these</i>.</p>"
)
USE_TIP = (
    "<p>Sets model and settings; each can be changed afterwards, in the Model dock, in <i>Classes"
    "</i> and in <i>Training</i>. A trained model stays until the next training.</p>"
)
MINUTES_TIP = "<p>How long the training may take.</p>"
LOOKING = "Looking at images and labels …"
USED = "Model and settings are set."
OUTDATED = "What was looked at has changed: press <i>Suggest a model</i> again."
TITLES = {"name": "Method", "voxel_size": "Voxel size", "labels_are": "Labels are"}

Data = tuple[TrainingSet, TrainConfig, ModelSpec, str | None]


class SuggestBox(QWidget):
    """A button that suggests, the suggestion with its reasons, and a button that takes it."""

    def __init__(
        self, session: Session, data: Callable[[], Data], use: Callable[[Suggestion], object]
    ) -> None:
        super().__init__()
        self._session, self._data, self._use = session, data, use
        self.suggestion: Suggestion | None = None
        self._is_looking = False
        self._device = ""  # that was looked at
        self._latest = LatestSteps(self)
        limits = config_fields(TrainConfig)["minutes"].limits
        self.minutes = Number(float, **limits)
        self.minutes.value, self.minutes.tooltip = DEFAULT_MINUTES, MINUTES_TIP
        self.button = SingleClickButton(SUGGEST, toolTip=TIP)
        self.text, self.answers = Note(rich=True), Answers()
        row = self.button, QLabel("for minutes:"), self.minutes.native
        stack(self, row, self.text, self.answers)
        self.button.clicked.connect(self._on_pressed)
        self.minutes.changed.connect(self.clear)
        self._latest.returned.connect(self._on_suggested)
        self._latest.errored.connect(self._on_error)
        session.busy_changed.connect(self._update_state)
        session.segmenter_changed.connect(self._follow_device)

    def suggest(self) -> None:
        """Suggest in the background, from copies of the layers."""
        self.clear()
        try:
            training_set, _, _, axes = self._data()
        except ValueError as error:
            self.text.setText(escape(gui_message(str(error))))
            return
        self._device = self._session.segmenter.device
        work = partial(_steps, training_set, axes, self._device, self.minutes.value)
        self._latest.submit(work)
        self._is_looking = True
        self.text.setText(LOOKING)
        self._update_state()

    def clear(self, *_: object) -> None:
        """Drop a suggestion, and stop one that is being made: others are looked at now."""
        self._latest.cancel()
        self._show(None, "")

    def outdate(self) -> None:
        """Drop what was made, or is being made, of pixels or a device that have changed."""
        if self.suggestion is not None or self._is_looking:
            self._latest.cancel()
            self._show(None, OUTDATED)

    def use(self) -> None:
        """Set what is suggested."""
        if self.suggestion is not None and self._session.task is None:
            said = described(self.suggestion)
            self._use(self.suggestion)
            self._show(None, f"{said}<p>{USED}</p>")

    def _show(self, found: Suggestion | None, text: str) -> None:
        self.suggestion, self._is_looking = found, False
        self.text.setText(text)
        self.answers.offer({USE: self.use} if found else {}, tips={USE: USE_TIP})
        self._update_state()

    def _follow_device(self) -> None:
        if isalive(self) and self._session.segmenter.device != self._device:
            self.outdate()

    def _on_pressed(self) -> None:
        self.clear() if self._is_looking else self.suggest()

    def _on_suggested(self, found: Suggestion) -> None:
        self._show(found, described(found))

    def _on_error(self, error: BaseException) -> None:
        self._show(None, escape(error_text(error, "The suggestion")))

    def _update_state(self) -> None:
        if isalive(self):
            self.button.setText(STOP if self._is_looking else SUGGEST)
            self.answers.setEnabled(self._session.task is None)


def _steps(
    training_set: TrainingSet, axes: str | None, device: str, minutes: float
) -> Generator[Step, None, Suggestion]:
    """Suggest for as many threads as a training has beside the window."""
    leave_a_core()
    return (yield from suggestions(training_set, axes=axes, device=device, minutes=minutes))


def described(found: Suggestion) -> str:
    """Each setting with its value and its reason, as HTML."""
    lines = [f"<b>{_title(r)}: {_value(r)}</b><br>{escape(r.text)}" for r in found.reasons]
    lines += map(escape, found.notes())
    return "".join(f"<p style='margin: 0 0 4px 0'>{line}</p>" for line in lines)


def _title(reason: Reason) -> str:
    return TITLES.get(reason.setting) or reason.setting.replace("_", " ").capitalize()


def _value(reason: Reason) -> str:
    return "none" if reason.value is None else escape(str(reason.value))
