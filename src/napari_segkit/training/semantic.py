"""Train a network that gives a class for every pixel."""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray

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
from napari_segkit.data.tiling import fit, round_up
from napari_segkit.models import build, model_info
from napari_segkit.trained import TrainedModel
from napari_segkit.versions import versions

from .loop import TrainStep, train
from .losses import CrossEntropyDice
from .sampling import Sample, Sampler

TILE = 256


class Training:
    """One training: its network, and what came of it so far.

    Parameters
    ----------
    spec : ModelSpec
        Which model.
    images : sequence of Image
        All with the same number of channels.
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
        info = model_info(spec.name)
        self.spec, self.config, self.device = spec, config, device
        self.images, self.classes = images, tuple(classes)
        self.ndim = info.dims[0]
        self.tile_size, self.overlap = tiles(images, config, self.ndim, info.stride)
        for image in images:
            require_finite_image(image)
        self.nonzero = config.normalise == "image" and mostly_zero(images, self.ndim)
        self.statistics = self._measure()
        torch.manual_seed(config.seed)
        self.network = build(spec, channels=images[0].channels, classes=len(classes)).to(device)
        self.sampler = self._sampler(values)
        self.history: list[float] = []
        self.last: TrainStep | None = None

    def steps(self) -> Generator[TrainStep, None, None]:
        """Train; after each step `trained` gives the model as it is then."""
        loss = CrossEntropyDice()
        for step in train(self.network, self.sampler.batch, loss, self.config, self.device):
            self.history.append(step.loss)
            self.last = step
            yield step

    def trained(self) -> TrainedModel:
        """The model as it is now."""
        self.network.eval()
        fixed = self.statistics[0] if self.config.normalise == "training" else None
        return TrainedModel(
            network=self.network,
            spec=self.spec,
            config=self.config,
            classes=self.classes,
            channels=self.images[0].channels,
            axes=self.images[0].axes,
            spacing=self.images[0].spacing,
            tile_size=self.tile_size,
            overlap=self.overlap,
            nonzero=self.nonzero,
            statistics=fixed,
            history=tuple(self.history),
            provenance=self._provenance(),
        )

    def _measure(self) -> list[Statistics]:
        if self.config.normalise == "image":
            return [measure([i], self.ndim, nonzero=self.nonzero) for i in self.images]
        if self.config.normalise == "training":
            return [measure(self.images, self.ndim)] * len(self.images)
        return [identity(i.channels) for i in self.images]

    def _sampler(self, values: Sequence[NDArray[Any]]) -> Sampler:
        wanted = [c.value for c in self.classes]
        samples = [
            Sample(image, Image(to_indices(v, wanted), image.label_axes), statistics)
            for image, v, statistics in zip(self.images, values, self.statistics, strict=True)
        ]
        return Sampler(
            samples, self.tile_size, len(wanted), augment=self.config.augment, seed=self.config.seed
        )

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
    images: Sequence[Image], config: TrainConfig, ndim: int, stride: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tile size and overlap that a model is trained with and keeps.

    Parameters
    ----------
    images : sequence of Image
        The training images.
    config : TrainConfig
        Its `tile`, where it says something.
    ndim : int
        Spatial dimensions of the model.
    stride : int
        Both become multiples of it.

    Returns
    -------
    tuple of tuple of int
        Size and overlap along each spatial axis.
    """
    longest = np.max([image.spatial(ndim) for image in images], axis=0)
    fitted = [_tile(int(length), config, stride) for length in longest]
    sizes, overlaps = zip(*fitted, strict=True)
    return sizes, overlaps


def _tile(length: int, config: TrainConfig, stride: int) -> tuple[int, int]:
    """Along one axis; never less than two strides, so that neighbours can overlap."""
    size, overlap = config.tile.tile_size, config.tile.overlap
    size = max(min(TILE, length), 2 * stride) if size is None else size
    size = round_up(size, stride)
    return fit(size, 3 * size // 8 if overlap is None else overlap, stride)
