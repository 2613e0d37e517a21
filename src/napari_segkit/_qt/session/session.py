"""State and background work shared by the docks and the console of one viewer."""

import warnings
import weakref
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import Signal

from napari_segkit._qt.layers.belonging import pairing_note
from napari_segkit._qt.layers.converted_labels import ConvertedLabels
from napari_segkit._qt.layers.refine_layers import refine_source
from napari_segkit._qt.layers.result_layers import SUPERPIXELS, LayerWriter
from napari_segkit._qt.layers.shown_predictions import ShownPredictions
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.layers.volumes import watch_volumes
from napari_segkit.arguments import as_path, require_bool, require_type
from napari_segkit.config import (
    ClusterConfig,
    ObjectConfig,
    PredictConfig,
    RefineConfig,
    SoftLabelConfig,
    SuperpixelConfig,
    TileConfig,
    TrainConfig,
)
from napari_segkit.jobs.kept_prediction import PredictionOptions
from napari_segkit.jobs.refine import RefineRequest, Truth, refine_job
from napari_segkit.jobs.superpixels import superpixel_job
from napari_segkit.segmenter import Segmenter
from napari_segkit.steps import Finish, Job
from napari_segkit.training_set import TrainingSet

from .background import call_once
from .corrections import CorrectionRunner
from .followed_view import FollowedView
from .interrupted import InterruptedTrainings
from .predictions import LayerPrediction, run_each, run_stored
from .spare_models import SpareFile, SpareModel, load_found
from .task import Task
from .trained_here import TrainedModels

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

_sessions: "weakref.WeakKeyDictionary[Viewer, Session]" = weakref.WeakKeyDictionary()


def session(viewer: Viewer) -> "Session":
    """The session of a viewer: the segmenter of its docks, and its background work.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        An open viewer.

    Returns
    -------
    Session
        The same object for every call with the same viewer.

    Examples
    --------
    >>> from napari_segkit import Segmenter, session
    >>> seg = session(viewer).segmenter
    >>> session(viewer).run(seg.train_epochs(viewer.layers["image"], viewer.layers["labels"]))
    """
    viewer = unwrapped(viewer)
    require_type("viewer", viewer, ViewerModel, hint=", such as napari.current_viewer()")
    if viewer not in _sessions:
        _sessions[viewer] = Session(viewer)
    return _sessions[viewer]


class Session(CorrectionRunner):
    """Segmenter and background work of one viewer; use `session(viewer)` to get it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Not kept alive by the session.

    Attributes
    ----------
    models : TrainedModels
        The models that were trained since the window was opened; `take_back` uses one again.
    segmenter_changed : Signal()
        Another segmenter was set, or this one was trained.
    config_changed : Signal()
        The settings of the next training have changed.
    training_set_changed : Signal()
        Another training set was set.
    busy_changed : Signal(bool)
        A task has started or ended.
    """

    segmenter_changed = Signal()
    config_changed = Signal()
    training_set_changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        watch_volumes(viewer)
        self._segmenter = Segmenter()
        self._config = TrainConfig()
        self._training_set = TrainingSet(())
        self._before: tuple[Segmenter | None, TrainedModel | None] = None, None  # the task
        self._converted = ConvertedLabels(viewer.layers)
        self._shown = ShownPredictions(unwrapped(viewer))
        self.models = TrainedModels()
        self.interrupted = InterruptedTrainings(self)
        self.spare = SpareModel(lambda: self._segmenter, self)
        self.segmenter_changed.connect(self.spare.follow)
        self.segmenter_changed.connect(self._update_models)
        self.followed: FollowedView | None = None
        self.segmenter_changed.connect(self._update_followed)
        self.busy_changed.connect(self._on_busy)

    @property
    def segmenter(self) -> Segmenter:
        """The `Segmenter` that the docks use."""
        return self._segmenter

    @segmenter.setter
    def segmenter(self, segmenter: Segmenter) -> None:
        require_type("segmenter", segmenter, Segmenter)
        if segmenter is not self._segmenter:
            self._segmenter = segmenter
            self.segmenter_changed.emit()

    @property
    def config(self) -> TrainConfig:
        """Training settings of the Train dock; label semantics are chosen there per image."""
        return self._config

    @config.setter
    def config(self, config: TrainConfig) -> None:
        if config != self._config:
            self._config = config
            self.config_changed.emit()

    @property
    def training_set(self) -> TrainingSet:
        """Images of the Train dock's table; while it is empty, the dock trains on what it shows."""
        return self._training_set

    @training_set.setter
    def training_set(self, training_set: TrainingSet) -> None:
        require_type("training_set", training_set, TrainingSet)
        if training_set is not self._training_set:
            self._training_set = training_set
            self.training_set_changed.emit()

    def take_back(self, model: "TrainedModel") -> None:
        """Use one of `models` again; `restore` undoes it."""
        self._segmenter.restore(model)
        self.segmenter_changed.emit()

    def load_spare(self) -> None:
        """Load the model that an earlier window has left unsaved; `restore` undoes it."""
        found = self.spare.take_found()
        if found is not None:
            task = self.run(call_once(load_found, found, self._segmenter), title="Load the model")
            task.returned.connect(self._on_spare_loaded)
            task.errored.connect(found.spare.release)

    def predict(
        self,
        image: Image | Mapping[str, Image],
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        objects: ObjectConfig | None = None,
        refine: RefineConfig | None = None,
        config: PredictConfig | None = None,
        probabilities: bool = False,
        region: object = None,
        cluster: ClusterConfig | None = None,
        out: str | PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> Task:
        """Predict an image layer in the background; the result becomes a Labels layer.

        A region goes to the layer of the same model's earlier prediction with the same settings,
        which it adds to. `Task.stop` keeps the tiles that are done; the next call predicts the
        rest.

        Parameters
        ----------
        image : napari.layers.Image, or dict of them
            With the channels the model was trained with; or the layer of each of them, by name.
        tile, axes
            As in `Segmenter.predict`.
        objects : ObjectConfig, optional
            Which objects to keep, for models that predict objects; `objects_of` returns them.
        refine : RefineConfig, optional
            Refinement of the probabilities. None: the model's own settings.
        config : PredictConfig, optional
            Which level of a multiscale image is predicted, at which pixel size, and how the network
            is applied to each tile.
        probabilities : bool
            Keep the probabilities of all classes; `probabilities_of` returns them.
        region : slices, dict, polygons, napari Shapes layer or mask, optional
            The pixels to predict, as in `Segmenter.predict`. None: all.
        cluster : ClusterConfig, optional
            The Dask cluster that predicts. None: this machine.
        out : path-like, optional
            An OME-Zarr folder for a result that may be larger than memory, as in
            `Segmenter.predict`. The layer then shows the labels of the folder, and cannot be
            painted on. None: the result is in memory.
        overwrite : bool
            Whether an existing result in `out` is replaced, when the new one is complete.

        Returns
        -------
        Task
            Already running. The signal ``task.written`` sends the new or updated layer.
        """
        options = PredictionOptions(tile, objects, refine, config, probabilities, cluster)
        if out is not None:
            require_bool("overwrite", overwrite)
            arguments = self, self.segmenter, image, axes, options, region
            return run_stored(*arguments, as_path("out", out), overwrite=overwrite)
        prediction = LayerPrediction(self, self.segmenter, image, axes, options, region)
        job = Job(f"Predict {prediction.source.name}", prediction.steps, Finish())
        task = self.run(job, writer=prediction.writer)
        prediction.show_live(task)
        return task

    def follow_view(
        self,
        image: Image | Mapping[str, Image],
        tile: TileConfig | None = None,
        *,
        axes: str | None = None,
        refine: RefineConfig | None = None,
        config: PredictConfig | None = None,
    ) -> FollowedView:
        """Predict what is in view of an image, wherever a person looks, in the background.

        The middle of the view comes first; where a coarse level of the image is shown, a preview of
        that level comes before. What is predicted once stays, in memory or in a temporary folder,
        until the layer is removed. It goes on until ``follow_view(...).task.stop()``, and gives way
        to all other work. There is one at a time.

        Parameters
        ----------
        image, tile, axes, refine, config
            As in `predict`, for models that predict classes, without refinement or resampling.

        Returns
        -------
        FollowedView
            With its `layer`, a multiscale Labels layer, and its `task`.

        Raises
        ------
        ValueError
            If the model is not trained, does not suit the image, or its labels depend on more than
            tiles.
        """
        options = PredictionOptions(tile, None, refine, config)
        arguments = self.segmenter, image, axes, options
        followed = self.followed
        if followed is None or not followed.is_of(*arguments):
            new = FollowedView(self, *arguments)
            if followed is not None:
                followed.close()
            self.followed = followed = new
            new.closed.connect(self._forget_followed)
        if not followed.is_running:
            followed.start()
        return followed

    def predict_layers(
        self,
        images: Sequence[Image],
        tile: TileConfig | None = None,
        *,
        axes: Sequence[str | None] | None = None,
        objects: ObjectConfig | None = None,
        refine: RefineConfig | None = None,
        config: PredictConfig | None = None,
        probabilities: bool = False,
        cluster: ClusterConfig | None = None,
    ) -> Task:
        """Predict image layers one after the other in the background, each to a Labels layer.

        If one of them fails, that is told and the others are predicted.

        Parameters
        ----------
        images : sequence of napari.layers.Image
            Each with the channels the model was trained with.
        axes : sequence of str or None, optional
            Axes of each image. None: as in training.
        tile, objects, refine, config, probabilities, cluster
            As in `predict`.

        Returns
        -------
        Task
            Already running. The signal ``task.written`` sends each new or updated layer.

        Raises
        ------
        ValueError
            If there is no image, or another task is running.
        """
        if not images:
            raise ValueError("images is empty: give one or more Image layers.")
        options = PredictionOptions(tile, objects, refine, config, probabilities, cluster)
        predictions = [
            LayerPrediction(self, self.segmenter, image, named, options)
            for image, named in zip(images, axes or [None] * len(images), strict=True)
        ]
        return run_each(self, predictions)

    def refine(
        self,
        layer: Layer,
        image: Image | None = None,
        config: RefineConfig | None = None,
        *,
        start: str | None = None,
        axes: str | None = None,
        certainty: float = SoftLabelConfig.certainty,
        unlabelled: int | None = None,
        truth: Labels | None = None,
        truth_unlabelled: int | None = None,
    ) -> Task:
        """Refine a layer in the background; the result becomes another Labels layer.

        Parameters
        ----------
        layer : napari.layers.Labels or napari.layers.Image
            A prediction or any labels; or float probabilities ``(classes, ...)``.
        image : napari.layers.Image, optional
            The image it belongs to. Not needed for methods that do not use the image.
        config : RefineConfig, optional
            Refinement settings. None: those of the model.
        start : str, optional
            Input of the refinement: "objects" (soft masks, one by one), "probabilities" or
            "labels". None: the first of these that the layer has.
        axes : str, optional
            Axes of the image. Images with Z are refined in 3D; name that axis T to refine each
            slice on its own.
        certainty : float
            Probability that a label is correct, for ``start="labels"``.
        unlabelled : int or None
            Label value without information, for ``start="labels"``.
        truth : napari.layers.Labels, optional
            Ground truth: the result then has the metrics `before` and `after` the refinement.
        truth_unlabelled : int or None
            Label value of the truth that is left out of the metrics.

        Returns
        -------
        Task
            Already running. The signal ``task.written`` sends the new or updated layer.
        """
        layer, image = unwrapped(layer), unwrapped(image)
        if image is not None and (note := pairing_note(self, layer, image)):
            warnings.warn(note, UserWarning, stacklevel=2)
        options = SoftLabelConfig(certainty, unlabelled)
        source = refine_source(self, layer, start, options, copied=True)
        request = RefineRequest(
            source,
            None if image is None else snapshot(image),
            self.segmenter.refine if config is None else config,
            axes,
            self.segmenter.device,
            None if truth is None else Truth(snapshot(truth), truth_unlabelled),
        )
        writer = LayerWriter(
            self,
            snapshot(layer, pixels=False),
            "refined",
            name=f"{layer.name} refined",
            colors_of=layer if source.start == "labels" else None,
        )
        return self.run(refine_job(request), writer=writer)

    def superpixels(
        self,
        image: Image,
        config: SuperpixelConfig | None = None,
        *,
        mask: Labels | None = None,
        axes: str | None = None,
    ) -> Task:
        """Compute superpixels of an image in the background; they become a Labels layer.

        Parameters
        ----------
        image : napari.layers.Image
            Greyscale, RGB or with any channels.
        config, mask, axes
            As in `napari_segkit.superpixels`.

        Returns
        -------
        Task
            Already running. The signal ``task.written`` sends the new or updated layer.
        """
        source, inside = snapshot(image), None if mask is None else snapshot(mask)
        job = superpixel_job(source, config, mask=inside, axes=axes)
        return self.run(job, writer=LayerWriter(self, source, SUPERPIXELS))

    def _after_work(self) -> None:
        """Keep a model that the work has trained, also if it was stopped by closing the window."""
        self.spare.mirror()

    def _on_window_closed(self) -> None:
        super()._on_window_closed()
        self.interrupted.close()
        self.spare.close(busy=self.task is not None)

    def _on_spare_loaded(self, loaded: tuple[SpareFile, Segmenter]) -> None:
        spare, segmenter = loaded
        self.spare.adopt(spare, segmenter.trained)
        self.segmenter = segmenter

    def _forget_followed(self) -> None:
        if self.followed is not None and self.followed.is_closed:
            self.followed = None

    def _update_followed(self) -> None:
        if self.followed is not None:
            self.followed.use(self._segmenter)

    def _update_models(self) -> None:
        self.models.update(self._segmenter.trained)

    def _on_busy(self, busy: bool) -> None:
        """Announce a model that the task has trained."""
        segmenter, trained = self._segmenter, self._segmenter.trained
        segmenter_before, before = self._before
        self._before = (segmenter, trained) if busy else (None, None)
        if not busy and trained is not before:
            is_same = segmenter is segmenter_before  # else a model was loaded or merged
            if is_same and trained:
                self.models.add(trained)
                if before and trained.spec == before.spec:
                    self.keep_retraining(before.identity, trained.identity)
            self.segmenter_changed.emit()
