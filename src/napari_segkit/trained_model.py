"""What training leaves behind: the network and all that is needed to get the same pixels again."""

import warnings
from dataclasses import dataclass, field, replace
from math import inf, prod
from typing import Any

import numpy as np
from torch import nn

from .config import ModelSpec, RefineConfig, TrainConfig
from .images.axes_image import AXES, AxesImage
from .images.classes import LabelClass, values_of
from .images.intensity import Statistics, full_range, identity, measure
from .images.orientation import turn_spacing
from .images.resample import resample
from .models import ModelInfo, kind_of, model_info, stride

LARGEST = 2**28  # pixels of a tile
UNKNOWN = (1.0, 1.0, 1.0)  # also a usual voxel in MRI, whose files then say how it lies


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
    orientation : str
        What Z, Y and X grow towards in the body, such as "SAR"; "" where that is not known.
    spacing : tuple of float
        World units between pixels along Z, Y, X in training.
    tile_size, overlap : tuple of int
        The tiles it is used with, in pixels along its spatial axes.
    nonzero : bool
        Intensities are measured over non-zero pixels only.
    object_size : float
        Typical diameter of the objects it learned, in pixels of the finest axis; 0 where it
        learned none.
    statistics : Statistics or None
        The training images' numbers where ``config.normalise`` is "training".
    history : tuple of float
        Loss of each step.
    provenance : dict
        The model's own id, versions, date, device, threads, images seen.
    stuff : TrainedModel or None
        Where this one gives objects: what gives a class to the pixels between them.
    stuff_values : tuple of int
        Which values of its classes do that; the others count for nothing.
    refine : RefineConfig
        What is done to its probabilities on the way to labels.
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
    orientation: str = ""
    nonzero: bool = False
    object_size: float = 0.0
    statistics: Statistics | None = None
    history: tuple[float, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    stuff: "TrainedModel | None" = None
    stuff_values: tuple[int, ...] = ()
    refine: RefineConfig = field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        """Refuse what cannot belong together: a file may have been changed."""
        if self.orientation:
            turn_spacing(self.spacing, self.orientation, self.orientation)
        if len(self.spacing) != 3 or not all(0 < s < inf for s in self.spacing):
            raise ValueError("its spacing cannot be right")
        values = self.values
        tiles = [*self.tile_size, *self.overlap]
        range_ = self.statistics and zip(self.statistics.low, self.statistics.high, strict=True)
        wrong = {
            "classes": not values
            or list(values) != sorted(set(values))
            or not all(type(v) is int and 0 <= v < 2**31 for v in values),
            "tile size": not all(type(n) is int and 0 <= n <= 8192 for n in tiles)
            or self.ndim not in self.info.dims
            or len(self.overlap) != self.ndim
            or prod(self.tile_size) > LARGEST
            or any(
                n % step or n < 2 * o
                for n, o, step in zip(self.tile_size, self.overlap, self.strides, strict=False)
            ),
            "axes": not {"Y", "X"} <= set(self.axes) <= set(AXES),
            "channels": type(self.channels) is not int or self.channels < 1,
            "objects' size": not 0 <= self.object_size < inf
            or (kind_of(self.spec) == "objects" and not self.object_size)
            or (kind_of(self.spec) != "semantic" and values[:1] != (0,)),
            "second model": bool(self.stuff_values) != bool(self.stuff)
            or (self.stuff is not None and not set(self.stuff_values) <= set(self.stuff.values)),
            "clean-up": not {c.value for c in self.refine.clean} <= set(values)
            or (kind_of(self.spec) != "semantic" and self.refine.clean),
            "statistics": range_ and not all(low < high for low, high in range_),
        }
        named = ", ".join(name for name, is_wrong in wrong.items() if is_wrong)
        if named:
            raise ValueError(f"its {named} cannot be right")

    @property
    def info(self) -> ModelInfo:
        """What is known of the method."""
        return model_info(self.spec.name)

    @property
    def kind(self) -> str:
        """What it gives: "semantic", "objects", "instance" or "panoptic"."""
        return "panoptic" if self.stuff else kind_of(self.spec)

    def to(self, device: Any) -> None:
        """Move its networks to a device."""
        self.network.to(device)
        if self.stuff:
            self.stuff.to(device)

    @property
    def ndim(self) -> int:
        """Spatial dimensions it works in."""
        return len(self.tile_size)

    @property
    def strides(self) -> tuple[int, ...]:
        """What tiles are multiples of, along each spatial axis."""
        return stride(self.spec, self.spacing[-self.ndim :])

    @property
    def identity(self) -> str:
        """The model's own id, a different one for each training."""
        return str(self.provenance.get("id", ""))

    @property
    def all_classes(self) -> tuple[LabelClass, ...]:
        """The classes of its results: those of its objects, and of what lies between them."""
        if self.stuff is None:
            return self.classes
        free = iter(sorted(set(range(1, 10_000)) - set(self.values)))
        more = [c for c in self.stuff.classes if c.value in self.stuff_values]
        values = [next(free) if c.value in self.values else c.value for c in more]
        values = values if len(set(values)) == len(values) else [next(free) for _ in more]
        return *self.classes, *(replace(c, value=v) for c, v in zip(more, values, strict=True))

    @property
    def values(self) -> tuple[int, ...]:
        """Label value of each output channel."""
        return tuple(c.value for c in self.classes)

    def on_its_grid(self, image: AxesImage) -> AxesImage:
        """The image with the pixel size that the training declared; itself where it did not."""
        size = self.config.voxel_size
        if size is not None:
            return resample(image, size, self.ndim)
        self._note_other_voxels(image)
        return image

    def _note_other_voxels(self, image: AxesImage) -> None:
        known = self.orientation or self.spacing != UNKNOWN
        known = known and (image.orientation or image.spacing != UNKNOWN)
        if self.ndim == 3 and known and not np.allclose(self.spacing, image.spacing, rtol=0.1):
            sizes = (self.spacing, image.spacing)
            ours, theirs = (" x ".join(f"{s:g}" for s in spacing) for spacing in sizes)
            warnings.warn(
                f"{image.name} has voxels of {theirs} (Z x Y x X), the model learned on {ours}: "
                "train with a voxel_size to have every volume resampled.",
                UserWarning,
                stacklevel=3,
            )

    def measure(self, image: AxesImage) -> Statistics:
        """The numbers that normalise an image for this network, as its training declared."""
        if self.config.normalise == "none":
            return identity(self.channels)
        if self.config.normalise == "training" and self.statistics is None:
            return full_range(image)  # photographs, to others' weights
        return self.statistics or measure([image], self.ndim, nonzero=self.nonzero)


def refinement_of(model: TrainedModel) -> RefineConfig:
    """What is done to a model's probabilities, as `with_refinement` takes it.

    Parameters
    ----------
    model : TrainedModel
        Of one merged from two: the smoothing of its objects, the clean-up of what lies between.
    """
    if model.stuff is None:
        return model.refine
    shown = {own: value for value, own in _stuff_values(model).items()}
    steps = [c for c in model.stuff.refine.clean if c.value in shown]
    return replace(model.refine, clean=tuple(replace(c, value=shown[c.value]) for c in steps))


def with_refinement(model: TrainedModel, recipe: RefineConfig) -> TrainedModel:
    """The same model, its probabilities to be refined in another way.

    Parameters
    ----------
    model : TrainedModel
        Of one merged from two, both are smoothed.
    recipe : RefineConfig
        What is to be done; its classes are those of the model's results.

    Raises
    ------
    ValueError
        If a class is to be tidied that is not there, or of which there are objects.
    """
    wanted = values_of([c.value for c in recipe.clean], model.all_classes)
    if model.kind == "semantic":
        return replace(model, refine=recipe)
    own = _stuff_values(model)
    names = [c.name for c in model.classes if c.value in set(wanted) - set(own)]
    if names:
        raise ValueError(
            f"{', '.join(map(repr, names))} cannot be tidied, since this model gives objects: "
            "leave it out of the clean-up; an ObjectConfig says which objects are kept."
        )
    smoothing = replace(recipe, clean=())
    if model.stuff is None:
        return replace(model, refine=smoothing)
    tidied = tuple(replace(c, value=own[c.value]) for c in recipe.clean)
    stuff = replace(model.stuff, refine=replace(recipe, clean=tidied))
    return replace(model, refine=smoothing, stuff=stuff)


def _stuff_values(model: TrainedModel) -> dict[int, int]:
    """Values of results, to those that they have in the second of two merged models."""
    more = model.all_classes[len(model.classes) :]
    return dict(zip((c.value for c in more), sorted(model.stuff_values), strict=True))
