"""What a person decides, as frozen values: forms, options and files are made from these.

Annotations here stay real objects (no ``from __future__ import annotations``), because the
limits inside ``Annotated`` are read at run time.
"""

import types
from dataclasses import KW_ONLY, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

LabelsAre = Literal["ask", "classes", "objects"]
Normalise = Literal["image", "training", "none"]
Dims = Literal["auto", "2D", "3D"]
ObjectsBy = Literal["components", "boundary", "distance"]


def _plain(hint: Any) -> tuple[Any, dict[str, Any]]:
    """Split ``Annotated[type, limits]`` into the type and its limits."""
    return get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, {})


def declared(cls: type) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The fields of a configuration class: name -> (type, limits).

    Parameters
    ----------
    cls : type
        One of the configuration dataclasses of this module.

    Returns
    -------
    dict
        Field name to a pair: the type without its limits, and the limits
        (``min``, ``max``, ``step``) as declared, or an empty dict.
    """
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: _plain(hints[f.name]) for f in fields(cls)}


def check(config: Any) -> None:
    """Raise ValueError or TypeError with one sentence where a field breaks its declaration."""
    for name, (hint, limits) in declared(type(config)).items():
        value = getattr(config, name)
        where = f"{type(config).__name__}.{name} is {value!r}"
        options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
        if value is None and type(None) in options:
            continue
        choices = [c for o in options if get_origin(o) is Literal for c in get_args(o)]
        if choices:
            if value not in choices:
                raise ValueError(f"{where}; choose one of {', '.join(map(repr, choices))}.")
            continue
        if not _fits(value, options):
            names = " or ".join("None" if o is type(None) else o.__name__ for o in options)
            raise TypeError(f"{where}; it must be {names}.")
        low, high = limits.get("min"), limits.get("max")
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise ValueError(f"{where}; it must lie between {low} and {high}.")


def _fits(value: Any, options: tuple[Any, ...]) -> bool:
    if isinstance(value, bool):
        return bool in options
    if isinstance(value, int) and float in options:
        return True
    return isinstance(value, options)


class _Checked:
    """A configuration refuses impossible values when it is made."""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class FeatureConfig(_Checked):
    """What the pixel classifier sees at each pixel; other methods see what they have learned to.

    Parameters
    ----------
    intensity : bool
        The image, blurred at each scale.
    edges : bool
        How steep the image is at each scale.
    texture : bool
        How it bends at each scale: ridges, spots, saddles.
    smallest_scale : float or None
        Sigma of the first Gaussian, in pixels of the finest axis; along coarser axes it is
        shorter. Each further scale is twice the one before. None: 1 in 2D, 0.5 in volumes.
    largest_scale : float
        No Gaussian's sigma is larger than this.
    window : int
        Edge of a square (or cube) of raw pixels around each pixel that is seen as well, an odd
        number; 0 for none. With the three groups above switched off this is the classic sliding
        window.
    stride : int
        Classify every so many pixels only; those between take the nearest one's class. More is
        faster and coarser.
    """

    intensity: bool = True
    edges: bool = True
    texture: bool = True
    smallest_scale: Annotated[float | None, {"min": 0.3, "max": 64.0, "step": 0.1}] = None
    largest_scale: Annotated[float, {"min": 0.3, "max": 64.0, "step": 1.0}] = 16.0
    window: Annotated[int, {"min": 0, "max": 31}] = 0
    stride: Annotated[int, {"min": 1, "max": 32}] = 1


@dataclass(frozen=True)
class ModelSpec(_Checked):
    """Which model to build.

    Parameters
    ----------
    name : str
        The method, one of those that ``list_models()`` lists, for instance "unet".
    encoder : str or None
        The part of the network that reads the image, one of those the method lists. None: the
        first of them, which is light enough for a CPU.
    weights : str or None
        Where the weights start from. None: random numbers. "imagenet", or "coco" where the method
        has it: weights that others have learned on photographs, downloaded once. Or the path of a
        file of weights.
    dims : str
        "2D": slice by slice. "3D": whole volumes. "auto": what the method is made for, where the
        image allows it.
    objects : str or None
        How a method that gives a class for every pixel is to give single objects; it then learns
        from labels in which each object has its own number. "components": each connected piece
        is an object, for objects that do not touch. "boundary": it learns the rims of objects,
        too, and parts those that touch. "distance": it learns how deep in its object a pixel
        lies. None: classes only; Mask R-CNN and SOLO always give objects.
    features : FeatureConfig
        What the pixel classifier sees at each pixel.
    """

    name: str = "unet"
    _: KW_ONLY
    encoder: str | None = None
    weights: str | None = None
    dims: Dims = "auto"
    objects: ObjectsBy | None = None
    features: FeatureConfig = field(default_factory=FeatureConfig)


@dataclass(frozen=True)
class TileConfig(_Checked):
    """How an image is cut into tiles.

    Tile size and overlap belong to a model: they are chosen when it is trained and kept in its
    file. A number given here for a prediction replaces the model's own and is recorded with the
    result.

    Parameters
    ----------
    tile_size : int or None
        Edge of a tile in pixels, rounded up to what the network can take; along coarse axes of a
        volume less. None: the model's own.
    overlap : int or None
        Pixels that neighbouring tiles share, at most half a tile; rounded as the size is. None:
        the model's own.
    batch_size : int
        Tiles predicted together. More is faster on a GPU and needs more memory.
    """

    tile_size: Annotated[int | None, {"min": 16, "max": 8192, "step": 16}] = None
    overlap: Annotated[int | None, {"min": 0, "max": 4096, "step": 16}] = None
    batch_size: Annotated[int, {"min": 1, "max": 1024}] = 4

    def __post_init__(self) -> None:
        """Check that two tiles at most cover a pixel along an axis."""
        super().__post_init__()
        if None not in (self.tile_size, self.overlap) and 2 * self.overlap > self.tile_size:  # type: ignore[operator]
            raise ValueError(
                f"TileConfig.overlap is {self.overlap} with a tile_size of {self.tile_size}; "
                f"it must be at most half of it, {self.tile_size // 2}."  # type: ignore[operator]
            )


@dataclass(frozen=True)
class ObjectConfig(_Checked):
    """Which of the objects found are kept; it can be changed without predicting again.

    Parameters
    ----------
    score : float
        Objects that the model is less sure of are left out.
    mask_threshold : float
        From which probability on a pixel belongs to an object of Mask R-CNN or SOLO. Less makes
        objects larger, within their boxes.
    min_size : float
        Smaller objects are left out: their area, or the volume in 3D, in world units (pixels
        where the pixel size is not known).
    max_size : float or None
        Larger objects are left out. None: no limit.
    border : bool
        Keep objects that touch the image's border, which may be cut off there.
    link : float or None
        In a stack that is predicted slice by slice, objects of neighbouring slices that overlap
        by this IoU become one. None: each slice keeps objects of its own.
    """

    score: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.4
    mask_threshold: Annotated[float, {"min": 0.05, "max": 0.95, "step": 0.05}] = 0.5
    min_size: Annotated[float, {"min": 0.0, "max": 1e12, "step": 1.0}] = 0.0
    max_size: Annotated[float | None, {"min": 0.0, "max": 1e12, "step": 1.0}] = None
    border: bool = True
    link: Annotated[float | None, {"min": 0.05, "max": 0.95, "step": 0.05}] = 0.25


@dataclass(frozen=True)
class TrainConfig(_Checked):
    """How a model is trained.

    Parameters
    ----------
    epochs : int
        How many epochs to train. The learning rate falls towards the end of them.
    steps_per_epoch : int
        Batches in an epoch.
    minutes : float or None
        Stop after so many minutes if the epochs are not done by then. None: no time limit.
    batch_size : int
        Patches the network sees in one step. More is steadier and needs more memory.
    learning_rate : float
        How far one step moves the weights.
    unlabelled : int or None
        The one label value that is never learned nor counted. 0 for scribbles; None for a mask
        where every pixel was decided and 0 is a class like any other (background); photographs
        often use 255. A method that gives objects takes 0 as background, always; any other value
        leaves out what has it.
    labels_are : str
        What the label values mean. "classes": each value is a class; where objects are learned,
        each connected piece of it is one of them. "objects": each value is one object; where only
        classes are learned, all objects are one class, 1, with 0 as background. "ask": what the
        method learns, but labels that look like the other are refused with a question.
    normalise : str
        Where the numbers come from that bring intensities to one scale. "image": from each
        image, stack or series as a whole. "training": from the training images (calibrated
        data such as CT). "none": intensities are used as they are.
    voxel_size : float or None
        Resample images to pixels (voxels) of this edge in world units before the network sees
        them, the result back to the image's own grid. None: the pixels as they are.
    augment : bool
        Show the patches also flipped, turned by 90 degrees, brighter and darker.
    seed : int
        The same seed on the same machine gives the same model.
    tile : TileConfig
        Size and overlap of the tiles, kept in the model. None in it chooses 256 pixels (64 voxels
        in 3D, less where the images are smaller) with three eighths of it as overlap.
    """

    epochs: Annotated[int, {"min": 1, "max": 100_000}] = 20
    steps_per_epoch: Annotated[int, {"min": 1, "max": 100_000}] = 10
    minutes: Annotated[float | None, {"min": 0.01, "max": 100_000, "step": 0.5}] = None
    batch_size: Annotated[int, {"min": 2, "max": 1024}] = 4
    learning_rate: Annotated[float, {"min": 1e-7, "max": 1.0, "step": 1e-4}] = 1e-3
    unlabelled: Annotated[int | None, {"min": 0, "max": 2**31 - 1}] = 0
    labels_are: LabelsAre = "ask"
    normalise: Normalise = "image"
    voxel_size: Annotated[float | None, {"min": 1e-6, "max": 1e6, "step": 0.1}] = None
    augment: bool = True
    seed: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 0
    tile: TileConfig = field(default_factory=TileConfig)


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain JSON-able values, nested ones as nested dicts."""
    return {
        f.name: to_dict(v) if is_dataclass(v := getattr(config, f.name)) else v
        for f in fields(config)
    }


def from_dict(cls: type, values: dict[str, Any]) -> Any:
    """The configuration that ``to_dict`` wrote; ValueError or TypeError where it does not fit."""
    hints = {name: hint for name, (hint, _) in declared(cls).items()}
    unknown = set(values) - set(hints)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(sorted(unknown))}.")
    return cls(
        **{k: from_dict(hints[k], v) if is_dataclass(hints[k]) else v for k, v in values.items()}
    )


def call(config: Any) -> str:
    """The Python expression that makes this configuration, naming only what was changed."""
    default = type(config)()
    changed = [
        f"{f.name}={call(v) if is_dataclass(v) else repr(v)}"
        for f in fields(config)
        if (v := getattr(config, f.name)) != getattr(default, f.name)
    ]
    return f"{type(config).__name__}({', '.join(changed)})"
