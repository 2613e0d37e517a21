"""What label values mean, always in view, and the remedies for what looks wrong."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit._qt.widgets.label_semantics import LabelSemantics
from napari_segkit.images.axes_image import as_image, full_resolution
from napari_segkit.images.label_stats import LabelStats, ObjectStats, label_stats
from napari_segkit.instances.instance_stats import instance_stats

if TYPE_CHECKING:
    from napari.layers import Image, Labels

WAIT_MS = 300  # after the last stroke
REMEDIES = {
    "paint": "Paint background as a class",
    "unlabelled=None": "Take everything unpainted as background",
    "labels_are='objects'": "These are objects: take them as one class",
    "labels_are='classes'": "These are classes",
    "objects='distance'": "Learn single objects",
}
REMEDIES_OF_OBJECTS = {
    "paint": "Paint an object",
    "labels_are='objects'": "Each value is one object",
    "labels_are='classes'": "Each piece is an object",
    "objects='distance'": "Learn to part them",
}


class LabelStatsBox(QWidget):
    """Labelled and unlabelled pixels, or objects; notes, and buttons that mend what is wrong.

    The labels are looked at in the background whenever they or their meaning change.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.

    Attributes
    ----------
    meaning : LabelSemantics
        The choices that go with it; to be laid out beside it.
    remedies : QWidget
        The buttons; to be laid out where they are always in view.
    surveyed : Signal(object)
        The new `LabelStats`, None where there are no labels or they are yet to be counted.
    paint_asked : Signal()
        A person wants a class to paint background with, or to paint an object.
    objects_asked : Signal()
        A person wants a model that parts objects that touch.
    """

    surveyed = Signal(object)
    paint_asked = Signal()
    objects_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label_stats: LabelStats | None = None
        self.meaning = LabelSemantics(self)
        self.text = Note()
        self.buttons = {name: QPushButton(text) for name, text in REMEDIES.items()}
        self.remedies = QWidget()
        self._shown: tuple[Any, ...] = (None, None, None, False)
        self._objects: dict[str, Any] | None = None
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        self._lay_out()
        self.meaning.changed.connect(self._survey_soon)
        self._latest.returned.connect(self._on_survey)
        self._latest.errored.connect(self._on_error)

    @property
    def is_counting(self) -> bool:
        """Whether what is shown is about to be replaced."""
        return self._latest.is_busy

    def look_at(
        self,
        labels: "Labels | None",
        image: "Image | None",
        axes: str | None,
        objects: dict[str, Any] | None = None,
    ) -> None:
        """Survey these labels soon, in the background.

        Parameters
        ----------
        labels, image
            The layers.
        axes : str or None
            Of the image.
        objects : dict, optional
            Keyword arguments of `instance_stats`, where the labels are to be learned as objects.
        """
        self._objects = objects
        if (labels, image, axes, objects is not None) != self._shown:
            self._shown = (labels, image, axes, objects is not None)
            self.meaning.hold_for(labels, image)
            self._name_choices()
            self._on_survey(None)
            self.text.setText("" if labels is None else "Counting …")
        self._survey_soon()

    def remedy(self, name: str) -> None:
        """Do what the button of a remedy does."""
        chosen = self.meaning.value()
        if name == "paint":
            self.paint_asked.emit()
        elif name == "objects='distance'":
            self.objects_asked.emit()
        elif name == "unlabelled=None":
            self.meaning.set_value(None, chosen["labels_are"])
        else:
            self.meaning.set_value(chosen["unlabelled"], name.split("'")[1])

    def _survey_soon(self) -> None:
        labels, image, axes, _ = self._shown
        if labels is None:
            self._latest.forget()
            self._on_survey(None)
        else:
            chosen = self.meaning.value()
            self._latest.ask(look, labels, image, axes, objects=self._objects, **chosen)

    def _name_choices(self) -> None:
        of_objects = self._objects is not None
        self.meaning.show_words(of_objects=of_objects)
        texts = REMEDIES | (REMEDIES_OF_OBJECTS if of_objects else {})
        for name, button in self.buttons.items():
            button.setText(texts[name])

    def _on_survey(self, found: LabelStats | None) -> None:
        self.label_stats = found
        self.meaning.offer(found.counts if found and self._objects is None else ())
        self.text.setText(describe(found, of_objects=self._objects is not None))
        for name, button in self.buttons.items():
            button.setVisible(found is not None and name in found.remedies)
        self.surveyed.emit(found)

    def _on_error(self, error: Exception) -> None:
        self._on_survey(LabelStats({}, 0, (), str(error)))

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


def look(
    labels: "Labels",
    image: "Image | None",
    axes: str | None,
    *,
    objects: dict[str, Any] | None,
    **choices: Any,
) -> LabelStats:
    """Survey labels, against their image where there is one; slow for large ones."""
    shape = full_resolution(labels).shape
    known = None if image is None else as_image(image, axes, labels_shape=shape)
    if objects is not None:
        return instance_stats(labels, image=known, **objects, **choices)
    return label_stats(labels, image=known, **choices)


def describe(found: LabelStats | None, *, of_objects: bool = False) -> str:
    """The survey in words, but for its problem."""
    if found is None:
        return ""
    lines = []
    if found.objects:
        lines = [_objects_in_words(known) for known in found.objects]
        if found.fitted:
            lines.append(f"Chosen by their sizes: {found.fitted}.")
        annotated = sum(found.counts.values())
        if found.unlabelled:
            share = annotated / (annotated + found.unlabelled)
            lines.append(f"{share:.0%} of the pixels are annotated.")
    elif found.counts and not of_objects:
        labelled = sum(found.counts.values())
        plural = "" if len(found.counts) == 1 else "es"
        share = found.unlabelled / (labelled + found.unlabelled)
        lines.append(
            f"{labelled:,} labelled pixels in {len(found.counts)} class{plural}; "
            f"{found.unlabelled:,} unlabelled ({share:.0%})."
        )
    return "\n".join([*lines, *map(gui_message, found.notes)])


def _objects_in_words(found: ObjectStats) -> str:
    plural = "" if found.number == 1 else "s"
    name = "" if found.known.name == "object" else f"{found.known.name}: "
    wide = f"{found.typical:.0f} pixels wide"
    if found.number > 1:
        wide = f"typically {wide} ({found.smallest:.0f} to {found.largest:.0f})"
    return f"{name}{found.number:,} object{plural}, {wide}."
