"""Axes, objects and probabilities of the layers of a viewer."""

from typing import Any
from weakref import WeakKeyDictionary, ref

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, Signal

from napari_segkit.images.classes import ClassProbabilities
from napari_segkit.instances.results import Objects
from napari_segkit.jobs.kept_prediction import KeptPrediction, PredictionSettings

from .chosen_axes import ChosenAxes
from .unwrap_proxy import unwrapped


class LayerRegistry(QObject):
    """Axes, objects and probabilities of the layers of a viewer, each as long as its layer exists.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Not kept alive.

    Attributes
    ----------
    chosen_axes : ChosenAxes
        The axes that a person chose for images.
    axes_changed : Signal()
        The axes of an image have changed.
    objects_changed : Signal(object)
        The objects of a Labels layer have changed.
    probabilities_changed : Signal(object)
        The probabilities of a Labels layer have changed or were removed.
    """

    axes_changed = Signal()
    objects_changed = Signal(object)
    probabilities_changed = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = ref(unwrapped(viewer))
        self.chosen_axes = ChosenAxes()
        self._axes: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
        self._objects: WeakKeyDictionary[Layer, Objects] = WeakKeyDictionary()
        self._maps: WeakKeyDictionary[Layer, ClassProbabilities] = WeakKeyDictionary()
        self._images: WeakKeyDictionary[Layer, frozenset[str]] = WeakKeyDictionary()
        self._trained_on: dict[str, frozenset[str]] = {}
        self._first_training: dict[str, str] = {}  # of models trained again
        self._model_names: dict[str, str] = {}
        self._predictions: WeakKeyDictionary[Layer, KeptPrediction] = WeakKeyDictionary()
        unwrapped(viewer).layers.events.removed.connect(self._forget_predictions)
        self._notes: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()

    @property
    def viewer(self) -> Any:
        """The viewer, or None once it is closed and deleted."""
        return self._viewer()

    def axes_of(self, image: Layer | None) -> str | None:
        """Axes of an image layer as set in the Train dock, or None."""
        return self._axes.get(image)

    def set_axes(self, image: Layer, axes: str | None) -> None:
        """Set the axes of an image layer; None removes them."""
        if axes == self._axes.get(image):
            return
        self._axes.pop(image, None)
        if axes is not None:
            self._axes[image] = axes
        self.axes_changed.emit()

    def images_of(self, labels: Layer) -> frozenset[str]:
        """`unique_id` of the images that a Labels layer was chosen for."""
        return self._images.get(unwrapped(labels), frozenset())

    def choose_labels(self, labels: Layer, image: Layer) -> None:
        """Record that a Labels layer was chosen for an image."""
        labels = unwrapped(labels)
        chosen = self._images.pop(labels, frozenset())  # the last one chosen comes last
        self._images[labels] = chosen | {str(image.unique_id)}

    def chosen_labels(self) -> list[Layer]:
        """The Labels layers that were chosen for images, the last one last."""
        return [*self._images]

    def last_labels_of(self, image: Layer) -> Layer | None:
        """The Labels layer last chosen for an image."""
        own = str(image.unique_id)
        return next((x for x in reversed([*self._images]) if own in self._images[x]), None)

    def training_labels(self, model: str) -> frozenset[str]:
        """`unique_id` and fingerprint of the labels that a model was trained on here."""
        return self._trained_on.get(model, frozenset())

    def keep_training_labels(self, model: str, labels: frozenset[str]) -> None:
        """Record `unique_id` and fingerprint of the labels that a model was trained on."""
        self._trained_on[model] = labels

    def keep_retraining(self, before: str, model: str) -> None:
        """Record that a model was trained again: results of the new one replace the old ones."""
        self._first_training[model] = self.first_training(before)

    def first_training(self, model: str) -> str:
        """The first of the trainings that a model has gone through here."""
        return self._first_training.get(model, model)

    def name_model(self, model: str, name: str) -> None:
        """Name a model, such as after its file; layers of its results carry the name."""
        self._model_names[model] = name

    def model_name(self, model: str) -> str:
        """The name of a model; "" if it has none."""
        return self._model_names.get(model, "")

    def written_note(self, layer: Layer) -> str:
        """Where the last result of this layer was written, and what became of an earlier one."""
        return self._notes.get(unwrapped(layer), "")

    def keep_written_note(self, layer: Layer, note: str) -> None:
        """Store what `written_note` tells."""
        self._notes[unwrapped(layer)] = note

    def objects_of(self, layer: Layer) -> Objects | None:
        """The objects that a Labels layer shows.

        Parameters
        ----------
        layer : napari.layers.Labels
            A layer that a prediction was written to.

        Returns
        -------
        Objects or None
            As predicted, without later painting on the layer, with ``.table``, ``.filtered(...)``,
            ``.measured()`` and ``.combined(...)``. None for other layers.
        """
        return self._objects.get(unwrapped(layer))

    def keep_objects(self, layer: Layer, objects: Objects) -> None:
        """Store the objects that a layer shows, as long as the layer exists."""
        self._objects[unwrapped(layer)] = objects
        self.objects_changed.emit(layer)

    def probabilities_of(self, layer: Layer) -> ClassProbabilities | None:
        """The probabilities of a prediction, if they were kept.

        Parameters
        ----------
        layer : napari.layers.Labels
            A layer that a prediction was written to.

        Returns
        -------
        ClassProbabilities or None
            With ``.maps`` of ``(classes, *shape of the layer)``. None for other layers.
        """
        return self._maps.get(unwrapped(layer))

    def keep_probabilities(self, layer: Layer, maps: ClassProbabilities | None) -> None:
        """Store the probabilities of a layer, as long as the layer exists; None removes them."""
        layer = unwrapped(layer)
        before = self._maps.pop(layer, None)
        if maps is not None:
            self._maps[layer] = maps
        if maps is not before:
            self.probabilities_changed.emit(layer)

    def prediction_of(self, layer: Layer) -> KeptPrediction | None:
        """What was predicted for a layer, before anyone painted on it; None: that is not kept."""
        return self._predictions.get(unwrapped(layer))

    def prediction_with(self, settings: PredictionSettings) -> KeptPrediction | None:
        """The last prediction with these settings whose layer is still there."""
        layers = () if self.viewer is None else reversed(self.viewer.layers)
        kept = (self._predictions.get(layer) for layer in layers)
        return next((p for p in kept if p is not None and p.settings == settings), None)

    def keep_prediction(self, layer: Layer, prediction: KeptPrediction) -> None:
        """Keep the pixels of a prediction to go on with, as long as its images are there."""
        if set(prediction.settings.layers) <= {str(x.unique_id) for x in self.viewer.layers}:
            self._predictions[unwrapped(layer)] = prediction

    def _forget_predictions(self, event: Event) -> None:
        """Free what is kept of an image that is removed."""
        image, kept = str(event.value.unique_id), self._predictions
        for layer in [x for x, each in kept.items() if image in each.settings.layers]:
            del kept[layer]
