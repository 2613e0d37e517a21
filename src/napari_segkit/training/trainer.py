"""Base of all trainings: prepare images and targets, hold the network, return the model."""

from collections.abc import Generator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.intensity import (
    Statistics,
    has_zero_background,
    identity_statistics,
    measure_statistics,
    require_finite_image,
)
from napari_segkit.images.labels import LabelsError, count_values
from napari_segkit.images.resample import resample_pairs
from napari_segkit.instances.diameters import occurrences
from napari_segkit.models import Inputs, build, choose_ndim, outputs, stride
from napari_segkit.models.weights.pretrained import initialise
from napari_segkit.steps import Step
from napari_segkit.tiling import fit_to_stride, length_per_axis, tile_shape, tile_shape_from_size
from napari_segkit.torch_random import RandomSource, random_numbers
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions

from .sampler import Sample
from .targets import class_targets, level_targets, typical_size

if TYPE_CHECKING:
    from .loop import TrainStep

TILE = {2: 256, 3: 64}


class Trainer:
    """One training.

    `images` share their channels and orientation. `values` are label values, or object ids; then
    `class_of` holds the position in `classes` of each id.
    """

    tile_ratio = 1  # tile length in prediction / patch length in training

    def __init__(
        self,
        spec: ModelSpec,
        images: Sequence[AxesImage],
        values: Sequence[NDArray[Any]],
        classes: Sequence[LabelClass],
        config: TrainConfig,
        device: torch.device,
        class_of: NDArray[np.intp] | None = None,
    ) -> None:
        self.spec, self.config, self.device = spec, config, device
        self.classes, self.class_of = tuple(classes), class_of
        self.ndim = min(choose_ndim(spec, image.axes) for image in images)
        for image in images:
            require_finite_image(image)
        self.nonzero = config.normalise == "image" and has_zero_background(images, self.ndim)
        self.statistics = self._measure(images)
        unlabelled = config.unlabelled if class_of is None else None
        self.images, values = resample_pairs(
            images, values, config.voxel_size, self.ndim, unlabelled=unlabelled
        )
        self.inputs = Inputs(
            self.images[0].channels,
            outputs(spec, len(classes)),
            self.images[0].spacing[-self.ndim :],
        )
        strides = stride(spec, self.inputs.spacing)
        self.patch, self.tile_size, self.overlap = tiles(
            self.images, config, strides, self.tile_ratio
        )
        self._require_all(values)
        pairs = [] if class_of is None else zip(values, self.images, strict=True)
        self.object_count = sum(len(occurrences(*pair)) for pair in pairs)
        self.object_size = (
            0.0 if class_of is None else typical_size(values, self.images, self.inputs.spacing)
        )
        self.samples = self._samples(values)
        self.random = RandomSource(config.seed)
        self.network = self._build().to(device)
        self.history: list[float] = []
        self.last: TrainStep | None = None

    def steps(self) -> Generator[Step, None, None]:
        """Train; `trained()` returns the current model after each step."""
        raise NotImplementedError

    def trained(self, *, copy: bool = True) -> TrainedModel:
        """Return a copy of the current model; the training can go on afterwards.

        Without a copy, which takes no memory, the training is over.
        """
        network = deepcopy(self.network) if copy else self.network
        with random_numbers(RandomSource(self.config.seed)):
            self.measure_batch_statistics(network)
        fixed = self.statistics[0] if self.config.normalise == "training" else None
        return TrainedModel(
            network=network.eval(),
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
            object_size=self.object_size,
            statistics=fixed,
            history=tuple(self.history),
            provenance=self._provenance(),
        )

    def measure_batch_statistics(self, network: nn.Module) -> None:
        """Recompute what a copy of the network stores of batches; nothing by default."""

    def _build(self) -> nn.Module:
        network = build(self.spec, self.inputs, self.random)
        with random_numbers(self.random):
            initialise(network, self.spec, self.inputs)
        return network

    def _measure(self, images: Sequence[AxesImage]) -> list[Statistics]:
        """Normalisation statistics of the images, measured before resampling."""
        if self.config.normalise == "image":
            return [measure_statistics([i], self.ndim, nonzero=self.nonzero) for i in images]
        if self.config.normalise == "training":
            return [measure_statistics(images, self.ndim)] * len(images)
        return [identity_statistics(i.channels) for i in images]

    def _samples(self, values: Sequence[NDArray[Any]]) -> list[Sample]:
        return [
            Sample(image, AxesImage(indices, image.label_axes), statistics)
            for image, indices, statistics in zip(
                self.images, self._targets(values), self.statistics, strict=True
            )
        ]

    def _targets(self, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Class indices for every pixel, or ids for instance methods."""
        if self.class_of is None:
            return [class_targets(v, self.classes) for v in values]
        by = self.spec.objects
        if by is None:
            return list(values)
        spacing, size = self.inputs.spacing, self.object_size
        return [
            level_targets(array, image, self.class_of, by, spacing, size)
            for array, image in zip(values, self.images, strict=True)
        ]

    def _require_all(self, values: Sequence[NDArray[Any]]) -> None:
        """Refuse labels that lost a class in resampling, or have no background for components."""
        present = set().union(*(count_values(self._classes_in(v))[0].tolist() for v in values))
        if self.spec.objects == "components" and self.class_of is not None and 0 not in present:
            raise LabelsError(
                "No pixel of the labels is background, but objects='components' separates objects "
                "by the background between them: choose objects='boundary' or 'distance'."
            )
        needed = self.classes if self.class_of is None else self.classes[1:]
        lost = [c.name for c in needed if c.value not in present]
        if lost:
            raise ValueError(
                f"At voxel_size {self.config.voxel_size:g} no pixel of {', '.join(lost)} is left: "
                "choose a smaller voxel_size, or annotate more of it."
            )

    def _classes_in(self, values: NDArray[Any]) -> NDArray[Any]:
        """Convert object ids to class values; class values are returned unchanged."""
        if self.class_of is None:
            return values
        return np.array([c.value for c in self.classes])[self.class_of[np.maximum(values, 0)]]

    def _provenance(self) -> dict[str, Any]:
        objects = {} if self.class_of is None else {"objects": self.object_count}
        return objects | {
            "id": uuid4().hex,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "images": [i.name for i in self.images],
            "weights": self.spec.weights and Path(self.spec.weights).name,
            "images_seen": self.last.images if self.last else 0,
            "seconds": round(self.last.seconds, 1) if self.last else 0.0,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }


def tiles(
    images: Sequence[AxesImage], config: TrainConfig, strides: Sequence[int], tile_ratio: int = 1
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Patch edges of the training, then tile size and overlap stored with the model."""
    longest = np.max([image.spatial_shape(len(strides)) for image in images], axis=0).tolist()
    if config.tile.tile_size is None:
        default = length_per_axis(TILE[len(strides)], strides)
        shorter = [min(pair) for pair in zip(default, longest, strict=True)]
        patch = tile_shape(shorter, longest, strides)
        sizes = tuple(tile_ratio * edge for edge in patch)
    else:
        patch = sizes = tile_shape_from_size(config.tile.tile_size, longest, strides)
    if config.tile.overlap is None:
        overlaps = [3 * size // 8 if tile_ratio == 1 else size // 2 for size in sizes]
    else:
        overlaps = length_per_axis(config.tile.overlap, strides)
    if config.tile.tile_size is not None:  # less where an image is thinner than a tile
        overlaps = [min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True)]
    fitted = [fit_to_stride(*axis) for axis in zip(sizes, overlaps, strides, strict=True)]
    return patch, tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)
