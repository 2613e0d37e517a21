"""What is known of the layers of a viewer besides their pixels."""

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_segkit.images.classes import LabelClass

from .unwrap_proxy import unwrapped

if TYPE_CHECKING:
    from napari_segkit.instances.results import Objects


@dataclass(frozen=True, eq=False)
class LayerProbabilities:
    """Probabilities of classes at every pixel of a Labels layer.

    Parameters
    ----------
    maps : array-like
        ``(classes, *shape of the layer)``.
    classes : tuple of LabelClass
        In the order of the maps.
    axes : str
        What each dimension of the layer is.
    """

    maps: Any
    classes: tuple[LabelClass, ...]
    axes: str


class LayerRegistry(QObject):
    """What is known of each layer of a viewer: axes, objects and probabilities, while it lives.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Not kept alive.

    Attributes
    ----------
    axes_changed : Signal()
        The axes of an image are taken for others.
    objects_changed : Signal(object)
        A Labels layer shows objects, or others than before.
    probabilities_changed : Signal(object)
        The probabilities behind a Labels layer are known, others, or known no longer.
    """

    axes_changed = Signal()
    objects_changed = Signal(object)
    probabilities_changed = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self._axes: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
        self._objects: weakref.WeakKeyDictionary[Any, Objects] = weakref.WeakKeyDictionary()
        self._maps: weakref.WeakKeyDictionary[Any, LayerProbabilities] = weakref.WeakKeyDictionary()

    @property
    def viewer(self) -> Any:
        """The viewer, or None after it is gone."""
        return self._viewer()

    def axes_of(self, image: Any) -> str | None:
        """What the Train dock takes the axes of an image layer for; None where it does not say."""
        return self._axes.get(image)

    def set_axes(self, image: Any, axes: str | None) -> None:
        """Say what the axes of an image layer are taken for; None: nobody knows."""
        if axes == self._axes.get(image):
            return
        self._axes.pop(image, None)
        if axes is not None:
            self._axes[image] = axes
        self.axes_changed.emit()

    def objects_of(self, layer: Any) -> "Objects | None":
        """What was found where a Labels layer shows objects.

        Parameters
        ----------
        layer : napari.layers.Labels
            A layer that a prediction was written to.

        Returns
        -------
        Objects or None
            With ``.table``, ``.filtered(...)``, ``.measured()`` and ``.combined(...)``, as they
            were found: what is painted on the layer is not in it. None for other layers.
        """
        return self._objects.get(unwrapped(layer))

    def keep_objects(self, layer: Any, objects: "Objects") -> None:
        """Remember the objects that a layer shows for as long as there is the layer."""
        self._objects[unwrapped(layer)] = objects
        self.objects_changed.emit(layer)

    def probabilities_of(self, layer: Any) -> LayerProbabilities | None:
        """The probabilities behind a prediction, where they were kept.

        Parameters
        ----------
        layer : napari.layers.Labels
            A layer that a prediction was written to.

        Returns
        -------
        LayerProbabilities or None
            Its ``.maps`` are ``(classes, *shape of the layer)``. None for other layers.
        """
        return self._maps.get(unwrapped(layer))

    def keep_probabilities(self, layer: Any, maps: LayerProbabilities | None) -> None:
        """Remember the probabilities behind a layer for as long as there is the layer."""
        layer = unwrapped(layer)
        before = self._maps.pop(layer, None)
        if maps is not None:
            self._maps[layer] = maps
        if maps is not before:
            self.probabilities_changed.emit(layer)
