"""What a training has reached: curves, scores and pictures, in tabs."""

from collections.abc import Sequence

from qtpy.QtWidgets import QScrollArea, QTabWidget, QWidget

from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit.images.classes import LabelClass
from napari_segkit.training.events import TrainStep, ValidationStep

from .held_out_regions import HeldOutRegions
from .history_button import HistoryButton
from .loss_curve import HEIGHT, LossCurve, ScoreCurve
from .prediction_pictures import PredictionPictures
from .validations import describe

LOSS, SCORES, PICTURES = range(3)


class TrainingView(QWidget):
    """Shows the training that runs, or that of the session's model; hidden without one."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        theme = session.viewer.theme
        self._session = session
        self.classes: Sequence[LabelClass] = ()  # name and colour the scores
        self.validations: list[ValidationStep] = []
        self.loss, self.scores = LossCurve(theme), ScoreCurve(theme)
        self.pictures = PredictionPictures(session)
        self.regions = HeldOutRegions(session, self)
        self._held_out = session.segmenter.held_out
        self.scroll = QScrollArea()
        self.scroll.setWidget(self.pictures)
        self.scroll.setWidgetResizable(True)
        self.scroll.setFixedHeight(HEIGHT)
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.addTab(self.loss, "Loss")
        self.tabs.addTab(self.scores, "Scores")
        self.tabs.addTab(self.scroll, "Pictures")
        self.history = HistoryButton(session)
        self.tabs.setCornerWidget(self.history)
        self.about, self.text = Note(), Note()
        stack(self, self.tabs, self.about, self.text, self.history.status)
        self.pictures.changed.connect(self._show)
        self._show()

    def set_theme(self, theme: str) -> None:
        """Use the text colour of a napari theme for the axes."""
        self.loss.set_theme(theme)
        self.scores.set_theme(theme)

    def start(
        self, images: Sequence[Snapshot | None], axes: str | None, classes: Sequence[LabelClass]
    ) -> None:
        """Begin with a training on `images`; None is one without a layer."""
        self._held_out = self._session.segmenter.held_out
        self.regions.start(images, axes)
        self.show_history([], [], classes)

    def show_history(
        self,
        losses: Sequence[float],
        validations: Sequence[ValidationStep],
        classes: Sequence[LabelClass],
    ) -> None:
        """Show a whole training; without losses, nothing. Pictures of another one are dropped."""
        if list(losses[-1:]) != self.loss.losses[-1:]:
            self.pictures.clear()
            self.about.setText("")
        self.classes, self.validations = classes, list(validations)
        self.loss.set_losses(losses)
        self._show()

    def add_step(self, step: TrainStep) -> None:
        """Add a step of the training that runs."""
        self.loss.add(step.done, step.loss)
        if self._session.segmenter.held_out is not self._held_out:
            self._show_held_out()
        self.setVisible(True)

    def add_validation(self, step: ValidationStep) -> None:
        """Add a validation of the training that runs; it replaces one of the same step."""
        others = [v for v in self.validations if v.done != step.done]
        self.validations = sorted([*others, step], key=lambda v: v.done)
        self.pictures.request()
        self._show()

    def finish(self) -> None:
        """Show what the model that was trained predicts."""
        trained = self._session.segmenter.trained
        if trained is not None:
            self.pictures.draw(trained)

    def _show_held_out(self) -> None:
        self._held_out = held_out = self._session.segmenter.held_out
        if held_out is not None:
            self.about.setText(held_out.about)
            self.regions.show(held_out)

    def _show(self) -> None:
        self.loss.set_validations(self.validations)
        self.scores.set_validations(self.validations, self.classes)
        self.tabs.setTabVisible(SCORES, bool(self.validations))
        self.tabs.setTabVisible(PICTURES, self.pictures.picture is not None)
        self.text.setText(describe(self.validations, self.classes))
        self.setVisible(bool(self.loss.losses))
