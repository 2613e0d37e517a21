"""What every training has: its images on one grid and scale, and the model it leaves behind."""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.data.classes import LabelClass
from napari_segkit.data.images import Image
from napari_segkit.data.labels import to_indices
from napari_segkit.data.normalise import (
    Statistics,
    identity,
    measure,
    mostly_zero,
    require_finite_image,
)
from napari_segkit.data.resample import on_one_grid
from napari_segkit.data.tiling import along_axes, fit, round_up
from napari_segkit.models import Inputs, build, choose_ndim, stride
from napari_segkit.models.weights import initialise
from napari_segkit.steps import Step
from napari_segkit.trained import TrainedModel
from napari_segkit.versions import versions

from .sampling import Sample

if TYPE_CHECKING:
    from .loop import TrainStep

TILE = {2: 256, 3: 64}


class BaseTraining:
    """One training: its network, and what came of it so far.

    Parameters
    ----------
    spec : ModelSpec
        Which model, its encoder named.
    images : sequence of Image
        All with the same number of channels and the same orientation.
    values : sequence of ndarray
        Their label values, as `read_values` gives them.
    classes : sequence of LabelClass
        The classes to learn, by rising value.
    config : TrainConfig
        How to train.
    device : torch.device
        Where.
    """

    def __init__(
        self,
        spec: ModelSpec,
        images: Sequence[Image],
        values: Sequence[NDArray[Any]],
        classes: Sequence[LabelClass],
        config: TrainConfig,
        device: torch.device,
    ) -> None:
        self.spec, self.config, self.device = spec, config, device
        self.classes = tuple(classes)
        self.ndim = min(choose_ndim(spec, image.axes) for image in images)
        for image in images:
            require_finite_image(image)
        self.images, values = on_one_grid(images, values, config.voxel_size, self.ndim)
        self.inputs = Inputs(
            self.images[0].channels, len(classes), self.images[0].spacing[-self.ndim :]
        )
        self.tile_size, self.overlap = tiles(self.images, config, stride(spec, self.inputs.spacing))
        self.nonzero = config.normalise == "image" and mostly_zero(self.images, self.ndim)
        self.statistics = self._measure()
        self.samples = self._samples(values)
        self.network = self._build().to(device)
        self.history: list[float] = []
        self.last: TrainStep | None = None

    def steps(self) -> Generator[Step, None, None]:
        """Train; after each step `trained` gives the model as it is then."""
        raise NotImplementedError

    def trained(self) -> TrainedModel:
        """The model as it is now."""
        self.network.eval()
        fixed = self.statistics[0] if self.config.normalise == "training" else None
        return TrainedModel(
            network=self.network,
            spec=self.spec,
            config=self.config,
            classes=self.classes,
            channels=self.inputs.channels,
            axes=self.images[0].axes,
            spacing=self.images[0].spacing,
            orientation=self.images[0].orientation,
            tile_size=self.tile_size,
            overlap=self.overlap,
            nonzero=self.nonzero,
            statistics=fixed,
            history=tuple(self.history),
            provenance=self._provenance(),
        )

    def _build(self) -> nn.Module:
        torch.manual_seed(self.config.seed)
        network = build(self.spec, self.inputs)
        initialise(network, self.spec, self.inputs)
        return network

    def _measure(self) -> list[Statistics]:
        if self.config.normalise == "image":
            return [measure([i], self.ndim, nonzero=self.nonzero) for i in self.images]
        if self.config.normalise == "training":
            return [measure(self.images, self.ndim)] * len(self.images)
        return [identity(i.channels) for i in self.images]

    def _samples(self, values: Sequence[NDArray[Any]]) -> list[Sample]:
        wanted = [c.value for c in self.classes]
        return [
            Sample(image, Image(to_indices(v, wanted), image.label_axes), statistics)
            for image, v, statistics in zip(self.images, values, self.statistics, strict=True)
        ]

    def _provenance(self) -> dict[str, Any]:
        return {
            "id": uuid4().hex,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "images": [i.name for i in self.images],
            "images_seen": self.last.images if self.last else 0,
            "seconds": round(self.last.seconds, 1) if self.last else 0.0,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }


def tiles(
    images: Sequence[Image], config: TrainConfig, strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tile size and overlap that a model is trained with and keeps.

    Parameters
    ----------
    images : sequence of Image
        The training images.
    config : TrainConfig
        Its `tile`, where it says something.
    strides : sequence of int
        Of the network along each spatial axis; both become multiples of it.

    Returns
    -------
    tuple of tuple of int
        Size and overlap along each spatial axis.
    """
    ndim, wish = len(strides), config.tile
    longest = np.max([image.spatial(ndim) for image in images], axis=0)
    lengths = along_axes(wish.tile_size or TILE[ndim], strides)
    if wish.tile_size is None:
        lengths = [min(length, int(end)) for length, end in zip(lengths, longest, strict=True)]
    sizes = [
        round_up(max(length, least(axis - ndim, int(end), step)), step)
        for axis, (length, end, step) in enumerate(zip(lengths, longest, strides, strict=True))
    ]
    overlaps = (
        [3 * size // 8 for size in sizes]
        if wish.overlap is None
        else along_axes(wish.overlap, strides)
    )
    fitted = [fit(*along) for along in zip(sizes, overlaps, strides, strict=True)]
    return tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)


def least(axis: int, length: int, stride: int) -> int:
    """Smallest edge of a tile: two strides, so that neighbours can overlap; one for a thin stack.

    Parameters
    ----------
    axis : int
        Counted from the end: -3 is Z.
    length, stride : int
        Of the images and of the network along it.
    """
    return stride if axis == -3 and length <= stride else 2 * stride
