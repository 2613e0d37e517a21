"""What is said about objects besides their labels: annotated regions, and classes."""

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QGroupBox

from napari_segkit._qt.layers.layer_watcher import LayerWatcher
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit.config import ModelSpec
from napari_segkit.instances.annotated_regions import outlines
from napari_segkit.models import choose_ndim, kind_of
from napari_segkit.models.instance.object_scales import sizes_text

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

WHOLE = "the whole image"
NO_CLASSES = "none"
REGIONS_TIP = (
    "<p>Where every object is labelled: in the whole image, or inside the rectangles, ellipses and "
    "polygons of a Shapes layer; nothing outside them is learned.</p>"
)
CLASSES_TIP = (
    "<p>The classes of the objects: a second Labels layer in which each object has the value of "
    "its class; a dot in each is enough. None: the column <i>class</i> of the labels' features, or "
    "one class for all.</p>"
)
IN_WHOLE = "The whole image counts as complete: what is not painted is background."
IN_FEATURES = 'The column "class" of the labels\' features says the class of each object.'
SAME = "Labels and classes of objects are the same layer: choose another for the classes, or none."


class ObjectAnnotation(QObject):
    """Regions and classes of objects, where the session's model gives objects.

    Parameters
    ----------
    session : Session
        Whose model and layers they are.
    parent : QObject, optional
        Owner of this object; the widgets belong to whoever lays them out.

    Attributes
    ----------
    regions, classes : LayerChoice
        Shapes and Labels layer.
    text : Note
        What the choices come to.
    problem : str or None
        Why what is chosen cannot be used, as of the last `asked`; None where it can.
    changed : Signal()
        Another layer is chosen, or its content is, or may be, another.
    """

    changed = Signal()

    def __init__(self, session: "Session", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.regions = LayerChoice(session.viewer, "shapes", none=WHOLE)
        self.classes = LayerChoice(session.viewer, "labels", none=NO_CLASSES)
        self.text = Note()
        self.problem: str | None = None
        self._heard: list[Any] = []
        self._watch = LayerWatcher(session.viewer, self)
        self.regions.setToolTip(REGIONS_TIP)
        self.classes.setToolTip(CLASSES_TIP)
        self.regions.layer_changed.connect(self._on_layers)
        self.classes.layer_changed.connect(self._on_layers)
        self._watch.painted.connect(self.changed)
        self._watch.redrawn.connect(self.changed)

    @property
    def counts(self) -> bool:
        """Whether the session's model gives objects."""
        return kind_of(self._session.segmenter.spec) != "semantic"

    def given(self, labels: Any) -> dict[str, Any]:
        """What is chosen, by its names in `train_epochs`; shapes as polygons.

        Parameters
        ----------
        labels : napari.layers.Labels
            The labels that they belong to.

        Raises
        ------
        ValueError
            If a shape has no inside.
        """
        shapes, classes = self.regions.current_layer(), self.classes.current_layer()
        chosen = {
            "object_classes": classes,
            "regions": None if shapes is None else outlines(shapes, labels),
        }
        return {k: v for k, v in chosen.items() if v is not None} if self.counts else {}

    def frozen(self, labels: Any) -> dict[str, Any]:
        """The same as it is now, for a training: what is painted meanwhile is not seen there."""
        chosen = self.given(labels)
        if "object_classes" in chosen:
            chosen["object_classes"] = snapshot(chosen["object_classes"])
        return chosen

    def asked(self, labels: Any, axes: str | None) -> dict[str, Any] | None:
        """What a survey of objects takes besides labels; None where classes are learned.

        Parameters
        ----------
        labels : napari.layers.Labels or None
            The labels.
        axes : str or None
            Of their image.
        """
        self.problem = None
        self.text.setText(self._words(labels))
        self._listen(labels)
        if not self.counts or labels is None:
            return None
        chosen: dict[str, Any] = {}
        try:
            chosen = self.given(labels)
        except ValueError as unfit:
            self.problem = str(unfit)
        if chosen.get("object_classes") is labels:
            self.problem = SAME
        spec = self._session.segmenter.spec
        return chosen | {
            "how": spec.objects,
            "ndim": _ndim(spec, axes or "YX"),
            "voxel_size": self._session.config.voxel_size,
            "fitted": partial(sizes_text, spec),
        }

    def code(self) -> str:
        """Both layers as Python finds them, as keywords."""
        chosen = {
            "object_classes": self.classes.current_layer(),
            "regions": self.regions.current_layer(),
        }
        named = {k: python_snippets.layer(v) for k, v in chosen.items() if v is not None}
        return "".join(f", {k}={v}" for k, v in named.items()) if self.counts else ""

    def show_in(self, group: QGroupBox) -> None:
        """Show its rows of a group, or hide them where they do not count."""
        form: Any = group.layout()
        for choice in (self.regions, self.classes):
            choice.setVisible(self.counts)
            form.labelForField(choice).setVisible(self.counts)

    def _words(self, labels: Any) -> str:
        if not self.counts or labels is None:
            return ""
        shapes, classes = self.regions.current_layer(), self.classes.current_layer()
        in_features = classes is None and "class" in labels.features
        lines = {IN_WHOLE: shapes is None, IN_FEATURES: in_features}
        return "\n".join(line for line, holds in lines.items() if holds)

    def _on_layers(self) -> None:
        self._watch.watch(self.classes.current_layer())
        self.changed.emit()

    def _listen(self, labels: Any) -> None:
        """Hear of shapes that are drawn, and of classes that are named in features."""
        for emitter in self._heard:
            emitter.disconnect(self._on_edited)
        chosen = {
            "data": [self.regions.current_layer()],
            "features": [labels, self.classes.current_layer()],
        }
        self._heard = [
            getattr(layer.events, name)
            for name, layers in chosen.items()
            for layer in layers
            if layer is not None and self.counts
        ]
        for emitter in self._heard:
            emitter.connect(self._on_edited)

    def _on_edited(self) -> None:
        if isalive(self):
            self.changed.emit()


def _ndim(spec: ModelSpec, axes: str) -> int:
    try:
        return choose_ndim(spec, axes)
    except ValueError:  # the dock says so
        return 2
