"""What training leaves behind: the network and all that is needed to get the same pixels again."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .config import ModelSpec, TrainConfig
from .data.classes import LabelClass
from .data.images import Image
from .data.normalise import Statistics, identity, measure
from .models import ModelInfo, model_info


@dataclass(frozen=True)
class TrainedModel:
    """A trained network with its conventions.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU or another device, in evaluation mode.
    spec : ModelSpec
        How the network is built.
    config : TrainConfig
        How it was trained.
    classes : tuple of LabelClass
        Class of each output channel.
    channels : int
        Channels of its images.
    axes : str
        Axes of the (first) image it was trained with.
    spacing : tuple of float
        World units between pixels along Z, Y, X in training.
    tile_size, overlap : tuple of int
        The tiles it is used with, in pixels along its spatial axes.
    nonzero : bool
        Intensities are measured over non-zero pixels only.
    statistics : Statistics or None
        The training images' numbers where ``config.normalise`` is "training".
    history : tuple of float
        Loss of each step.
    provenance : dict
        The model's own id, versions, date, device, threads, images seen.
    """

    network: nn.Module
    spec: ModelSpec
    config: TrainConfig
    classes: tuple[LabelClass, ...]
    channels: int
    axes: str
    spacing: tuple[float, float, float]
    tile_size: tuple[int, ...]
    overlap: tuple[int, ...]
    nonzero: bool = False
    statistics: Statistics | None = None
    history: tuple[float, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> ModelInfo:
        """What is known of the method."""
        return model_info(self.spec.name)

    @property
    def ndim(self) -> int:
        """Spatial dimensions it works in."""
        return len(self.tile_size)

    @property
    def identity(self) -> str:
        """The model's own id, a different one for each training."""
        return str(self.provenance.get("id", ""))

    @property
    def values(self) -> tuple[int, ...]:
        """Label value of each output channel."""
        return tuple(c.value for c in self.classes)

    def measure(self, image: Image) -> Statistics:
        """The numbers that normalise an image for this network, as its training declared."""
        if self.config.normalise == "none":
            return identity(self.channels)
        return self.statistics or measure([image], self.ndim, nonzero=self.nonzero)
