"""What a prediction is asked for."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.arguments import given
from napari_segkit.config import ObjectConfig, PredictConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage, without_pixels
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.model_input import channels_text
from napari_segkit.images.regions import Region
from napari_segkit.instances.candidates import Candidates
from napari_segkit.instances.results import Objects
from napari_segkit.label_result import LabelResult
from napari_segkit.trained_model import TrainedModel

from .copies import require_copies
from .memory import require_memory
from .plan import TilePlan, make_plan, unmeasured_plan
from .progress import TileStep
from .runner import Runner
from .sink import MemorySink, ObjectSink, Sink, UncertaintySink
from .three_axes import require_three_axes


@dataclass(frozen=True)
class PredictRequest:
    """All that `predict_tiles` of any kind of model is given.

    Parameters
    ----------
    model : TrainedModel
        The model; its network is on `device`.
    image : AxesImage
        The image, in the orientation of the model's images.
    tile : TileConfig
        Batch size; a tile size and overlap given here replace those of the model.
    device : torch.device
        Where the network is.
    probabilities : bool
        Whether the result holds the probabilities of all classes.
    statistics : Statistics or None
        Replace the normalisation statistics of the image, such as those of the stack that a slice
        comes from.
    objects : ObjectConfig
        Which objects are kept.
    config : PredictConfig
        How the network is applied to each tile.
    sink : Sink or None
        Takes the pixels of a model that predicts classes only; None: a new one in memory.
    region : Region or None
        The pixels that are asked for, in the orientation of `image`; None: all.
    """

    model: TrainedModel
    image: AxesImage
    tile: TileConfig = field(default_factory=TileConfig)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    probabilities: bool = False
    statistics: Statistics | None = None
    objects: ObjectConfig = field(default_factory=ObjectConfig)
    config: PredictConfig = field(default_factory=PredictConfig)
    sink: Sink | None = None
    region: Region | None = None

    def __post_init__(self) -> None:
        """Refuse what does not suit the model: objects are known when all tiles are predicted."""
        require_copies(self.model, self.config)
        require_three_axes(self.image, self.config, in_memory=self._is_in_memory)
        if self.sink is not None:
            _require_sink(self.sink, self.model, self.config)
        if self.statistics is not None and len(self.statistics.low) != self.model.channels:
            raise ValueError(
                f"statistics are of {channels_text(len(self.statistics.low))}, but the model takes "
                f"{channels_text(self.model.channels)}: give what measure returns."
            )

    @cached_property
    def plan(self) -> TilePlan:
        """Tiles and measures of the image, made once; ValueError if it does not suit the model."""
        require_memory(
            unmeasured_plan(
                self.model,
                self.image,
                self.tile,
                self.config,
                self.region,
                divides=not self._is_in_memory,
            ),
            probabilities=self.probabilities and self._is_in_memory,
            keeps_labels=self._is_in_memory,
        )
        return make_plan(
            self.model,
            self.image,
            self.tile,
            self.device,
            self.statistics,
            self.config,
            self.region,
            divides=not self._is_in_memory,
        )

    @property
    def _is_in_memory(self) -> bool:
        """Whether the result is held in memory as a whole."""
        return self.sink is None or isinstance(self.sink, MemorySink)

    def object_result(
        self,
        candidates: Candidates,
        provenance: Mapping[str, object],
        probabilities: NDArray[np.float32] | None,
        predicted: Region | None,
        uncertainty: NDArray[np.float32] | None,
    ) -> LabelResult:
        """The result with the objects that are kept; labels are their ids.

        `predicted` says where there are results, as in `LabelResult`.
        """
        classes, image = self.model.all_classes, self.image
        objects = Objects(candidates, self.objects, classes, without_pixels(image))
        return LabelResult(
            objects.labels,
            image.label_axes,
            classes,
            provenance,
            probabilities,
            objects,
            uncertainty,
            predicted,
            is_partial=predicted is not self.region,
        )


def _require_sink(sink: object, model: TrainedModel, config: PredictConfig) -> None:
    if isinstance(sink, type) or not hasattr(sink, "start"):
        raise TypeError(f"sink is {given(sink)}: give a Sink, or leave it out.")
    if model.predicts_objects and not isinstance(sink, ObjectSink):
        raise ValueError("A sink takes class labels, but this model predicts objects: omit it.")
    if config.uncertainty and not isinstance(sink, UncertaintySink):
        raise ValueError(
            f"uncertainty={config.uncertainty!r}, but this sink takes none: give "
            "it a method write_uncertainty, or leave uncertainty out."
        )


class PredictTiles(Protocol):
    """Predicts tile by tile: one function for each kind of model."""

    def __call__(
        self, request: PredictRequest, runner: Runner = ...
    ) -> Generator[TileStep, object, LabelResult]: ...
