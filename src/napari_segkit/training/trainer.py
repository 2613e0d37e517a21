"""What every training has: its images on one grid and scale, and the model it leaves behind."""

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
    identity,
    measure,
    mostly_zero,
    require_finite_image,
)
from napari_segkit.images.labels import LabelsError, count
from napari_segkit.images.resample import on_one_grid
from napari_segkit.instances.diameters import occurrences
from napari_segkit.models import Inputs, build, choose_ndim, outputs, stride
from napari_segkit.models.weights.pretrained import initialise
from napari_segkit.steps import Step
from napari_segkit.tiling import along_axes, edges, explicit, fit
from napari_segkit.torch_random import RandomSource, random_numbers
from napari_segkit.trained_model import TrainedModel
from napari_segkit.versions import versions

from .sampler import Sample
from .targets import class_targets, level_targets, typical_size

if TYPE_CHECKING:
    from .loop import TrainStep

TILE = {2: 256, 3: 64}


class Trainer:
    """One training: its network, and what came of it so far.

    Parameters
    ----------
    spec : ModelSpec
        Which model, its encoder named.
    images : sequence of AxesImage
        All with the same number of channels and the same orientation.
    values : sequence of ndarray
        Their label values, as `read_values` gives them, or ids of objects, as `read_objects` does.
    classes : sequence of LabelClass
        The classes to learn, by rising value.
    config : TrainConfig
        How to train.
    device : torch.device
        Where.
    class_of : ndarray, optional
        Position in `classes` of each id, where values are ids of objects.

    Attributes
    ----------
    room : int
        How many times as long as the patches it learns are the tiles that its model predicts in.
    """

    room = 1

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
        self.nonzero = config.normalise == "image" and mostly_zero(images, self.ndim)
        self.statistics = self._measure(images)
        left_out = config.unlabelled if class_of is None else None
        self.images, values = on_one_grid(
            images, values, config.voxel_size, self.ndim, unlabelled=left_out
        )
        self.inputs = Inputs(
            self.images[0].channels,
            outputs(spec, len(classes)),
            self.images[0].spacing[-self.ndim :],
        )
        strides = stride(spec, self.inputs.spacing)
        self.patch, self.tile_size, self.overlap = tiles(self.images, config, strides, self.room)
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
        """Train; after each step `trained` gives the model as it is then."""
        raise NotImplementedError

    def trained(self) -> TrainedModel:
        """A copy of the model as it is now; the training can go on as if nobody had asked."""
        network = deepcopy(self.network)
        with random_numbers(RandomSource(self.config.seed)):
            self.settle(network)
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

    def settle(self, network: nn.Module) -> None:
        """Measure what a copy of the network keeps of batches anew; some keep nothing."""

    def _build(self) -> nn.Module:
        network = build(self.spec, self.inputs, self.random)
        initialise(network, self.spec, self.inputs)
        return network

    def _measure(self, images: Sequence[AxesImage]) -> list[Statistics]:
        """The numbers of the images as they came, whatever grid they are brought to."""
        if self.config.normalise == "image":
            return [measure([i], self.ndim, nonzero=self.nonzero) for i in images]
        if self.config.normalise == "training":
            return [measure(images, self.ndim)] * len(images)
        return [identity(i.channels) for i in images]

    def _samples(self, values: Sequence[NDArray[Any]]) -> list[Sample]:
        return [
            Sample(image, AxesImage(indices, image.label_axes), statistics)
            for image, indices, statistics in zip(
                self.images, self._targets(values), self.statistics, strict=True
            )
        ]

    def _targets(self, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Class indices for every pixel, or ids for methods that find objects one by one."""
        if self.class_of is None:
            return [class_targets(v, self.classes) for v in values]
        by = self.spec.objects
        if by is None:
            return list(values)
        more = self.class_of, by, self.inputs.spacing, self.object_size
        return [level_targets(v, i, *more) for v, i in zip(values, self.images, strict=True)]

    def _require_all(self, values: Sequence[NDArray[Any]]) -> None:
        """Refuse a voxel size at which a class has no pixel left; objects need no background."""
        present = set().union(*(count(self._classes_in(v))[0].tolist() for v in values))
        if self.spec.objects == "components" and self.class_of is not None and 0 not in present:
            raise LabelsError(
                "No pixel of the labels is background, and objects='components' parts objects by "
                "what lies between them: choose objects='boundary' or 'distance'."
            )
        needed = self.classes if self.class_of is None else self.classes[1:]
        lost = [c.name for c in needed if c.value not in present]
        if lost:
            raise ValueError(
                f"At voxel_size {self.config.voxel_size:g} no pixel of {', '.join(lost)} is left: "
                "choose smaller voxels, or label more of it."
            )

    def _classes_in(self, values: NDArray[Any]) -> NDArray[Any]:
        """Class values, also where the values are ids."""
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
    images: Sequence[AxesImage], config: TrainConfig, strides: Sequence[int], room: int = 1
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Patches that a model is trained with, tile size and overlap that it keeps.

    Parameters
    ----------
    images : sequence of AxesImage
        The training images.
    config : TrainConfig
        Its `tile`, where it says something.
    strides : sequence of int
        Of the network along each spatial axis; all become multiples of it.
    room : int
        Length of a tile in patches, unless `config` names it.

    Returns
    -------
    tuple of tuple of int
        Edges of a patch, edges of a tile, overlap along each spatial axis.
    """
    longest = np.max([image.spatial(len(strides)) for image in images], axis=0).tolist()
    if config.tile.tile_size is None:
        default = along_axes(TILE[len(strides)], strides)
        wished = [min(pair) for pair in zip(default, longest, strict=True)]
        patch = edges(wished, longest, strides)
        sizes = tuple(room * edge for edge in patch)
    else:
        patch = sizes = explicit(config.tile.tile_size, longest, strides)
    if config.tile.overlap is None:
        overlaps = [3 * size // 8 if room == 1 else size // 2 for size in sizes]
    else:
        overlaps = along_axes(config.tile.overlap, strides)
    if config.tile.tile_size is not None:  # less where an image is thinner than that
        overlaps = [min(o, size // 2) for o, size in zip(overlaps, sizes, strict=True)]
    fitted = [fit(*along) for along in zip(sizes, overlaps, strides, strict=True)]
    return patch, tuple(size for size, _ in fitted), tuple(overlap for _, overlap in fitted)
