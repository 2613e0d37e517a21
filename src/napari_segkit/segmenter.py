"""The main object: train, predict, save and load a model."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from .config import ModelSpec, TrainConfig
from .predictor import Predictor, warn_if_blocking
from .steps import Step, drain

if TYPE_CHECKING:
    from .trained_model import TrainedModel
    from .training.trainer import Trainer


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
        The model.
    device : str
        The device, as given.
    trained : TrainedModel or None
        The trained network with its metadata; None before training.
    previous : TrainedModel or None
        The model that the last training replaced; `restore` brings it back.

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
            Non-negative integers, in the images' shapes without the channel axis.
        config : TrainConfig, optional
            Settings of the training.
        axes : str, optional
            One letter of "TCZYX" for each dimension of the images, such as "YXC". None: the axis
            labels of the layers, or inferred from the shapes of image and labels.
        spacing : sequence of float, optional
            Pixel size in world units along Z Y X or Y X. None: the layer's scale, or 1.
        object_classes : array-like, napari Labels layer, or list of them, optional
            Only for models that predict objects: labels with the class of each object. None: the
            column "class" of the layers' features, or one class for all objects.
        regions : napari Shapes layer, list of polygons, mask, or list of these, optional
            Only for models that predict objects: the regions in which every object is annotated.
            None: the full images.

        Returns
        -------
        Segmenter
            This object, trained.

        Raises
        ------
        ValueError
            If the images or labels cannot be used; the previous model stays.
        """
        warn_if_blocking("fit", "train_epochs(...)")
        steps = self.train_epochs(
            images,
            labels,
            config,
            axes=axes,
            spacing=spacing,
            object_classes=object_classes,
            regions=regions,
        )
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

        Closing it, or leaving a loop over it, keeps what was trained so far. After an error the
        previous model stays.

        Parameters
        ----------
        images, labels, config, axes, spacing, object_classes, regions
            As in `fit`.

        Yields
        ------
        Step
            Progress after each step; a `TrainStep` also holds the loss.

        Returns
        -------
        Segmenter
            This object, trained.

        Raises
        ------
        ValueError
            As in `fit`; also if the model was merged from two.
        """
        if self.trained is not None and self.trained.stuff is not None:
            raise ValueError(
                "This model was merged from two models, and training would replace both: train "
                "the two models and merge them again, or create a new Segmenter."
            )
        from .training.dataset import prepare_training

        trainer = prepare_training(
            self.spec,
            images,
            labels,
            config or TrainConfig(),
            self.device,
            axes=axes,
            spacing=spacing,
            object_classes=object_classes,
            regions=regions,
        )
        try:
            yield from trainer.steps()
        except GeneratorExit:
            self._store_result(trainer)
            raise
        self._store_result(trainer)
        return self

    def _store_result(self, trainer: "Trainer") -> None:
        if trainer.last is None:
            return
        previous, trained = self.trained, trainer.trained(copy=False)
        if previous and (previous.kind, previous.values) == (trained.kind, trained.values):
            trained = replace(trained, refine=previous.refine)
        self.previous, self.trained = previous, trained

    def restore(self) -> None:
        """Swap the trained model with the one that the last training replaced.

        A second call swaps them back.

        Raises
        ------
        ValueError
            If no training has replaced a model yet.
        """
        if self.previous is None:
            raise ValueError(
                "There is no previous model to restore: no training has replaced one yet."
            )
        self.previous, self.trained = self.trained, self.previous

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model and everything needed to reproduce its predictions to one file.

        Parameters
        ----------
        path : path-like
            The file to write; its name usually ends in ".segkit".

        Raises
        ------
        ValueError
            If the model is not trained yet, or the folder does not exist.
        """
        from .model_file import save

        save(self.ready(), path)

    @classmethod
    def load(cls, path: str | PathLike[str], *, device: str = "auto") -> Self:
        """Read a model that `save` wrote. Runs no code from the file and downloads nothing.

        Parameters
        ----------
        path : path-like
            The file.
        device : str
            The device for the model, as in `Segmenter`.

        Returns
        -------
        Segmenter
            Ready to predict.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not a complete model file, or was written by a newer version; if the
            device is not available.
        """
        from .devices import choose
        from .model_file import load

        choose(device)
        trained = load(path)
        segmenter = cls(device=device)
        segmenter.spec, segmenter.trained = trained.spec, trained
        return segmenter
