"""The one object: it trains, predicts and keeps the model. Docks, console and files share it."""

import sys
import warnings
from collections.abc import Generator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .config import ModelSpec, ObjectConfig, TileConfig, TrainConfig
from .data.classes import LabelClass
from .data.images import Image, as_image, full_resolution
from .data.orientation import turned
from .data.pairs import in_one_orientation, learnable, pair_up
from .models import is_whole, kind_of, resolve
from .objects.read import learnable_objects
from .steps import Step, drain

if TYPE_CHECKING:
    from .data.normalise import Statistics
    from .objects.record import Objects
    from .prediction.tiles import Prediction, TileStep
    from .trained import TrainedModel


class Segmenter:
    """A segmentation model: train it on labels, predict with it, save it, load it.

    Parameters
    ----------
    spec : ModelSpec
        Which model to build.
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".

    Attributes
    ----------
    spec : ModelSpec
        Which model it is.
    device : str
        Where it runs, as given.
    trained : TrainedModel or None
        The trained network with its conventions; None before training.
    previous : TrainedModel or None
        What the last training replaced; `restore` brings it back.

    Examples
    --------
    >>> seg = Segmenter(ModelSpec("unet", encoder="resnet18"))
    >>> seg.fit(image, labels, TrainConfig(epochs=20, unlabelled=0))
    >>> prediction = seg.predict(image)
    """

    def __init__(self, spec: ModelSpec | None = None, *, device: str = "auto") -> None:
        self.spec = resolve(spec or ModelSpec())
        self.device = device
        self.trained: TrainedModel | None = None
        self.previous: TrainedModel | None = None

    def __repr__(self) -> str:
        """Name, encoder, and the classes it has learned."""
        learned = ", ".join(c.name for c in self.classes) or "not trained"
        return f"<Segmenter {self.spec.name} ({self.spec.encoder}), {learned}>"

    @property
    def is_trained(self) -> bool:
        """Whether it can predict."""
        return self.trained is not None

    @property
    def can_predict(self) -> bool:
        """Whether it is trained, here or by others: with weights of a whole model."""
        return self.is_trained or is_whole(self.spec)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Value, name and colour of each class; empty before training."""
        return self.trained.all_classes if self.trained else ()

    @property
    def history(self) -> tuple[float, ...]:
        """Loss of each training step; empty before training."""
        return self.trained.history if self.trained else ()

    def fit(
        self,
        images: Any,
        labels: Any,
        config: TrainConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        object_classes: Any = None,
        regions: Any = None,
    ) -> Self:
        """Train on one image and its labels, or on lists of them.

        Parameters
        ----------
        images : array-like, napari Image layer, or list of them
            Any dtype; axes as in `axes`.
        labels : array-like, napari Labels layer, or list of them
            Non-negative integers of the images' shapes without the channel axis.
        config : TrainConfig, optional
            How to train.
        axes : str, optional
            One letter of "TCZYX" for each dimension of the images, such as "YXC". None: the
            layers' own axis labels, or what the shapes of image and labels say.
        spacing : sequence of float, optional
            World units between pixels along Z Y X or Y X. None: the layer's scale, or 1.
        object_classes : array-like, napari Labels layer, or list of them, optional
            Where objects are learned: labels that hold the class of each object. None: the column
            "class" of the layers' features, or one class for all.
        regions : napari Shapes layer, list of polygons, mask, or list of these, optional
            Where objects are learned: the parts of the images in which every object is labelled.
            None: the whole images.

        Returns
        -------
        Segmenter
            Itself, trained.

        Raises
        ------
        ValueError
            If the labels cannot be used; nothing is trained and the previous model stays.
        """
        _say_blocking("fit", "train_epochs(...)")
        more: Any = {"object_classes": object_classes, "regions": regions}
        steps = self.train_epochs(images, labels, config, axes=axes, spacing=spacing, **more)
        return drain(steps)

    def train_epochs(
        self,
        images: Any,
        labels: Any,
        config: TrainConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        object_classes: Any = None,
        regions: Any = None,
    ) -> Generator[Step, None, Self]:
        """Train step by step: the generator behind `fit`.

        Closing it, or leaving a loop over it, keeps what was learned so far; an error keeps
        the model that was there before.

        Parameters
        ----------
        images, labels, config, axes, spacing, object_classes, regions
            As in `fit`.

        Yields
        ------
        Step
            After each step: progress; a `TrainStep` tells the loss, too.

        Returns
        -------
        Segmenter
            Itself, trained.
        """
        config = config or TrainConfig()
        pairs = pair_up(images, labels)
        named = [
            as_image(i, axes, spacing, labels_shape=full_resolution(painted).shape)
            for i, painted in pairs
        ]
        painted = [p for _, p in pairs]
        more = _alike(painted, object_classes=object_classes, regions=regions)
        values, *known = _learnable(self.spec, named, painted, config, more)
        named, values = in_one_orientation(named, values)

        from .devices import choose
        from .training import training_of

        classes, class_of = known
        training = training_of(self.spec)(
            self.spec, named, values, classes, config, choose(self.device), class_of
        )
        try:
            yield from training.steps()
        except GeneratorExit:
            self._keep(training)
            raise
        self._keep(training)
        return self

    def _keep(self, training: Any) -> None:
        if training.last is not None:
            self.previous, self.trained = self.trained, training.trained()

    def restore(self) -> None:
        """Go back to the model that the last training replaced; a second call undoes the first.

        Raises
        ------
        ValueError
            If no training has replaced a model.
        """
        if self.previous is None:
            raise ValueError("No training has replaced a model yet, so there is none to restore.")
        self.previous, self.trained = self.trained, self.previous

    def predict(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
    ) -> NDArray[Any]:
        """Label every pixel of an image.

        Parameters
        ----------
        image : array-like or napari Image layer
            With the channels the model was trained with.
        tile : TileConfig, optional
            Batch size; tile size and overlap only where the model's own are to be replaced.
        axes : str, optional
            One letter of "TCZYX" a dimension. None: as in training, T and Z added or left out.
        spacing : sequence of float, optional
            World units between pixels along Z Y X or Y X.

        Returns
        -------
        ndarray
            Integers in the image's shape without its channel axis: the class values of the
            training labels; of a model that gives objects, a number for each of them, 0 being
            background.
        """
        _say_blocking("predict", "predict_tiles(...)")
        return drain(self.predict_tiles(image, tile, axes=axes, spacing=spacing)).labels

    def predict_objects(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        objects: ObjectConfig | None = None,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
    ) -> "Objects":
        """Find the objects of an image, each with its class and score.

        Parameters
        ----------
        image, tile, axes, spacing
            As in `predict`.
        objects : ObjectConfig, optional
            Which of them are kept; ``found.filtered(...)`` changes that later.

        Returns
        -------
        Objects
            ``.labels`` and ``.table``.

        Raises
        ------
        ValueError
            If the model gives classes only.
        """
        _say_blocking("predict_objects", "predict_tiles(...)")
        kind_ = self.ready().kind
        if kind_ == "semantic":
            raise ValueError(
                f"{self.spec.name} was trained to give classes only: train it with "
                "ModelSpec(..., objects='boundary'), or choose maskrcnn or solo."
            )
        more: Any = {"axes": axes, "spacing": spacing, "objects": objects}
        return drain(self.predict_tiles(image, tile, **more)).objects  # type: ignore[return-value]

    def predict_proba(
        self,
        image: Any,
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
    ) -> NDArray[np.float32]:
        """Probability of each class at every pixel.

        A model that finds objects one by one gives, for a class, the highest product of an
        object's score and its mask's probability there; for background, that there is none.

        Parameters
        ----------
        image, tile, axes, spacing
            As in `predict`.

        Returns
        -------
        ndarray
            float32 ``(classes, *image shape without its channel axis)``; classes in the order
            of `classes`.
        """
        _say_blocking("predict_proba", "predict_tiles(..., probabilities=True)")
        steps = self.predict_tiles(image, tile, axes=axes, spacing=spacing, probabilities=True)
        return drain(steps).probabilities  # type: ignore[return-value]

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
    ) -> Generator["TileStep", None, "Prediction"]:
        """Predict tile by tile: the generator behind `predict` and `predict_proba`.

        Parameters
        ----------
        image, tile, axes, spacing
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
        model = self.ready()
        named = self._image(image, axes, spacing)

        from .devices import choose
        from .prediction import prediction_of

        device, tile = choose(self.device), tile or TileConfig()
        model.to(device)
        options: Any = {
            "probabilities": probabilities,
            "statistics": statistics,
            "objects": objects,
        }
        turned_image = turned(named, model.orientation)
        found = yield from prediction_of(model)(model, turned_image, tile, device, **options)
        return found.turned(named.label_axes, turned_image.orientation, named.orientation)

    def measure(self, image: Any, *, axes: str | None = None) -> "Statistics":
        """The numbers that normalise an image for this model.

        Parameters
        ----------
        image : array-like or napari Image layer
            A whole image, stack or series.
        axes : str, optional
            As in `predict`.

        Returns
        -------
        Statistics
            To be given to `predict_tiles` for parts of that image.
        """
        return self.ready().measure(self._image(image, axes, None))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to one file that holds everything needed to get the same pixels again.

        Parameters
        ----------
        path : path-like
            Where to; the name usually ends in ".segkit".
        """
        from .modelfile import save

        save(self.ready(), path)

    @classmethod
    def load(cls, path: str | PathLike[str], *, device: str = "auto") -> Self:
        """Read a model that `save` wrote. No code in it is run, nothing is downloaded.

        Parameters
        ----------
        path : path-like
            The file.
        device : str
            Where the model is to run.

        Returns
        -------
        Segmenter
            Ready to predict.

        Raises
        ------
        ValueError
            If the file is not a complete model file, or was written by a newer version; if the
            device is not here.
        """
        from .devices import choose
        from .modelfile import load

        choose(device)
        trained = load(path)
        segmenter = cls(device=device)
        segmenter.spec, segmenter.trained = trained.spec, trained
        return segmenter

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
        if self.trained is None and is_whole(self.spec):
            from .pretrained import load_whole

            self.trained = load_whole(self.spec)
        if self.trained is None:
            raise ValueError("This model is not trained yet: train it, or load a model file.")
        return self.trained

    def _image(self, image: Any, axes: str | None, spacing: Sequence[float] | None) -> Image:
        model = self.ready()
        return as_image(image, axes, spacing, like=model.axes, channels=model.channels)


def _alike(painted: list[Any], **given: Any) -> dict[str, list[Any]]:
    """Each thing that was given as a list with an entry for each of the labels."""
    more = {}
    for name, value in given.items():
        if value is None:
            continue
        more[name] = (
            list(value) if isinstance(value, list | tuple) and len(painted) > 1 else [value]
        )
        if len(more[name]) != len(painted):
            raise ValueError(
                f"{name} holds {len(more[name])} entries for {len(painted)} labels: give one for "
                "each of them, None where there is nothing to say."
            )
    return more


def _learnable(
    spec: ModelSpec, images: list[Image], painted: list[Any], config: TrainConfig, more: Any
) -> tuple[Any, Any, Any]:
    """Label values or ids, the classes, and the class of each id where they are ids."""
    if kind_of(spec) != "semantic":
        found = learnable_objects(images, painted, config, **more)
        return found.ids, found.classes, found.class_of
    if more:
        raise ValueError(
            f"{' and '.join(more)} are for objects, and {spec.name} is to learn classes only: "
            "leave them out, or set objects in the ModelSpec."
        )
    return *learnable(images, painted, config), None


def _say_blocking(verb: str, steps: str) -> None:
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
