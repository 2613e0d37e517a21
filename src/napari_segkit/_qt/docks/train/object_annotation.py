"""Annotated regions and object classes, which go with instance labels."""

from collections.abc import Callable
from functools import partial

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_watcher import LayerWatcher, Listener, emitters_of
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Note, show_row
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit.config import ModelSpec
from napari_segkit.images.label_stats import LabelStats, label_stats
from napari_segkit.images.outlines import shape_outlines
from napari_segkit.instances.instance_stats import instance_stats
from napari_segkit.models import choose_ndim, predicts_objects
from napari_segkit.models.instance.object_scales import sizes_text

WHOLE_IMAGE = "the whole image"
NO_CLASSES = "none"
REGIONS_TIP = (
    "<p>Where every object is annotated: in the whole image, or inside the rectangles, ellipses "
    "and polygons of a Shapes layer. Pixels outside are left out of the training.</p>"
)
CLASSES_TIP = (
    "<p>The classes of the objects: a second Labels layer in which each object has the value of "
    "its class; a dot in each object is enough. none: the column <i>class</i> of the labels' "
    "features, or one class for all objects.</p>"
)
ALL_ANNOTATED = "The whole image counts as annotated: pixels that are not painted are background."
CLASS_COLUMN = 'The classes of the objects come from the column "class" of the labels\' features.'
SAME = "Labels and object classes are the same layer: choose another one for the classes, or none."


class ObjectAnnotation(QObject):
    """Layer choices for regions (Shapes) and object classes (Labels)."""

    changed = Signal()  # of a layer or its content

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        viewer = session.viewer
        self.regions = LayerChoice(viewer, "shapes", none=WHOLE_IMAGE, tooltip=REGIONS_TIP)
        self.classes = LayerChoice(viewer, "labels", none=NO_CLASSES, tooltip=CLASSES_TIP)
        self.text = Note()
        self.problem: str | None = None  # set by `stats_function`
        self._watch = LayerWatcher(session.viewer, self)
        self._edit_events = Listener(self, self.changed.emit)
        self.regions.changed.connect(self._on_layers)
        self.classes.changed.connect(self._on_layers)
        self._watch.painted.connect(self.changed)
        self._watch.redrawn.connect(self.changed)

    @property
    def active(self) -> bool:
        """Whether the session's model finds objects."""
        return predicts_objects(self._session.segmenter.spec)

    def class_layer(self) -> Labels | None:
        """The Labels layer of object classes, or None."""
        return self.classes.value if self.active else None

    def outlines(self, labels: Labels) -> list[NDArray[np.float64]] | None:
        """Region polygons in pixels of the labels, or None; ValueError if one has no area."""
        shapes = self.regions.value
        return shape_outlines(shapes, labels) if self.active and shapes is not None else None

    def stats_function(self, labels: Labels | None, axes: str | None) -> Callable[..., LabelStats]:
        """Function that counts the labels for the session's model; also sets `problem`."""
        self.problem = None
        self.text.setText(self._hints(labels))
        self._connect_layers(labels)
        if not self.active or labels is None:
            return label_stats
        classes, regions = self.class_layer(), None
        try:
            regions = self.outlines(labels)
        except ValueError as error:
            self.problem, classes = str(error), None
        if classes is labels:
            self.problem = SAME
        spec = self._session.segmenter.spec
        return partial(
            instance_stats,
            object_classes=classes,
            regions=regions,
            objects_by=spec.objects,
            ndim=_ndim(spec, axes or "YX"),
            voxel_size=self._session.config.voxel_size,
            fitted=partial(sizes_text, spec),
        )

    def code(self) -> str:
        """Keyword arguments of `train_epochs` as Python code."""
        layers = {"object_classes": self.classes.value, "regions": self.regions.value}
        code = {k: python_snippets.layer(v) for k, v in layers.items() if v is not None}
        return "".join(f", {k}={v}" for k, v in code.items()) if self.active else ""

    def show_rows(self) -> None:
        """Show the two rows if the model finds objects."""
        show_row(self.regions, self.active)
        show_row(self.classes, self.active)

    def _hints(self, labels: Labels | None) -> str:
        if not self.active or labels is None:
            return ""
        shapes, classes = self.regions.value, self.classes.value
        in_features = classes is None and "class" in labels.features
        hints = {ALL_ANNOTATED: shapes is None, CLASS_COLUMN: in_features}
        return "\n".join(hint for hint, applies in hints.items() if applies)

    def _on_layers(self) -> None:
        self._watch.watch(self.classes.value)
        self.changed.emit()

    def _connect_layers(self, labels: Labels | None) -> None:
        """Emit `changed` when shapes are drawn, or features are edited."""
        regions, classes = self.regions.value, self.classes.value
        features = (*emitters_of(labels, "features"), *emitters_of(classes, "features"))
        edits = (*emitters_of(regions, "data"), *features)
        self._edit_events.listen(edits if self.active else ())


def _ndim(spec: ModelSpec, axes: str) -> int:
    try:
        return choose_ndim(spec, axes)
    except ValueError:  # shown by the dock
        return 2
