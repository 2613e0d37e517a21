"""What is painted on the labels: classes, or objects where the model gives objects."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QGroupBox, QWidget

from napari_segkit._qt.widgets.gui_messages import gui_message

from .class_list import ClassList
from .label_stats_box import LabelStatsBox
from .object_annotation import ObjectAnnotation

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session
    from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
    from napari_segkit.config import ModelSpec
    from napari_segkit.images.label_stats import LabelStats

TITLES = {False: "Classes", True: "Objects"}


class AnnotationPanel(QObject):
    """The list of classes, what labels mean, and the survey of them; a dock lays them out.

    What is shown, and what it is called, follows the session's model.

    Parameters
    ----------
    session : Session
        Whose model it is.
    data : ImageAndLabels
        The labels and their image.
    parent : QObject, optional
        Owner of this object; the widgets belong to whoever lays them out.

    Attributes
    ----------
    annotation : ObjectAnnotation
        Regions and classes of objects.
    classes : ClassList
        The classes painted; of objects, those of their classes.
    label_stats : LabelStatsBox
        What labels mean and hold, with its remedies.
    group : QGroupBox
        What `rows` are laid out in; to be set by whoever does.
    changed : Signal()
        What is known of the labels is, or is about to be, another.
    """

    changed = Signal()
    group: QGroupBox

    def __init__(
        self, session: "Session", data: "ImageAndLabels", parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._data = session, data
        self._learns: tuple[ModelSpec | None, float | None] = (None, None)
        self.annotation = ObjectAnnotation(session, self)
        self.classes = ClassList(session)
        self.label_stats = LabelStatsBox()
        session.config_changed.connect(self.follow_model)
        data.changed.connect(self._on_layers)
        data.painted.connect(self._survey_again)
        data.labels_made.connect(self._on_labels_made)
        self.annotation.changed.connect(self._on_layers)
        self.label_stats.surveyed.connect(self._on_survey)
        self.label_stats.paint_asked.connect(self.paint_background)
        self.label_stats.objects_asked.connect(self._learn_rims)
        self.label_stats.meaning.changed.connect(self._show_rows)

    def rows(self) -> dict[str, QWidget]:
        """The widgets, as `Dock.add_group` takes them."""
        return {
            "_classes": self.classes,
            "_next": self._data.next_button,
            "unlabelled": self.label_stats.meaning.unlabelled,
            "labels_are": self.label_stats.meaning.labels_are,
            "annotated": self.annotation.regions,
            "classes": self.annotation.classes,
            "_annotation": self.annotation.text,
            "_survey": self.label_stats,
        }

    def follow_model(self) -> None:
        """Look at the labels as the session's model learns them, at its voxel size."""
        learns = self._session.segmenter.spec, self._session.config.voxel_size
        if learns != self._learns:
            self._learns = learns
            self._on_layers()

    def missing(self) -> str | None:
        """Why these labels cannot be learned, in words."""
        found = self.label_stats.label_stats
        if self.annotation.problem is not None:
            return self.annotation.problem
        if found is None:
            return "The labels are being counted."
        return gui_message(found.problem) if found.problem else None

    def paint_background(self) -> None:
        """Take the brush of a class "background", a new one where there is none.

        Where the model gives objects, the brush of one that is not painted yet.
        """
        if self.annotation.counts:
            self._data.take_brush()
            return
        known = [c.value for c in self.classes.classes if c.name == "background"]
        self.classes.choose(known[0]) if known else self.classes.add("background")

    def _on_layers(self) -> None:
        self._show_rows()
        self._survey_again()

    def _on_labels_made(self) -> None:
        self._data.take_brush() if self.annotation.counts else self.classes.choose(1)

    def _survey_again(self) -> None:
        image, labels, axes = self._data.layers
        self.label_stats.look_at(labels, image, axes, self.annotation.asked(labels, axes))
        self.changed.emit()

    def _on_survey(self, found: "LabelStats | None") -> None:
        unlabelled = self.label_stats.meaning.value()["unlabelled"]
        counts = found.counts if found else {}
        self.classes.set_counts(counts, 0 if self.annotation.counts else unlabelled)
        self.changed.emit()

    def _learn_rims(self) -> None:
        """A model that was trained before is one step back, as after any training."""
        segmenter = self._session.segmenter
        segmenter.spec = replace(segmenter.spec, objects="distance")
        self._session.segmenter_changed.emit()

    def _show_rows(self) -> None:
        objects, listed = self.annotation.counts, self._listed()
        self.classes.set_layer(listed)
        self.classes.setVisible(listed is not None or not objects)
        self._data.expect(objects=objects)
        self.group.setTitle(TITLES[objects])
        self.annotation.show_in(self.group)

    def _listed(self) -> Any:
        """The layer that holds classes: the labels, or that of the objects' classes."""
        labels_are = self.label_stats.meaning.value()["labels_are"]
        if self.annotation.counts and labels_are != "classes":
            return self.annotation.classes.current_layer()
        return self._data.labels.current_layer()
