"""Settings of the model: method, encoder, weights, objects, features."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated, Literal

from ._schema import Checked
from .options import Options, Value

Dims = Literal["auto", "2D", "3D"]
ObjectsBy = Literal["components", "boundary", "distance"]


@dataclass(frozen=True)
class FeatureConfig(Checked):
    """Features that the pixel classifier computes at each pixel; other methods ignore them.

    Parameters
    ----------
    intensity : bool
        Intensity: the image, Gaussian-smoothed at each scale.
    edges : bool
        Edges: gradient magnitude at each scale.
    texture : bool
        Texture: Hessian eigenvalues at each scale (ridges, blobs, saddles).
    smallest_scale : float or None
        Sigma of the smallest Gaussian, in pixels of the finest axis (fewer pixels along coarser
        axes). Each further scale doubles it. None: 0.5.
    largest_scale : float
        Upper limit for the sigma of the Gaussians.
    window : int
        Edge of a square (or cube) of raw pixels around each pixel, used as further features. An odd
        number; 0: no window. With the three groups above switched off, this is the classic
        sliding-window classifier.
    stride : int
        Classify every n-th pixel only; the others get the class of the nearest one. Larger is
        faster and coarser.
    random_features : int or None
        Number of random features (cosines) that the classifier computes from the features of a
        pixel. More of them tell finer differences apart where many pixels are labelled, and take
        longer. None: 192 in 2D, 256 in volumes.
    """

    intensity: bool = True
    edges: bool = True
    texture: bool = True
    smallest_scale: Annotated[float | None, {"min": 0.3, "max": 64.0, "step": 0.1}] = None
    largest_scale: Annotated[float, {"min": 0.3, "max": 64.0, "step": 1.0}] = 16.0
    window: Annotated[int, {"min": 0, "max": 31}] = 0
    stride: Annotated[int, {"min": 1, "max": 32}] = 1
    random_features: Annotated[int | None, {"min": 16, "max": 2048}] = None


@dataclass(frozen=True)
class ModelSpec(Checked):
    """Which model to build.

    Parameters
    ----------
    name : str
        The method, for example "unet"; `list_models()` and `segkit models` list all of them.
    encoder : str or None
        The encoder (backbone) of the network, one of those listed for the method. None: the first
        one listed, which is small enough for a CPU.
    weights : str or None
        Initial weights. None: random. "imagenet", or "coco" where the method offers it: weights
        pretrained on photographs, downloaded once. Or the path of a weights file.
    dims : str
        "2D": slice by slice. "3D": whole volumes. "auto": 3D where both the method and the image
        allow it, else 2D.
    objects : str or None
        How a semantic method predicts single objects (instances); it is then trained on instance
        labels. "components": connected components, for objects that do not touch. "boundary": also
        predicts boundaries, and a watershed separates touching objects. "distance": predicts the
        distance to the boundary, and a watershed separates touching objects. None: classes only.
        Mask R-CNN and SOLO always predict objects.
    neighbour_slices : int
        2.5D: how many slices above and below a slice a 2D network sees beside it, as further
        channels; 1 is three slices in all. Mirrored at the ends of the stack; time points are no
        neighbours. For images with Z; not for the pixel classifier, whose features may be in 3D.
        0: each slice by itself.
    features : FeatureConfig
        Features of the pixel classifier.
    options : mapping
        What the library that builds the network offers beside the encoder, by its own names, such
        as {"decoder_dropout": 0.2} for FPN or {"decoder_channels": (128, 64, 32, 16, 8)} for U-Net;
        `segkit models` lists the names for a method. They are stored in the model file.
    """

    name: str = "unet"
    _: KW_ONLY
    encoder: str | None = None
    weights: str | None = None
    dims: Dims = "auto"
    objects: ObjectsBy | None = None
    neighbour_slices: Annotated[int, {"min": 0, "max": 16}] = 0
    features: FeatureConfig = field(default_factory=FeatureConfig)
    options: Mapping[str, Value] = Options({})

    @property
    def slices(self) -> int:
        """Number of slices that the network sees at once."""
        return 2 * self.neighbour_slices + 1
