"""Which model: method, encoder, weights, objects, features."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated, Literal

from ._schema import Checked

Dims = Literal["auto", "2D", "3D"]
ObjectsBy = Literal["components", "boundary", "distance"]


@dataclass(frozen=True)
class FeatureConfig(Checked):
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
class ModelSpec(Checked):
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
