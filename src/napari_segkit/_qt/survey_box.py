"""What label values mean, always in view, and the remedies for what looks wrong."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_segkit.data.images import as_image, full_resolution
from napari_segkit.data.survey import Survey, survey

from .background import Latest
from .meaning import Meaning
from .panel import Note

if TYPE_CHECKING:
    from napari.layers import Image, Labels

WAIT_MS = 300  # after the last stroke
REMEDIES = {
    "paint": "Paint background as a class",
    "unlabelled=None": "Take everything unpainted as background",
    "labels_are='objects'": "These are objects: take them as one class",
    "labels_are='classes'": "These are classes",
}


class SurveyBox(QWidget):
    """Labelled and unlabelled pixels, notes on them, and buttons that mend what is wrong.

    The labels are looked at in the background whenever they or their meaning change.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    meaning : Meaning
        The choices that go with it; to be laid out beside it.
    remedies : QWidget
        The buttons; to be laid out where they are always in view.
    surveyed : Signal(object)
        The new `Survey`, None where there are no labels or they are yet to be counted.
    paint_asked : Signal()
        A person wants a class to paint background with.
    """

    surveyed = Signal(object)
    paint_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.survey: Survey | None = None
        self.meaning = Meaning(self)
        self.text = Note()
        self.buttons = {name: QPushButton(text) for name, text in REMEDIES.items()}
        self.remedies = QWidget()
        self._shown: tuple[Any, Any, str | None] = (None, None, None)
        self._latest = Latest(self, wait_ms=WAIT_MS)
        self._lay_out()
        self.meaning.changed.connect(self._survey_soon)
        self._latest.returned.connect(self._on_survey)
        self._latest.errored.connect(self._on_error)

    @property
    def is_counting(self) -> bool:
        """Whether what is shown is about to be replaced."""
        return self._latest.is_busy

    def look_at(self, labels: "Labels | None", image: "Image | None", axes: str | None) -> None:
        """Survey these labels soon, in the background."""
        if (labels, image, axes) != self._shown:
            self._shown = (labels, image, axes)
            self.meaning.hold_for(labels, image)
            self._on_survey(None)
            self.text.setText("" if labels is None else "Counting …")
        self._survey_soon()

    def remedy(self, name: str) -> None:
        """Do what the button of a remedy does."""
        chosen = self.meaning.value()
        if name == "paint":
            self.paint_asked.emit()
        elif name == "unlabelled=None":
            self.meaning.set_value(None, chosen["labels_are"])
        else:
            self.meaning.set_value(chosen["unlabelled"], name.split("'")[1])

    def _survey_soon(self) -> None:
        labels, image, axes = self._shown
        if labels is None:
            self._latest.forget()
            self._on_survey(None)
        else:
            self._latest.ask(look, labels, image, axes, **self.meaning.value())

    def _on_survey(self, found: Survey | None) -> None:
        self.survey = found
        self.meaning.offer(found.counts if found else ())
        self.text.setText(describe(found))
        for name, button in self.buttons.items():
            button.setVisible(found is not None and name in found.remedies)
        self.surveyed.emit(found)

    def _on_error(self, error: Exception) -> None:
        self._on_survey(Survey({}, 0, (), str(error)))

    def _on_remedy(self) -> None:
        self.remedy(next(n for n, b in self.buttons.items() if b is self.sender()))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        offered = QVBoxLayout(self.remedies)
        offered.setContentsMargins(0, 0, 0, 0)
        for button in self.buttons.values():
            offered.addWidget(button)
            button.hide()
            button.clicked.connect(self._on_remedy)


def look(labels: "Labels", image: "Image | None", axes: str | None, **choices: Any) -> Survey:
    """Survey labels, against their image where there is one; slow for large ones."""
    shape = full_resolution(labels).shape
    known = None if image is None else as_image(image, axes, labels_shape=shape)
    return survey(labels, image=known, **choices)


def describe(found: Survey | None) -> str:
    """The survey in words, but for its problem."""
    if found is None:
        return ""
    lines = []
    if found.counts:
        labelled = sum(found.counts.values())
        plural = "" if len(found.counts) == 1 else "es"
        share = found.unlabelled / (labelled + found.unlabelled)
        lines.append(
            f"{labelled:,} labelled pixels in {len(found.counts)} class{plural}; "
            f"{found.unlabelled:,} unlabelled ({share:.0%})."
        )
    return "\n".join([*lines, *found.notes])
