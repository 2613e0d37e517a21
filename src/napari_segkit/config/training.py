"""Settings of the training."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ._schema import Checked, as_python
from .augment import AugmentConfig
from .tiles import TileConfig

LabelsAre = Literal["ask", "classes", "objects"]
Normalise = Literal["image", "training", "none"]
HoldOut = Literal["auto", "groups", "images", "regions"]
BestBy = Literal["score", "loss"]


@dataclass(frozen=True)
class TrainConfig(Checked):
    """How a model is trained.

    Parameters
    ----------
    epochs : int
        Number of epochs. The learning rate decreases towards the last one.
    steps_per_epoch : int
        Batches per epoch.
    minutes : float or None
        Time limit: training stops after so many minutes even if epochs remain, and the learning
        rate decreases towards that time. None: no limit.
    batch_size : int
        Patches per training step. More is steadier and needs more memory.
    learning_rate : float
        Maximum learning rate of the optimiser (AdamW).
    unlabelled : int or None
        The label value that means "not annotated": left out of training and metrics. 0 for
        scribbles; None if every pixel is annotated and 0 is a class (background); often 255 for
        photographs. Labels of 0 and 255 only are taken as with None, because 0 is left to be their
        background. In instance labels 0 is always background, and only another value is left out.
    labels_are : str
        What the label values mean. "classes": each value is a class; where objects are
        needed, each connected component is one object. "objects": each value is an instance id;
        where classes are needed, all objects are merged into class 1, with 0 as background. "ask":
        whichever is needed, but labels that look like the other kind are refused.
    normalise : str
        Which pixels define the intensity range. "image": each image, stack or series as a whole.
        "training": all training images together (calibrated data such as CT). "none": intensities
        are used unchanged. NaN and infinite pixels are left out of all of them.
    voxel_size : float or None
        Resample images to this pixel (voxel) size in world units, those of the first image; results
        are resampled back to the image's grid. None: no resampling.
    augment : AugmentConfig
        Random changes of the patches. True is taken for the default ones, False for none.
    freeze_encoder : bool
        Keep the weights of the encoder and its batch statistics: only the rest of the network is
        trained. For pretrained or trained encoders and few labels; steps are faster.
    seed : int
        Seed of the random numbers. On the same machine, with the same number of threads, the same
        seed gives the same model; on a graphics card almost the same one. With a time limit models
        differ, because the learning rate follows the clock.
    validation : str or None
        What is held out of training to score the model. "auto": whole groups where there are
        enough, else whole images, else regions. "groups": subjects, slides or plates, never split.
        "images": whole images. "regions": parts of the images: slabs of stacks and volumes, blocks
        of dense labels, strokes of scribbles. Where a class has one stroke or region only, nothing
        is held out. None: never. Images given for validation come before all of this.
    validation_fraction : float
        About how much of the labels is held out.
    best_by : str
        Which model of the training is kept. "score": that with the highest mean Dice of the
        classes, or F1 of the objects. "loss": that with the lowest loss on what is held out.
    patience : int or None
        Stop after so many validations without improvement. None: train to the end.
    thresholds : bool
        Choose the minimum probability of each class on what is held out, when the training ends;
        they are stored with the model as its clean-up. Only for models that predict classes.
    tile : TileConfig
        Tile size and overlap, stored with the model. Not set: 256 pixels (64 voxels in 3D, less for
        smaller images) with an overlap of three eighths; instance methods train on such patches and
        predict in tiles twice as long that overlap by half; the pixel classifier uses tiles as
        large as memory allows.
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
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    freeze_encoder: bool = False
    seed: Annotated[int, {"min": 0, "max": 2**31 - 1}] = 0
    validation: HoldOut | None = "auto"
    validation_fraction: Annotated[float, {"min": 0.01, "max": 0.5, "step": 0.05}] = 0.2
    best_by: BestBy = "score"
    patience: Annotated[int | None, {"min": 1, "max": 100_000}] = None
    thresholds: bool = False
    tile: TileConfig = field(default_factory=TileConfig)

    def __post_init__(self) -> None:
        """Take True and False for `augment`, as in scripts and files of earlier versions."""
        if isinstance(switch := as_python(self.augment), bool):
            object.__setattr__(self, "augment", AugmentConfig(switch))
        super().__post_init__()
