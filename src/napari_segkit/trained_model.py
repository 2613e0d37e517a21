"""A trained network with all metadata needed to predict the same pixels again."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import inf, prod

import torch
from torch import nn

from .config import ModelSpec, RefineConfig, TrainConfig
from .images.axes_image import AxesImage, in_unit
from .images.axis_guess import AXES
from .images.classes import LabelClass, values_of
from .images.intensity import (
    Statistics,
    dtype_statistics,
    identity_statistics,
    measure_statistics,
    white_of,
)
from .images.intensity_range import IntensityRange
from .images.orientation import reorient_spacing
from .images.pixel_sizes import difference_text, is_alike, require_pixel_sizes, unknown_text
from .images.resample import SPACING_TOLERANCE
from .images.resample import resample as resample_to
from .images.resize import resized
from .images.units import Spacing
from .models import KINDS, ModelInfo, kind_of, model_info, predicts_objects, stride
from .tiling import Tiling

FAINT = 1 / 5  # part of the contrast of training below which a warning is given; noise has less
MAX_TILE_PIXELS = 2**28  # pixels of a tile
MAX_MEMBERS = 100


@dataclass(frozen=True)
class TrainedModel:
    """A trained network with its metadata, the contents of a model file."""

    network: nn.Module  # in evaluation mode
    spec: ModelSpec
    config: TrainConfig
    classes: tuple[LabelClass, ...]  # of each output channel
    channels: int
    axes: str  # of the first training image
    spacing: tuple[float, float, float]  # Z, Y, X in training, world units
    tile_size: tuple[int, ...]  # in prediction, along the spatial axes, pixels
    overlap: tuple[int, ...]
    orientation: str = ""  # directions of Z, Y and X in the body, such as "SAR"
    unit: str = ""  # of the spacing and of the voxel size of the configuration; "": unknown
    nonzero: bool = False  # intensities are measured over non-zero pixels only
    object_size: float = 0.0  # median diameter of training objects, pixels of the finest axis
    statistics: Statistics | None = None  # if normalised by the training images
    contrast: tuple[float, ...] = ()  # of each channel of the faintest training image, if known
    white: float = 1.0  # highest value of their dtype
    intensities: IntensityRange | None = None  # of the training images, if they were measured
    history: tuple[float, ...] = ()  # loss of each step
    learning_rates: tuple[float, ...] = ()  # of each step, where the clock set them
    provenance: dict[str, object] = field(default_factory=dict)
    stuff: "TrainedModel | None" = None  # semantic model merged with this one
    stuff_values: tuple[int, ...] = ()  # its classes that are used
    refine: RefineConfig = field(default_factory=RefineConfig)
    channel_names: tuple[str, ...] = ()  # by which channels are asked for; () without names
    patch: tuple[int, ...] = ()  # edges in training; (): those of a tile, which is never cut
    separation: float | None = None  # of touching objects by a watershed; None: as by default
    members: int = 1  # networks whose mean probabilities it predicts: those of a `MeanNetwork`

    def __post_init__(self) -> None:
        """Reject inconsistent metadata: the file may have been changed."""
        if self.orientation:
            reorient_spacing(self.spacing, self.orientation, self.orientation)
        if len(self.spacing) != 3 or not all(0 < s < inf for s in self.spacing):
            raise ValueError("invalid spacing")
        values = self.values
        tiles = [*self.tile_size, *self.overlap]
        is_invalid = {
            "classes": not values
            or list(values) != sorted(set(values))
            or not all(type(v) is int and 0 <= v < 2**31 for v in values),
            "tile size": not all(type(n) is int and 0 <= n <= 8192 for n in tiles)
            or self.ndim not in self.info.dims
            or len(self.overlap) != self.ndim
            or prod(self.tile_size) > MAX_TILE_PIXELS
            or any(
                n % step or n < 2 * o
                for n, o, step in zip(self.tile_size, self.overlap, self.strides, strict=False)
            ),
            "patch": len(self.patch) not in (0, self.ndim)
            or not all(type(n) is int and 0 < n <= 8192 for n in self.patch),
            "axes": not {"Y", "X"} <= set(self.axes) <= set(AXES)
            or len(set(self.axes)) != len(self.axes)
            or ((self.ndim == 3 or self.spec.neighbour_slices) and "Z" not in self.axes)
            or (self.ndim == 3 and self.spec.neighbour_slices),
            "resize": self.config.resize is not None and (self.ndim != 2 or self.info.has_masks),
            "channels": type(self.channels) is not int
            or self.channels < 1
            or len(set(self.channel_names)) not in (0, self.channels)
            or len(self.channel_names) not in (0, self.channels),
            "object size": not 0 <= self.object_size < inf
            or (self.spec.objects and not self.object_size)
            or (predicts_objects(self.spec) and values[:1] != (0,)),
            "separation": self.separation is not None and not 0 <= self.separation < 1,
            "members": type(self.members) is not int
            or not 1 <= self.members <= MAX_MEMBERS
            or (self.members > 1 and self.info.has_masks),
            "second model": not self._fits_stuff(),
            "clean-up": not {c.value for c in self.refine.clean} <= set(values)
            or (predicts_objects(self.spec) and self.refine.clean),
            "statistics": self.statistics is not None and not self._fits(self.statistics),
            "intensities": self.intensities is not None
            and not self.intensities.is_of(self.channels),
            "contrast": not 0 < self.white < inf
            or not all(0 <= c < inf for c in self.contrast)
            or len(self.contrast) not in (0, self.channels),
        }
        names = ", ".join(name for name, invalid in is_invalid.items() if invalid)
        if names:
            raise ValueError(f"invalid {names}")

    def _fits(self, statistics: Statistics) -> bool:
        """Whether there is a range for each channel, measured in training."""
        pairs = list(zip(statistics.low, statistics.high, strict=True))
        is_ordered = all(low <= high for low, high in pairs)
        return is_ordered and len(pairs) == self.channels and self.config.normalise == "training"

    def _fits_stuff(self) -> bool:
        """Whether a merged semantic model goes with this one and has the classes that are used."""
        stuff, used = self.stuff, set(self.stuff_values)
        if stuff is None:
            return not used
        return (
            predicts_objects(self.spec)
            and stuff.kind == "semantic"
            and stuff.channels == self.channels
            and len(used) == len(self.stuff_values)
            and bool(used)
            and used <= set(stuff.values)
        )

    @property
    def info(self) -> ModelInfo:
        """Registry entry of the method."""
        return model_info(self.spec.name)

    @property
    def kind(self) -> str:
        """What it predicts: "semantic", "objects", "instance" or "panoptic", a key of `KINDS`."""
        return "panoptic" if self.stuff else kind_of(self.spec)

    @property
    def predicts_objects(self) -> bool:
        """Whether label values are ids of objects; else they are values of classes."""
        return KINDS[self.kind].has_objects

    def to(self, device: torch.device) -> None:
        """Move the network, or both networks, to a device."""
        tensors = chain(self.network.parameters(), self.network.buffers())
        if any(tensor.device != device for tensor in tensors):  # to look is faster than to move
            self.network.to(device)
        if self.stuff:
            self.stuff.to(device)

    @property
    def ndim(self) -> int:
        """Number of spatial dimensions of the network."""
        return len(self.tile_size)

    @property
    def strides(self) -> tuple[int, ...]:
        """Tile edges are multiples of these, along each spatial axis."""
        return stride(self.spec, self.spacing[-self.ndim :])

    @property
    def tiling(self) -> Tiling:
        """How its predictions are divided into tiles; earlier files have whole tiles."""
        is_cut = self.patch and not self.info.has_masks
        return Tiling(self.tile_size, self.overlap, self.strides if is_cut else ())

    @property
    def identity(self) -> str:
        """Id of this training, unique."""
        return str(self.provenance.get("id", ""))

    @property
    def all_classes(self) -> tuple[LabelClass, ...]:
        """Classes of its results: thing classes, then stuff classes if merged."""
        if self.stuff is None:
            return self.classes
        free = iter(sorted(set(range(1, 10_000)) - set(self.values)))
        stuff = [c for c in self.stuff.classes if c.value in self.stuff_values]
        values = [next(free) if c.value in self.values else c.value for c in stuff]
        values = values if len(set(values)) == len(values) else [next(free) for _ in stuff]
        return *self.classes, *(replace(c, value=v) for c, v in zip(stuff, values, strict=True))

    @property
    def values(self) -> tuple[int, ...]:
        """Label value of each output channel."""
        return tuple(c.value for c in self.classes)

    def resample_image(self, image: AxesImage, *, resample: bool = False) -> AxesImage:
        """Bring an image to the size or voxel size of training, where it was set or is asked for.

        Else it is unchanged, and a pixel size unlike that of training is said.
        """
        image = in_unit(image, self.unit)
        if self.config.resized_shape is not None:
            return resized(image, self.config.resized_shape)
        size = self.voxel_size_for(image, resample=resample)
        if size is not None:
            return resample_to(image, size, self.ndim)
        if not resample and (note := self.pixel_size_note(image)):
            warnings.warn(note, UserWarning, stacklevel=3)
        return image

    def voxel_size_for(self, image: AxesImage, *, resample: bool) -> float | Spacing | None:
        """The voxel size that an image is resampled to; None: it stays as it is.

        ValueError if it is to be that of training, and one of them is unknown.
        """
        if self.config.voxel_size is not None or not resample:
            return self.config.voxel_size
        require_pixel_sizes(image, self, self.ndim)
        return None if is_alike(image, self, self.ndim, SPACING_TOLERANCE) else self.spacing

    def pixel_size_note(self, image: AxesImage) -> str | None:
        """How the pixel size differs from that of the training; None if it does not or is unknown.

        An image that is brought to one size or voxel size may have any.
        """
        if self.config.resize is not None or self.config.voxel_size is not None:
            return None
        return difference_text(image, self, self.ndim)

    def unknown_size_note(self, image: AxesImage) -> str | None:
        """Which pixel size is unknown, that of the image or of the training; None if not one is."""
        if self.config.resize is not None:
            return None
        return unknown_text(image, self, self.ndim)

    def measure(self, image: AxesImage) -> Statistics:
        """Statistics that normalise an image, as chosen for training."""
        if self.config.normalise == "none":
            return identity_statistics(self.channels)
        if self.config.normalise == "dtype":
            return dtype_statistics(image)
        if self.config.normalise == "training" and self.statistics is None:
            return dtype_statistics(image)  # photographs, for pretrained weights
        if self.statistics is not None:
            return self.statistics
        measured = measure_statistics([image], self.ndim, nonzero=self.nonzero)
        self._warn_about_contrast(image, measured)
        return measured

    def _warn_about_contrast(self, image: AxesImage, measured: Statistics) -> None:
        """Tell where stretching an image to full contrast may show nothing but its noise."""
        part = _largest_part(measured.contrast, self.contrast)
        part *= max(1.0, self.white / white_of(image.data.dtype))  # such as 8 bits, then floats
        if measured.is_blank:
            text = f"Every pixel of {image.name} is the same: its prediction means nothing."
        elif part < FAINT:
            text = (
                f"{image.name} has {part:.0%} of the contrast of the faintest training image, and "
                "is stretched to the same contrast, noise included: if their intensities can be "
                'compared, train with normalise="training".'
            )
        else:
            return
        warnings.warn(text, UserWarning, stacklevel=3)


def _largest_part(contrast: Sequence[float], training: Sequence[float]) -> float:
    """Largest contrast of a channel relative to that of training, if it is known."""
    known = zip(contrast, training, strict=False)
    return max((a / b for a, b in known if b > 0), default=1.0)


def refinement_of(model: TrainedModel) -> RefineConfig:
    """Refinement settings of a model; if merged, smoothing of objects and clean-up of stuff."""
    if model.stuff is None:
        return model.refine
    result_values = {original: value for value, original in _stuff_values(model).items()}
    clean = [c for c in model.stuff.refine.clean if c.value in result_values]
    return replace(
        model.refine, clean=tuple(replace(c, value=result_values[c.value]) for c in clean)
    )


def with_refinement(model: TrainedModel, config: RefineConfig) -> TrainedModel:
    """Copy of a model with other refinement settings; ValueError for classes it cannot clean up."""
    values = values_of([c.value for c in config.clean], model.all_classes)
    if not model.predicts_objects:
        return replace(model, refine=config)
    stuff_values = _stuff_values(model)
    names = [c.name for c in model.classes if c.value in set(values) - set(stuff_values)]
    if names:
        raise ValueError(
            f"{', '.join(map(repr, names))} cannot be cleaned up, because this model predicts "
            "objects: leave it out of the clean-up; select objects with an ObjectConfig."
        )
    smoothing = replace(config, clean=())
    if model.stuff is None:
        return replace(model, refine=smoothing)
    clean = tuple(replace(c, value=stuff_values[c.value]) for c in config.clean)
    stuff = replace(model.stuff, refine=replace(config, clean=clean))
    return replace(model, refine=smoothing, stuff=stuff)


def _stuff_values(model: TrainedModel) -> dict[int, int]:
    """Map label values of stuff classes in the result to those in the semantic model."""
    stuff = model.all_classes[len(model.classes) :]
    return dict(zip((c.value for c in stuff), sorted(model.stuff_values), strict=True))
