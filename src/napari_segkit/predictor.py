"""A model and what can be asked of it: labels, probabilities, objects."""

import sys
import warnings
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .config import ModelSpec, ObjectConfig, RefineConfig, TileConfig
from .images.axes_image import AxesImage, as_image, turned
from .images.classes import LabelClass
from .models import is_pretrained, resolve
from .steps import drain

if TYPE_CHECKING:
    from .images.intensity import Statistics
    from .inference.tiled import Prediction, TileStep
    from .instances.results import Objects
    from .trained_model import TrainedModel


class Predictor:
    """A model that predicts, once it is trained; `Segmenter` is one that also learns.

    Parameters
    ----------
    spec : ModelSpec
        Which model.
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    """

    def __init__(self, spec: ModelSpec | None = None, *, device: str = "auto") -> None:
        self.spec = resolve(spec or ModelSpec())
        self.device = device
        self.trained: TrainedModel | None = None

    def __repr__(self) -> str:
        """Name, encoder, and the classes it has learned."""
        learned = ", ".join(c.name for c in self.classes) or "not trained"
        return f"<{type(self).__name__} {self.spec.name} ({self.spec.encoder}), {learned}>"

    @property
    def is_trained(self) -> bool:
        """Whether it can predict."""
        return self.trained is not None

    @property
    def can_predict(self) -> bool:
        """Whether it is trained, here or by others: with weights of a whole model."""
        return self.is_trained or is_pretrained(self.spec)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Value, name and colour of each class; empty before training."""
        return self.trained.all_classes if self.trained else ()

    @property
    def history(self) -> tuple[float, ...]:
        """Loss of each training step; empty before training."""
        return self.trained.history if self.trained else ()

    @property
    def refine(self) -> RefineConfig:
        """What is done to probabilities on the way to labels; the model keeps it in its file.

        Set it to have every prediction refined so. It stays when the model is trained again on
        the same classes. Of a model merged from two, both are smoothed, and what lies between
        objects can be tidied; ValueError where a class is to be tidied that is not there, or
        which has objects.
        """
        if self.trained is None:
            return RefineConfig()
        from .trained_model import refinement_of

        return refinement_of(self.trained)

    @refine.setter
    def refine(self, recipe: RefineConfig) -> None:
        self.trained = self._refining(recipe)

    def predict(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        refine: RefineConfig | None = None,
    ) -> NDArray[Any]:
        """Label every pixel of an image.

        Parameters
        ----------
        image : array-like or napari AxesImage layer
            With the channels the model was trained with.
        tile : TileConfig, optional
            Batch size; tile size and overlap only where the model's own are to be replaced.
        axes : str, optional
            One letter of "TCZYX" a dimension. None: as in training, T and Z added or left out.
        spacing : sequence of float, optional
            World units between pixels along Z Y X or Y X.
        refine : RefineConfig, optional
            What is done to the probabilities, in the dimensions of the model. None: the model's
            own recipe; ``RefineConfig()``: nothing.

        Returns
        -------
        ndarray
            Integers in the image's shape without its channel axis: the class values of the
            training labels; of a model that gives objects, a number for each of them, 0 being
            background.
        """
        say_blocking("predict", "predict_tiles(...)")
        more: Any = {"axes": axes, "spacing": spacing, "refine": refine}
        return drain(self.predict_tiles(image, tile, **more)).labels

    def predict_objects(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        objects: ObjectConfig | None = None,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        refine: RefineConfig | None = None,
    ) -> "Objects":
        """Find the objects of an image, each with its class and score.

        Parameters
        ----------
        image, tile, axes, spacing
            As in `predict`.
        objects : ObjectConfig, optional
            Which of them are kept; ``found.filtered(...)`` changes that later.
        refine : RefineConfig, optional
            As in `predict`; only its smoothing counts for objects. The masks of Mask R-CNN and
            SOLO are smoothed one by one, each against its background and in its box; of other
            models, the classes that the objects are then found in.

        Returns
        -------
        Objects
            ``.labels`` and ``.table``.

        Raises
        ------
        ValueError
            If the model gives classes only.
        """
        say_blocking("predict_objects", "predict_tiles(...)")
        kind_ = self.ready().kind
        if kind_ == "semantic":
            raise ValueError(
                f"{self.spec.name} was trained to give classes only: train it with "
                "ModelSpec(..., objects='distance'), or choose maskrcnn or solo."
            )
        more: Any = {"axes": axes, "spacing": spacing, "objects": objects, "refine": refine}
        return drain(self.predict_tiles(image, tile, **more)).objects  # type: ignore[return-value]

    def predict_proba(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        refine: RefineConfig | None = None,
    ) -> NDArray[np.float32]:
        """Probability of each class at every pixel.

        A model that finds objects one by one gives, for a class, the highest product of an
        object's score and its mask's probability there; for background, that there is none; all
        scaled to add up to one.

        Parameters
        ----------
        image, tile, axes, spacing, refine
            As in `predict`; the probabilities are the smoothed ones.

        Returns
        -------
        ndarray
            float32 ``(classes, *image shape without its channel axis)``; classes in the order
            of `classes`.
        """
        say_blocking("predict_proba", "predict_tiles(..., probabilities=True)")
        more: Any = {"axes": axes, "spacing": spacing, "refine": refine, "probabilities": True}
        return drain(self.predict_tiles(image, tile, **more)).probabilities  # type: ignore[return-value]

    def predict_tiles(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        probabilities: bool = False,
        statistics: "Statistics | None" = None,
        objects: ObjectConfig | None = None,
        refine: RefineConfig | None = None,
    ) -> Generator["TileStep", None, "Prediction"]:
        """Predict tile by tile: the generator behind `predict` and `predict_proba`.

        Parameters
        ----------
        image, tile, axes, spacing, refine
            As in `predict`.
        probabilities : bool
            Keep the probabilities of all classes.
        statistics : Statistics, optional
            Normalisation numbers to use instead of the image's own, such as those of a stack
            that a slice comes from (``segmenter.measure(stack)``).
        objects : ObjectConfig, optional
            Which objects are kept, where the model gives objects.

        Yields
        ------
        TileStep
            After each batch of tiles.

        Returns
        -------
        Prediction
            Labels, probabilities on request, objects where it gives them, and their provenance.
        """
        named = self._image(image, axes, spacing)
        model = self.ready() if refine is None else self._refining(refine)

        from .devices import choose
        from .inference import predict_tiles_of

        device, tile = choose(self.device), tile or TileConfig()
        model.to(device)
        options: Any = {
            "probabilities": probabilities,
            "statistics": statistics,
            "objects": objects,
        }
        turned_image = turned(named, model.orientation)
        found = yield from predict_tiles_of(model)(model, turned_image, tile, device, **options)
        return found.turned(named.label_axes, turned_image.orientation, named.orientation)

    def measure(self, image: Any, *, axes: str | None = None) -> "Statistics":
        """The numbers that normalise an image for this model.

        Parameters
        ----------
        image : array-like or napari AxesImage layer
            A whole image, stack or series.
        axes : str, optional
            As in `predict`.

        Returns
        -------
        Statistics
            To be given to `predict_tiles` for parts of that image.
        """
        return self.ready().measure(self._image(image, axes, None))

    def ready(self) -> "TrainedModel":
        """The trained model, once there is one; weights of a whole model are loaded here.

        Returns
        -------
        TrainedModel
            Its network and conventions.

        Raises
        ------
        ValueError
            If it is not trained yet, and its weights are not those of a whole model.
        """
        if self.trained is None and is_pretrained(self.spec):
            from .pretrained_model import load_pretrained

            self.trained = load_pretrained(self.spec)
        if self.trained is None:
            raise ValueError("This model is not trained yet: train it, or load a model file.")
        return self.trained

    def _refining(self, recipe: RefineConfig) -> "TrainedModel":
        """The model with another recipe."""
        from .trained_model import with_refinement

        return with_refinement(self.ready(), recipe)

    def _image(self, image: Any, axes: str | None, spacing: Sequence[float] | None) -> AxesImage:
        model = self.ready()
        return as_image(image, axes, spacing, like=model.axes, channels=model.channels)


def say_blocking(verb: str, steps: str) -> None:
    """In napari's own console any Python call blocks the window: name the one that does not."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if type(getattr(shell, "kernel", None)).__name__ == "InProcessKernel":
        warnings.warn(
            f"{verb} blocks napari's window until it is done; "
            f"session(viewer).run(segmenter.{steps}) does not.",
            UserWarning,
            stacklevel=3,
        )
