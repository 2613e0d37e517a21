"""What a person decides, as frozen values: forms, options and files are made from these.

Annotations here stay real objects (no ``from __future__ import annotations``), because the
limits inside ``Annotated`` are read at run time.
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated, Literal

from .declare import Checked

LabelsAre = Literal["ask", "classes", "objects"]
Normalise = Literal["image", "training", "none"]
Dims = Literal["auto", "2D", "3D"]
ObjectsBy = Literal["components", "boundary", "distance"]
Units = Literal["pixels", "world"]
Smoother = Literal["crf", "mrf", "superpixels"]
SuperpixelMethod = Literal["slic", "watershed", "felzenszwalb", "quickshift"]


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


@dataclass(frozen=True)
class TileConfig(Checked):
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
class ObjectConfig(Checked):
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
class CRFConfig(Checked):
    """How a fully connected CRF smooths probabilities (Kraehenbuehl and Koltun 2011).

    Every pixel is drawn to the class that pixels near it have, and most of all those that look
    like it: edges of the result move to edges of the image. As it is set, it changes little and
    rarely does harm; photographs and scribbles want more: a weight of 3 and a sigma of 3 for
    smoothness, 10 and 20 for appearance, and 0.05 for intensities.

    Parameters
    ----------
    iterations : int
        Rounds of mean field. More spreads further; after ten little changes.
    smoothness_weight : float
        How strongly near pixels agree, whatever they look like: removes specks. 0 leaves it out.
    smoothness_sigma : float
        How far that reaches.
    appearance_weight : float
        How strongly pixels of like intensity agree: follows the image's edges. 0 leaves it out.
    appearance_sigma : float
        How far that reaches.
    intensity_sigma : float
        How different two pixels may look and still count as alike, as a part of the image's
        range (from its 1st to its 99th percentile, each channel for itself).
    units : str
        What the two distances are in. "pixels": of the finest axis, along coarser axes fewer.
        "world": in the units of the image's spacing.
    """

    iterations: Annotated[int, {"min": 1, "max": 100}] = 5
    smoothness_weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 1.0
    smoothness_sigma: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 0.5}] = 1.0
    appearance_weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 1.0
    appearance_sigma: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 1.0}] = 3.0
    intensity_sigma: Annotated[float, {"min": 1e-3, "max": 100.0, "step": 0.01}] = 0.1
    units: Units = "pixels"


@dataclass(frozen=True)
class MRFConfig(Checked):
    """How a Markov random field on the grid smooths probabilities: quick, next neighbours only.

    Parameters
    ----------
    weight : float
        How strongly neighbours agree: where all of them have another class, a pixel keeps its own
        if that is e to the power of this number times likelier, 20 times for 3.
    iterations : int
        Rounds at most; it ends before where nothing changes.
    diagonals : bool
        Neighbours across corners count as well: 8 in an image and 26 in a volume, not 4 and 6.
        The farther a neighbour is away, the less it counts.
    intensity_sigma : float or None
        Neighbours that differ by much more than this part of the image's range need not agree.
        None: all agree alike, and the image does not count.
    method : str
        "mean-field": probabilities are smoothed. "icm": iterated conditional modes (Besag 1986),
        where neighbours see only which class each pixel has decided for; sooner done and stuck.
    """

    weight: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 0.5}] = 3.0
    iterations: Annotated[int, {"min": 1, "max": 1000}] = 10
    diagonals: bool = True
    intensity_sigma: Annotated[float | None, {"min": 1e-3, "max": 100.0, "step": 0.01}] = None
    method: Literal["mean-field", "icm"] = "mean-field"


@dataclass(frozen=True)
class SuperpixelConfig(Checked):
    """How an image is cut into superpixels: small regions of like intensity.

    Parameters
    ----------
    method : str
        "slic": compact, of even size. "watershed": from the image's edges, compact. In 2D only:
        "felzenszwalb" (a graph, sizes vary) and "quickshift" (modes of colour, slow).
    size : float
        How wide a superpixel typically is.
    compactness : float
        Less follows intensities more closely, more makes superpixels squarer, and those of
        "felzenszwalb" larger: the difference, as a part of the image's range, that counts as much
        as the width of a superpixel.
    units : str
        What the size is in. "pixels": of the finest axis, along coarser axes fewer. "world": in
        the units of the image's spacing.
    """

    method: SuperpixelMethod = "slic"
    size: Annotated[float, {"min": 1e-6, "max": 1e6, "step": 1.0}] = 12.0
    compactness: Annotated[float, {"min": 1e-4, "max": 1e4, "step": 0.01}] = 0.1
    units: Units = "pixels"


@dataclass(frozen=True)
class CleanConfig(Checked):
    """What is tidied in the pixels of one class, in this order; sizes in world units.

    Pixels that lose the class take the next likeliest there.

    Parameters
    ----------
    value : int
        The class, by its label value.
    threshold : float or None
        Pixels that are of this class with a lower probability lose it. None: the likeliest class
        has the pixel.
    open : float
        Cut off what is thinner than twice this radius.
    close : float
        Bridge gaps that are narrower than twice this radius.
    fill_holes : float
        Fill holes up to this area, or volume in 3D.
    min_size : float
        Drop pieces below this area, or volume in 3D.
    largest : bool
        Keep the largest piece only.
    """

    value: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 1
    threshold: Annotated[float | None, {"min": 0.0, "max": 1.0, "step": 0.05}] = None
    open: Annotated[float, {"min": 0.0, "max": 1e6, "step": 1.0}] = 0.0
    close: Annotated[float, {"min": 0.0, "max": 1e6, "step": 1.0}] = 0.0
    fill_holes: Annotated[float, {"min": 0.0, "max": 1e12, "step": 1.0}] = 0.0
    min_size: Annotated[float, {"min": 0.0, "max": 1e12, "step": 1.0}] = 0.0
    largest: bool = False


@dataclass(frozen=True)
class RefineConfig(Checked):
    """What is done to probabilities on the way to labels; a model keeps it in its file.

    Parameters
    ----------
    method : str or None
        "crf", "mrf" or "superpixels" (each takes the class that is likeliest over it). None: the
        probabilities stay as they are.
    crf : CRFConfig
        Counts with method "crf".
    mrf : MRFConfig
        Counts with method "mrf".
    superpixels : SuperpixelConfig
        Counts with method "superpixels".
    clean : tuple of CleanConfig
        Classes that are tidied afterwards, one after the other.
    """

    method: Smoother | None = None
    crf: CRFConfig = field(default_factory=CRFConfig)
    mrf: MRFConfig = field(default_factory=MRFConfig)
    superpixels: SuperpixelConfig = field(default_factory=SuperpixelConfig)
    clean: tuple[CleanConfig, ...] = ()

    @property
    def smoother(self) -> CRFConfig | MRFConfig | SuperpixelConfig | None:
        """The configuration of the chosen method."""
        return getattr(self, self.method) if self.method else None


@dataclass(frozen=True)
class TrainConfig(Checked):
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
        in 3D, less where the images are smaller) with three eighths of it as overlap; methods that
        find objects one by one learn such tiles and predict in those of twice that size, which
        overlap by half.
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
