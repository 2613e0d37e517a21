"""The main object: train, predict, save and load a model."""

import warnings
from collections.abc import Generator, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .arguments import (
    as_device,
    as_learning_rates,
    as_path,
    given,
    require_bool,
    require_optional,
    require_type,
)
from .config import (
    ClusterConfig,
    ModelSpec,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    TileConfig,
    TrainConfig,
)
from .config._schema import as_config
from .freed_memory import keeping_freed_memory
from .images.classes import LabelClass
from .models import as_spec, is_pretrained, model_info, resolve
from .steps import Step, drain, warn_if_blocking

if TYPE_CHECKING:
    from .deployment import DeployedModel
    from .images.axes_image import AxesImage
    from .images.intensity import Statistics
    from .images.training_pairs import Given
    from .images.types import AnyArray, ImageSource, LazyArray
    from .inference.sink import Sink
    from .instances.results import Objects
    from .label_result import LabelResult
    from .trained_model import TrainedModel
    from .training.held_out import HeldOut
    from .training.trainer import Trainer
    from .training_set import TrainingSet

Start = Literal["current"]


class Segmenter:
    """A segmentation model: train it on labels, predict with it, save it, load it.

    Parameters
    ----------
    spec : ModelSpec or str
        Which model to build; a name such as "unet" is short for ``ModelSpec("unet")``.
    device : str or torch.device
        "auto", "cpu", "cuda", "cuda:1" or "mps".

    Attributes
    ----------
    trained : TrainedModel or None
        The trained network with its metadata; None before training.
    previous : TrainedModel or None
        The model that the last training, or `restore`, replaced; `restore` brings it back.
    held_out : HeldOut or None
        What the last training, or the one that is running, holds out to score its model; None
        before it has begun.

    Examples
    --------
    >>> seg = Segmenter(ModelSpec("unet", encoder="resnet18"))
    >>> seg.fit(image, labels, TrainConfig(epochs=20, unlabelled=0))
    >>> prediction = seg.predict(image)
    """

    def __init__(self, spec: ModelSpec | str | None = None, *, device: str = "auto") -> None:
        self.spec = spec
        self.device = device
        self.trained: TrainedModel | None = None
        self.previous: TrainedModel | None = None
        self.held_out: HeldOut | None = None
        self._in_file: TrainedModel | None = None  # that was saved or loaded last

    def __repr__(self) -> str:
        """Name, encoder and classes."""
        learned = ", ".join(c.name for c in self.classes) or "not trained"
        return f"<{type(self).__name__} {self.spec.name} ({self.spec.encoder}), {learned}>"

    @property
    def spec(self) -> ModelSpec:
        """The model that is built by the next training; it can be set by name, too."""
        return self._spec

    @spec.setter
    def spec(self, spec: ModelSpec | str | None) -> None:
        self._spec = resolve(as_spec(spec))

    @property
    def device(self) -> str:
        """The device, as given; whether it is available is seen when it is used."""
        return self._device

    @device.setter
    def device(self, device: str) -> None:
        self._device = as_device(device)

    @property
    def is_trained(self) -> bool:
        """Whether the model is trained."""
        return self.trained is not None

    @property
    def is_saved(self) -> bool:
        """Whether a file holds the trained model as it is: it was loaded, or saved since."""
        return self.trained is not None and self.trained is self._in_file

    @property
    def can_predict(self) -> bool:
        """Whether the model is trained, or has pretrained weights of a complete model."""
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
    def learning_rates(self) -> tuple[float, ...]:
        """Learning rate of each training step, of a training that had a time limit; else empty."""
        return self.trained.learning_rates if self.trained else ()

    @property
    def refine(self) -> RefineConfig:
        """Refinement settings applied to every prediction; stored in the model file.

        They stay when the model is trained again on the same classes. For a model merged from two,
        the smoothing applies to both, the clean-up to stuff classes only. Setting raises ValueError
        if the clean-up names a class that the model does not have, or a class of objects.
        """
        if self.trained is None:
            return RefineConfig()
        from .trained_model import refinement_of

        return refinement_of(self.trained)

    @refine.setter
    def refine(self, config: RefineConfig) -> None:
        require_type("refine", config, RefineConfig)
        self.trained = self._with_refinement(config)

    def fit(
        self,
        images: "TrainingSet | Given",
        labels: "Given | None" = None,
        config: TrainConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        object_classes: object = None,
        regions: object = None,
        validation: "tuple[Given, Given] | None" = None,
        resume: str | PathLike[str] | None = None,
        start: Start | None = None,
        learning_rates: Sequence[float] | None = None,
        progress: bool = False,
    ) -> Self:
        """Train on one image and its labels, on lists of them, or on a training set.

        Parameters
        ----------
        images : array-like, napari Image layer, list of them, or TrainingSet
            Any dtype; axes as in `axes`. A `TrainingSet` holds the labels, too, and what its rows
            are for: it takes the place of `labels`, `object_classes`, `regions` and `validation`.
        labels : array-like, napari Labels layer, or list of them, optional
            Non-negative integers, in the images' shapes without the channel axis; or masks with a
            last axis of red, green, blue (and alpha), each of whose colours becomes a class.
        config : TrainConfig, optional
            Settings of the training. None: the defaults, or those of the state with `resume`.
        axes : str, optional
            One letter of "TCZYX" for each dimension of the images, such as "YXC". None: the axis
            labels of the layers, or inferred from the shapes of image and labels; needed if an axis
            of more than four is channels. A fourth channel is used unless it is alpha: of a layer
            in RGB, or opaque everywhere.
        spacing : sequence of float, optional
            Pixel size in world units along Z Y X or Y X. None: the layer's scale, or 1.
        object_classes : array-like, napari Labels layer, or list of them, optional
            Only for models that predict objects: labels with the class of each object. None: the
            column "class" of the layers' features, or one class for all objects.
        regions : napari Shapes layer, list of polygons, mask, or list of these, optional
            Only for models that predict objects: the regions in which every object is annotated.
            None: the full images.
        validation : tuple of (images, labels), optional
            Images that are not trained on, with their labels, or lists of both. The model is scored
            on them (mean Dice of the classes, F1 of objects at IoU 0.5), and the weights with the
            best score are the result. None: what `config.validation` holds out of the images;
            `held_out` tells what, and if it is nothing, the last weights are the result.
        resume : path-like, optional
            The state that a `Checkpoint` of an earlier training saved: goes on from it, with the
            same losses and weights as without the break, on the same machine and device with the
            same number of threads and if no time limit sets the learning rate. Model, classes,
            settings, images and labels must be the same; `of_state` gives the model. What an
            earlier version had no setting for stays as it was. The pixel classifier starts anew,
            which gives the same model.
        start : str, optional
            "current": goes on with the trained weights, with a new optimiser, on more or corrected
            images. Their labels hold all classes of the model, and may hold further ones; method,
            channels, pixel size and normalisation are those of the model. The pixel classifier is
            always trained anew, on what it is given. None: from random weights, or those of
            `ModelSpec.weights`.
        learning_rates : sequence of float, optional
            The learning rate of each step, as `Segmenter.learning_rates` of an earlier training:
            trains so many steps with them. A training that minutes ended is repeated by this, with
            the same seed, data, settings and threads. None: as the settings say.
        progress : bool
            Whether to show a bar in the terminal or notebook.

        Returns
        -------
        Segmenter
            This object, trained.

        Raises
        ------
        ValueError
            If the images or labels cannot be used, the validation labels hold a class that the
            training labels do not, or `resume` is the state of another training; the previous
            model stays. See `train_epochs` for errors later on.
        """
        warn_if_blocking("fit", "train_epochs(...)")
        require_bool("progress", progress)
        self._require_end(config, resume)
        steps = self.train_epochs(
            images,
            labels,
            config,
            axes=axes,
            spacing=spacing,
            object_classes=object_classes,
            regions=regions,
            validation=validation,
            resume=resume,
            start=start,
            learning_rates=learning_rates,
        )
        if progress:
            from .training.progress_bar import with_bar

            return drain(with_bar(steps))
        return drain(steps)

    def train_epochs(
        self,
        images: "TrainingSet | Given",
        labels: "Given | None" = None,
        config: TrainConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        object_classes: object = None,
        regions: object = None,
        validation: "tuple[Given, Given] | None" = None,
        resume: str | PathLike[str] | None = None,
        start: Start | None = None,
        learning_rates: Sequence[float] | None = None,
    ) -> Generator[Step, object, Self]:
        """Train step by step: the generator behind `fit`, and the place of a callback.

        The body of ``for step in segmenter.train_epochs(...)`` runs after each step; nothing is
        shown or written by itself. The same seed, data and settings give the same losses and
        weights on the same machine with the same number of threads, whatever the body and other
        threads do; on a graphics card almost the same ones. Where minutes limit the training, its
        learning rates follow the clock, and where memory runs out, batches are computed in parts:
        then trainings differ.

        Closing it, leaving a loop over it, or Ctrl-C keeps what was trained so far. Where the loss
        or a gradient becomes NaN or infinite, the training ends with a warning and keeps the model
        of the step before, or the best weights if it is validated. After an error in a step the
        previous model stays, or, if there is none, what was trained so far is kept; if a validation
        or the batch statistics fail, the model is kept, too. ``send(command)`` carries out a
        command of `napari_segkit.training.commands` after the current step: `Finish`, `Checkpoint`,
        `Snapshot`, or `AddLabels` where the settings are those of `TrainConfig.live`.

        Parameters
        ----------
        images, labels, config, axes, spacing, object_classes, regions, validation, resume, start, \
learning_rates
            As in `fit`.

        Yields
        ------
        Step
            Progress: a `ReadStep` for each file of a training set, a `TrainStep` with the loss
            after each step, a `ValidationStep` with the score. `SnapshotStep`, `CheckpointStep`,
            `LabelsStep` and `RefusedStep` answer commands.

        Returns
        -------
        Segmenter
            This object, trained.

        Raises
        ------
        ValueError
            As in `fit`; also if the model was merged from two.
        """
        self._require_one_model()
        current = self._current(start, resume)
        if resume is not None:
            require_optional("config", config, TrainConfig)
            resume = as_path("resume", resume)
            config = self._resumed_config(resume, config)
        config = as_config("config", config, TrainConfig)
        rates = as_learning_rates(learning_rates)
        from .new_training import new_training, refusing_commands
        from .training_set import as_training_set

        training_set = as_training_set(
            images, labels, object_classes=object_classes, regions=regions, validation=validation
        )
        reading = new_training(
            self.spec,
            config,
            training_set,
            self.device,
            axes=axes,
            spacing=spacing,
            resume=resume,
            start=current,
            learning_rates=rates,
        )
        trainer = yield from refusing_commands(reading)
        self.held_out = trainer.setup.held_out
        yield from self._train(trainer)
        return self

    @staticmethod
    def _resumed_config(state: Path, config: TrainConfig | None) -> TrainConfig:
        from .training.state_file import resumed_config

        return resumed_config(state, config)

    def _require_end(self, config: TrainConfig | None, resume: str | PathLike[str] | None) -> None:
        """Refuse a training that nothing could end."""
        require_optional("config", config, TrainConfig)
        if config is None and resume is not None:
            config = self._resumed_config(as_path("resume", resume), None)
        if config is not None:
            config.require_end()

    def _current(
        self, start: Start | None, resume: str | PathLike[str] | None
    ) -> "TrainedModel | None":
        """The model whose weights the training starts from, if any."""
        if start is None:
            return None
        if start not in get_args(Start):
            raise ValueError(f"start is {given(start)}: choose 'current' or None.")
        if resume is not None:
            raise ValueError(
                "start and resume were both given: leave start out to go on from the state."
            )
        model = self.ready()
        if model.members > 1:
            raise ValueError(
                f"This model is the mean of {model.members} networks, which cannot be trained "
                "together: leave start out, or go on with one of the models that it was made of."
            )
        if model_info(self.spec.name).training == "pixels":
            warnings.warn(
                "The pixel classifier is trained anew on what it is given: start='current' changes "
                "nothing.",
                UserWarning,
                stacklevel=3,
            )
            return None
        return model

    def _require_one_model(self) -> None:
        if self.trained is not None and self.trained.stuff is not None:
            raise ValueError(
                "This model was merged from two models, and training would replace both: train "
                "the two models and merge them again, or create a new Segmenter."
            )

    def _train(self, trainer: "Trainer") -> Generator[Step, object, None]:
        """Run a training and keep its model, also when it is closed; see `train_epochs`."""
        from .new_training import with_separation

        try:
            with keeping_freed_memory():
                yield from trainer.steps()
        except (GeneratorExit, KeyboardInterrupt):
            self._store_result(trainer)
            raise
        except Exception as error:
            if self.trained is None and not isinstance(error, FloatingPointError):
                with suppress(Exception):
                    self._store_result(trainer)
            raise
        self._store_result(trainer)
        if trainer.state.history and self.trained is not None:
            self.trained = with_separation(trainer, self.trained)

    def _store_result(self, trainer: "Trainer") -> None:
        """Take the model, if there is one; then raise what kept it from being validated."""
        if not trainer.state.history:
            return
        self.held_out = trainer.setup.held_out  # of labels as they are in the end
        from .new_training import with_refinement_of, with_thresholds

        previous = self.trained
        self.previous, self.trained = previous, with_refinement_of(previous, trainer.result())
        self.trained = with_thresholds(trainer, self.trained)
        if trainer.failure is not None:
            raise trainer.failure

    def restore(self, model: "TrainedModel | None" = None) -> None:
        """Swap the trained model with the one that it replaced, or with another one.

        A second call swaps them back.

        Parameters
        ----------
        model : TrainedModel, optional
            The model to take back. None: `previous`.

        Raises
        ------
        ValueError
            If there is no model to take back: no training has replaced one yet.
        """
        model = self.previous if model is None else model
        if model is None:
            raise ValueError(
                "There is no previous model to restore: no training has replaced one yet."
            )
        self.previous, self.trained = self.trained, model
        self._spec = model.spec

    def predict(
        self,
        image: "ImageSource",
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        refine: RefineConfig | None = None,
        config: PredictConfig | None = None,
        region: object = None,
        cluster: ClusterConfig | None = None,
        out: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> "AnyArray | LazyArray":
        """Label every pixel of an image.

        Parameters
        ----------
        image : array-like or napari Image layer, or dict or list of them
            With the channels that the model was trained on. A dict of names and images, or a list
            of layers, gives channels one by one: by the names that the model was trained with. A
            list of arrays of falling size is a multiscale image.
        tile : TileConfig, optional
            Batch size; a tile size and overlap given here replace those of the model.
        axes : str, optional
            One letter of "TCZYX" for each dimension. None: as in training, with T and Z added or
            left out to match the number of dimensions.
        spacing : sequence of float, optional
            Pixel size in world units along Z Y X or Y X.
        refine : RefineConfig, optional
            Refinement of the probabilities, in the dimensions of the model. None: the settings
            stored with the model; ``RefineConfig()``: no refinement.
        config : PredictConfig, optional
            Which level of a multiscale image is predicted, at which pixel size, and how the network
            is applied to each tile.
        region : slices, dict, polygons, napari Shapes layer or mask, optional
            The pixels to predict; labels elsewhere are 0. One slice or number for each axis of the
            labels (``np.s_[3, 0:512, :]``), or some by name (``{"Z": 3}``); polygons as a list of
            (corners, dimensions) arrays in pixels; a mask in the shape of the labels. None: the
            whole image. Intensities are scaled as for the whole image, and tiles are the same.
        cluster : ClusterConfig, optional
            The Dask cluster that predicts: ``ClusterConfig("tcp://10.0.0.5:8786")``. Its workers
            choose their own devices. None: this machine.
        out : path-like, optional
            An OME-Zarr folder for a result that may be larger than memory, such as
            ``cells.zarr``, or ``image.zarr/labels/cells`` among the labels of an OME-Zarr image. A
            prediction that was stopped or killed goes on where the same call is made again. None:
            the result is in memory.
        overwrite : bool
            Whether an existing result in `out` is replaced, when the new one is complete.

        Returns
        -------
        ndarray or zarr.Array
            Integers in the image's shape without its channel axis: class values as in the training
            labels; for models that predict objects, object ids, with 0 as background. With `out`,
            the array in the folder, which is read piece by piece.

        Raises
        ------
        ValueError
            If the model is not trained, the image does not suit it, `out` exists or was begun by
            another prediction.
        OSError
            If `out` cannot be written or the image cannot be read; what is finished is kept.
        """
        warn_if_blocking("predict", "predict_tiles(...)")
        steps = self.predict_tiles(
            image,
            tile,
            axes=axes,
            spacing=spacing,
            refine=refine,
            config=config,
            region=region,
            cluster=cluster,
            out=out,
            overwrite=overwrite,
        )
        return drain(steps).labels

    def predict_objects(
        self,
        image: "ImageSource",
        tile: TileConfig | None = None,
        *,
        objects: ObjectConfig | None = None,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        refine: RefineConfig | None = None,
        config: PredictConfig | None = None,
        region: object = None,
        cluster: ClusterConfig | None = None,
        out: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> "Objects":
        """Predict the objects of an image, each with its class and score.

        Parameters
        ----------
        image, tile, axes, spacing, config, cluster
            As in `predict`.
        objects : ObjectConfig, optional
            Which objects are kept; ``.filtered(...)`` of the result changes that later.
        refine : RefineConfig, optional
            As in `predict`; for objects only the smoothing is used. Masks of Mask R-CNN and SOLO
            are smoothed one by one within their boxes; for other models, the class probabilities
            are smoothed before the objects are separated.
        region : slices, dict, polygons, napari Shapes layer or mask, optional
            As in `predict`. Objects that reach out of it are cut at its edge; they are numbered
            from 1.
        out, overwrite
            As in `predict`; the table of the objects is written beside the folder, as a CSV file.

        Returns
        -------
        Objects
            ``.labels`` and ``.table``. With `out`, the labels are the array of the folder, of which
            only what is asked for is read, and the thresholds cannot be changed later.

        Raises
        ------
        ValueError
            If the model predicts classes only, is not trained, or does not suit the image.
        """
        warn_if_blocking("predict_objects", "predict_tiles(...)")
        if not self.ready().predicts_objects:
            raise ValueError(
                f"{self.spec.name} was trained to predict classes only: train it with "
                "ModelSpec(..., objects='distance'), or choose maskrcnn or solo."
            )
        steps = self.predict_tiles(
            image,
            tile,
            axes=axes,
            spacing=spacing,
            objects=objects,
            refine=refine,
            config=config,
            region=region,
            cluster=cluster,
            out=out,
            overwrite=overwrite,
        )
        return drain(steps).objects  # type: ignore[return-value]

    def predict_proba(
        self,
        image: "ImageSource",
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        refine: RefineConfig | None = None,
        config: PredictConfig | None = None,
        region: object = None,
        cluster: ClusterConfig | None = None,
        out: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> "NDArray[np.float32] | LazyArray":
        """Predict the probability of each class at every pixel.

        For Mask R-CNN and SOLO, the probability of a class is the maximum of object score times
        mask probability; that of background is the probability that there is no object. All are
        normalised to sum to one.

        Parameters
        ----------
        image, tile, axes, spacing, refine, config, region, cluster
            As in `predict`; the probabilities are those after smoothing, and 0 outside the region.
        out, overwrite
            As in `predict`; the folder then holds labels and probabilities.

        Returns
        -------
        ndarray or zarr.Array
            float32 ``(classes, *image shape without its channel axis)``, in the order of `classes`;
            in the folder of a series, T comes before the classes.
        """
        warn_if_blocking("predict_proba", "predict_tiles(..., probabilities=True)")
        steps = self.predict_tiles(
            image,
            tile,
            axes=axes,
            spacing=spacing,
            probabilities=True,
            refine=refine,
            config=config,
            region=region,
            cluster=cluster,
            out=out,
            overwrite=overwrite,
        )
        return drain(steps).probabilities  # type: ignore[return-value]

    def predict_tiles(
        self,
        image: "ImageSource",
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        probabilities: bool = False,
        statistics: "Statistics | None" = None,
        objects: ObjectConfig | None = None,
        refine: RefineConfig | None = None,
        config: PredictConfig | None = None,
        region: object = None,
        cluster: ClusterConfig | None = None,
        sink: "Sink | None" = None,
        out: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> Generator[Step, object, "LabelResult"]:
        """Predict tile by tile: the generator behind `predict` and `predict_proba`.

        ``send(Finish())``, a command of `napari_segkit.steps`, ends it with what is done.

        Parameters
        ----------
        image, tile, axes, spacing, refine, config, region, cluster
            As in `predict`.
        probabilities : bool
            Also return the probabilities of all classes.
        statistics : Statistics, optional
            Normalisation statistics to use instead of the image's, for example those of the stack
            that a slice comes from (``segmenter.measure(stack)``).
        objects : ObjectConfig, optional
            Which objects are kept, for models that predict objects.
        sink : Sink, optional
            Takes the pixels as they are predicted, for models that predict classes only, and
            decides whether probabilities are kept. A prediction that was stopped goes on where the
            same sink is given again, also with another region. None: the result is in memory.
        out, overwrite
            As in `predict`: the arrays of the result are then those of the folder.

        Yields
        ------
        Step
            Progress: a `TileStep` after each batch of tiles; with `out`, one after each block of
            the coarse levels, too.

        Returns
        -------
        LabelResult
            Labels, probabilities if requested, objects if the model predicts them, and provenance;
            `predicted` says where there are results, `is_partial` whether it was ended early.
        """
        require_optional("refine", refine, RefineConfig)
        model = self.ready() if refine is None else self._with_refinement(refine)
        from .prediction import predict_image

        return (
            yield from predict_image(
                model,
                image,
                tile,
                device=self.device,
                axes=axes,
                spacing=spacing,
                probabilities=probabilities,
                statistics=statistics,
                objects=objects,
                config=config,
                region=region,
                cluster=cluster,
                sink=sink,
                out=out,
                overwrite=overwrite,
            )
        )

    def measure(self, image: "ImageSource", *, axes: str | None = None) -> "Statistics":
        """Measure the intensity statistics that normalise an image for this model.

        Parameters
        ----------
        image : array-like or napari Image layer
            A complete image, stack or series.
        axes : str, optional
            As in `predict`.

        Returns
        -------
        Statistics
            For `predict_tiles` on parts of that image.
        """
        return self.ready().measure(self._image(image, axes))

    def trained_pixels(
        self, image: "ImageSource", *, axes: str | None = None
    ) -> NDArray[np.bool_] | None:
        """Find the pixels of an image that the model was trained on.

        Parameters
        ----------
        image : array-like or napari Image layer
            An image, which is recognised by its pixels, not by its name.
        axes : str, optional
            As in `predict`.

        Returns
        -------
        ndarray of bool or None
            In the shape of the image's labels; long lists of short runs of pixels are kept with
            their gaps closed. None if the model was not trained on this image, or an earlier
            version trained it.
        """
        from .trained_pixels import recorded_mask

        return recorded_mask(self.ready(), self._image(image, axes))

    def validation_pixels(
        self, image: "ImageSource", *, axes: str | None = None
    ) -> NDArray[np.bool_] | None:
        """Find the pixels of an image that were held out of the training, to validate the model.

        Parameters
        ----------
        image : array-like or napari Image layer
            An image, which is recognised by its pixels, not by its name.
        axes : str, optional
            As in `predict`.

        Returns
        -------
        ndarray of bool or None
            As `trained_pixels`.
        """
        from .trained_pixels import recorded_mask

        return recorded_mask(self.ready(), self._image(image, axes), "held_out")

    @property
    def records_training(self) -> bool:
        """Whether the model records what it was trained on; merged and earlier ones do not."""
        return bool(self.ready().provenance.get("trained_on"))

    def ready(self) -> "TrainedModel":
        """Return the trained model; pretrained weights of a complete model are loaded here.

        Returns
        -------
        TrainedModel
            The network and its metadata.

        Raises
        ------
        ValueError
            If the model is not trained yet and has no pretrained weights of a complete model.
        """
        if self.trained is None and is_pretrained(self.spec):
            from .pretrained_model import load_pretrained

            self.trained = load_pretrained(self.spec)
        if self.trained is None:
            raise ValueError("This model is not trained yet: train it, or load a model file.")
        return self.trained

    def save(self, path: str | PathLike[str], *, overwrite: bool = True) -> Path:
        """Write the model and everything needed to reproduce its predictions to one file.

        Parameters
        ----------
        path : path-like
            The file to write; ".segkit" is added to a name that does not end so. Of a symbolic
            link, the file it leads to is written.
        overwrite : bool
            Whether an existing file is replaced, after the new one is complete.

        Returns
        -------
        Path
            The file, with its ending.

        Raises
        ------
        ValueError
            If the model is not trained yet, the folder does not exist or takes no files, or the
            file exists and `overwrite` is False.
        OSError
            If the file cannot be written, for example because the disk is full; an existing file
            stays as it is.
        """
        from .io.output_paths import model_path
        from .model_file import save

        model, file = self.ready(), model_path(as_path("path", path))
        save(model, file, overwrite=overwrite)
        self._in_file = model
        return file

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
            If the file is not a complete model file, is damaged, or was written by a newer version;
            if the device is not available.

        Warns
        -----
        UserWarning
            If an earlier version wrote the file, without a checksum that would tell damage.
        """
        from .devices import choose
        from .model_file import load

        choose(device)
        segmenter = cls.of_trained(load(as_path("path", path)), device=device)
        segmenter._in_file = segmenter.trained
        return segmenter

    @classmethod
    def of_trained(cls, trained: "TrainedModel", *, device: str = "auto") -> Self:
        """Hold a trained model; its spec may name weights that only its training needed.

        Parameters
        ----------
        trained : TrainedModel
            The model, as `trained` of another Segmenter holds it.
        device : str
            The device for the model, as in `Segmenter`.

        Returns
        -------
        Segmenter
            Ready to predict.
        """
        segmenter = cls(device=device)
        segmenter._spec, segmenter.trained = trained.spec, trained
        return segmenter

    @classmethod
    def of_state(cls, path: str | PathLike[str], *, device: str = "auto") -> Self:
        """Make the untrained model of a training whose state was saved, to go on with it.

        Parameters
        ----------
        path : path-like
            The state that a `Checkpoint` saved.
        device : str
            The device for the model, as in `Segmenter`.

        Returns
        -------
        Segmenter
            For ``fit(images, labels, resume=path)``.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is not a complete state of a training.
        """
        from .training.state_file import read_settings

        segmenter = cls(device=device)
        segmenter._spec = read_settings(as_path("path", path))[0]
        return segmenter

    def as_module(self) -> "DeployedModel":
        """Return normalisation, network and softmax as one torch module, for other programs.

        Returns
        -------
        torch.nn.Module
            On the CPU or the device of the last prediction, in evaluation mode:
            ``module(images, low, high)`` gives the probabilities of tiles ``(N, C, ...)``; `low`
            and `high` are the intensities that `measure` gives. It can be exported with
            ``torch.export``.

        Raises
        ------
        ValueError
            If the model is not trained, or was merged from two models.
        """
        from .deployment import DeployedModel

        return DeployedModel(self.ready())

    def _with_refinement(self, config: RefineConfig) -> "TrainedModel":
        from .trained_model import with_refinement

        return with_refinement(self.ready(), config)

    def _image(self, image: "ImageSource", axes: str | None) -> "AxesImage":
        from .prediction import image_for

        return image_for(self.ready(), image, axes)
