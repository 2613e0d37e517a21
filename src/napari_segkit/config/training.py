"""How a model is trained."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ._schema import Checked
from .tiles import TileConfig

LabelsAre = Literal["ask", "classes", "objects"]
Normalise = Literal["image", "training", "none"]


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
