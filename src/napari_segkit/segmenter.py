"""The one object: it trains, predicts and keeps the model. Docks, console and files share it."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from .config import ModelSpec, TrainConfig
from .predictor import Predictor, say_blocking
from .steps import Step, drain

if TYPE_CHECKING:
    from .trained_model import TrainedModel


class Segmenter(Predictor):
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
        super().__init__(spec, device=device)
        self.previous: TrainedModel | None = None

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
        say_blocking("fit", "train_epochs(...)")
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
        if self.trained is not None and self.trained.stuff is not None:
            raise ValueError(
                "This model was merged from two, and a training would replace both: train its "
                "parts and merge them again, or begin with a new Segmenter."
            )
        from .training.dataset import begin

        more: Any = {"object_classes": object_classes, "regions": regions}
        config = config or TrainConfig()
        training = begin(
            self.spec, images, labels, config, self.device, axes=axes, spacing=spacing, **more
        )
        try:
            yield from training.steps()
        except GeneratorExit:
            self._keep(training)
            raise
        self._keep(training)
        return self

    def _keep(self, training: Any) -> None:
        if training.last is None:
            return
        before, learned = self.trained, training.trained()
        if before and (before.kind, before.values) == (learned.kind, learned.values):
            learned = replace(learned, refine=before.refine)
        self.previous, self.trained = before, learned

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

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to one file that holds everything needed to get the same pixels again.

        Parameters
        ----------
        path : path-like
            Where to; the name usually ends in ".segkit".
        """
        from .model_file import save

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
        from .model_file import load

        choose(device)
        trained = load(path)
        segmenter = cls(device=device)
        segmenter.spec, segmenter.trained = trained.spec, trained
        return segmenter
