"""Annotation part of the Train dock: classes, or objects if the model finds objects."""

from dataclasses import replace

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit._qt.widgets.image_and_labels import ImageAndLabels
from napari_segkit._qt.widgets.section import Section
from napari_segkit.images.classes import classes_of
from napari_segkit.images.label_stats import LabelStats
from napari_segkit.models.presets import TOUCHING

from .class_list import ClassList
from .label_stats_box import SEPARATE, LabelStatsBox
from .object_annotation import ObjectAnnotation
from .slice_filler import SliceFiller

TITLES = {False: "Classes", True: "Objects"}


class AnnotationPanel(QObject):
    """Class list, label semantics and label statistics; follows the session's model."""

    changed = Signal()  # of the label statistics, also when a new count starts
    message = Signal(str)  # what an answer has set
    group: Section  # set by the dock that lays out `rows`

    def __init__(
        self, session: Session, data: ImageAndLabels, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._data = session, data
        self._model: object = None  # spec and voxel size
        self.annotation = ObjectAnnotation(session, self)
        data.other_roles = (self.annotation.classes,)
        self.classes = ClassList(session)
        self.label_stats = LabelStatsBox()
        self.slices = SliceFiller(session, self.label_stats.semantics)
        session.config_changed.connect(self.follow_model)
        data.changed.connect(self._on_layers)
        data.painted.connect(self._update_stats)
        data.labels_created.connect(self._on_labels_created)
        self.annotation.changed.connect(self._on_layers)
        self.label_stats.stats_changed.connect(self._on_stats)
        self.label_stats.paint_requested.connect(self.paint_background)
        self.label_stats.separation_requested.connect(self._separate_objects)
        self.label_stats.background_set.connect(self._name_background)
        self.label_stats.semantics.changed.connect(self._show_rows)

    def rows(self) -> dict[str, QWidget]:
        """Widgets for `Dock.add_group`."""
        return {
            "_classes": self.classes,
            "_next": self._data.next_button,
            "_slices": self.slices,
            "unlabelled": self.label_stats.semantics.unlabelled,
            "labels_are": self.label_stats.semantics.labels_are,
            "annotated": self.annotation.regions,
            "classes": self.annotation.classes,
            "_annotation": self.annotation.text,
            "_stats": self.label_stats,
        }

    def follow_model(self) -> None:
        """Count the labels again if the model or the voxel size has changed."""
        model = self._session.segmenter.spec, self._session.config.voxel_size
        if model != self._model:
            self._model = model
            self._on_layers()

    def missing(self) -> str | None:
        """Why these labels cannot be used for training, None if they can."""
        stats = self.label_stats.label_stats
        if self.annotation.problem is not None:
            return self.annotation.problem
        if stats is None:
            return "The labels are being counted."
        return gui_message(stats.problem) if stats.problem else None

    def paint_background(self) -> None:
        """Select the brush of the class "background", or of the next object."""
        if self.annotation.active:
            self._data.paint_next_object()
            return
        values = [c.value for c in self.classes.classes if c.name == "background"]
        self.classes.choose(values[0]) if values else self.classes.add("background")

    def _on_layers(self) -> None:
        self._show_rows()
        self._update_stats()

    def _on_labels_created(self) -> None:
        self._data.paint_next_object() if self.annotation.active else self.classes.choose(1)

    def _update_stats(self) -> None:
        image, labels, axes = self._data.layers
        count = self.annotation.stats_function(labels, axes)
        self.label_stats.set_layers(labels, image, axes, count, objects=self.annotation.active)
        self.slices.set_layer(labels)
        self.changed.emit()

    def _on_stats(self, stats: LabelStats | None) -> None:
        unlabelled = self.label_stats.semantics.value["unlabelled"]
        counts = stats.counts if stats and stats.is_counted else None
        self.classes.set_counts(counts, 0 if self.annotation.active else unlabelled)
        self.changed.emit()

    def _separate_objects(self) -> None:
        """Let the semantic model separate touching objects with a distance transform."""
        segmenter = self._session.segmenter
        segmenter.spec = replace(segmenter.spec, objects=TOUCHING.spec.objects)
        self._session.config = replace(self._session.config, epochs=TOUCHING.config.epochs)
        self._session.segmenter_changed.emit()
        self.message.emit(SEPARATE)

    def _name_background(self) -> None:
        """Name the class 0 of unpainted pixels, if it has no name yet."""
        labels = self._data.labels.value
        if labels is not None and classes_of(labels, [0])[0].name == "class 0":
            self.classes.rename(0, "background")

    def _show_rows(self) -> None:
        objects, layer = self.annotation.active, self._class_layer()
        self.classes.set_layer(layer)
        self.classes.setVisible(layer is not None or not objects)
        self._data.set_label_kind(objects=objects)
        self.group.set_title(TITLES[objects])
        self.annotation.show_rows()

    def _class_layer(self) -> Labels | None:
        """The layer whose values are classes: the labels, or the object classes."""
        labels_are = self.label_stats.semantics.value["labels_are"]
        if self.annotation.active and labels_are != "classes":
            return self.annotation.classes.value
        return self._data.labels.value
