"""Settings of the training."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

from ._schema import Checked, as_python
from .augment import AugmentConfig
from .tiles import TileConfig

LabelsAre = Literal["ask", "classes", "objects"]
Normalise = Literal["image", "training", "dtype", "none"]
Precision = Literal["auto", "float32", "bfloat16"]
Optimiser = Literal["adamw", "adam", "sgd"]
LearningRates = Literal["cosine", "constant", "poly", "one_cycle"]
ClassWeights = Literal["balanced"]
Loss = Literal[
    "cross_entropy_dice", "cross_entropy", "dice", "focal", "tversky", "lovasz", "bce_dice"
]
HoldOut = Literal["auto", "groups", "images", "regions"]
BestBy = Literal["score", "loss"]
LIVE_AVERAGE = 0.98
NO_END = (
    "TrainConfig.epochs and TrainConfig.minutes are both None, so the training has no end: set one "
    "of them."
)


@dataclass(frozen=True)
class TrainConfig(Checked):
    """How a model is trained.

    Parameters
    ----------
    epochs : int or None
        Number of epochs. The learning rate decreases towards the last one. None: as many as there
        are minutes for; without minutes, too, the training goes on until it is told to finish.
    steps_per_epoch : int or None
        Batches per epoch. None: an epoch is one pass over the training set. With `resize` every
        image is taken once, in a random order; the batches of a pass differ by one image at most,
        and none is left out. Without, an epoch has as many patches as would cover all images once.
    minutes : float or None
        Time limit: training stops after so many minutes even if epochs remain, and the learning
        rate decreases towards that time. None: no limit.
    batch_size : int
        Patches per training step. More is steadier. What does not fit into memory is computed in
        parts, whose gradients are added; then only batch normalisation sees fewer patches at once.
    learning_rate : float
        Maximum learning rate of the optimiser.
    schedule : str
        How the learning rate changes. "cosine": rises over the first twentieth of the training,
        then falls to 0 like a cosine. "constant": it does not. "poly": falls to 0, by the power of
        0.9. "one_cycle": rises over three tenths, then falls to 0, both like a cosine.
    average : float or None
        Decay of a moving average of the weights, which is the model that is scored and kept: steady
        also while the learning rate is high. 0.98 averages about the last 50 steps, fewer at the
        beginning. None: the model has the last weights.
    optimiser : str
        "adamw" (weight decay 0.01), "adam", or "sgd" with Nesterov momentum of 0.9, which needs a
        higher learning rate.
    loss : str
        What is minimised; unlabelled pixels are left out. "cross_entropy_dice": the sum of both.
        "cross_entropy". "dice": overlap of each class. "focal": cross-entropy that weighs what is
        still wrong. "tversky": like Dice, missed pixels count more than falsely found ones.
        "lovasz": IoU of each class. "bce_dice": binary cross-entropy and the Dice of the second of
        two classes, which are one logit with a sigmoid. Instance methods have their own.
    class_weights : str or None
        "balanced": in cross-entropy and focal loss, each class weighs in inverse proportion to its
        labelled pixels. Patches are sampled around every class equally often in any case. None: all
        pixels weigh the same.
    precision : str
        Number format of the convolutions in training. "bfloat16": half as long numbers, faster
        where the processor or card computes with them; the weights stay float32. "auto": bfloat16
        for semantic methods on a processor with AMX or AVX512-BF16 and on an NVIDIA card from the
        30 series (Ampere) on, else float32. `PredictConfig` has that of predictions.
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
        "training": all training images together (calibrated data such as CT). "dtype": from 0 to
        the largest value of the dtype, which is pixels / 255 for photographs of 8 bits (floats: 1,
        or 255 if they exceed 1). "none": intensities are used unchanged. NaN and infinite pixels
        are left out of all of them.
    resize : int, tuple of int, or None
        Resize whole images to this height and width in pixels (one number: both) and train on them
        instead of on patches of their full resolution: for photographs, whose things come in all
        sizes. Images are resized by linear interpolation, labels to the nearest pixel; results are
        in the image's own shape. For semantic 2D methods, without voxel_size. None: no resizing.
    voxel_size : float or None
        Resample images to this pixel (voxel) size in world units, those of the first image; results
        are resampled back to the image's grid. None: no resampling.
    three_axes : bool
        Train a 2D network on slices along Z, Y and X alike, so that it can predict along all three
        (`PredictConfig.three_axes`). For volumes with voxels about as long as wide; not for
        instance methods and the pixel classifier, nor with `resize` or `voxel_size`.
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
        of dense labels, strokes of scribbles. Where a class has one or two strokes or regions only,
        nothing is held out. None: never. Images given for validation come before all of this.
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
        Tile size of the patches that are drawn, and of predictions, stored with the model. Not
        set: patches of 256 pixels (64 voxels in 3D, less for smaller images). Semantic methods that
        were trained on patches of 128 pixels (64 voxels) or more predict in tiles of at least 512
        that overlap by 128 (96 and 24 in 3D), unless an overlap is set; instance methods in tiles
        twice as long as the patches that overlap by half; the pixel classifier in tiles as large as
        memory allows.
    """

    epochs: Annotated[int | None, {"min": 1, "max": 100_000}] = 20
    steps_per_epoch: Annotated[int | None, {"min": 1, "max": 100_000}] = 10
    minutes: Annotated[float | None, {"min": 0.01, "max": 100_000, "step": 0.5}] = None
    batch_size: Annotated[int, {"min": 2, "max": 1024}] = 4
    learning_rate: Annotated[float, {"min": 1e-7, "max": 1.0, "step": 1e-4}] = 1e-3
    schedule: LearningRates = "cosine"
    average: Annotated[float | None, {"min": 0.0, "max": 0.9999, "step": 0.01}] = None
    optimiser: Optimiser = "adamw"
    loss: Loss = "cross_entropy_dice"
    class_weights: ClassWeights | None = None
    precision: Precision = "auto"
    unlabelled: Annotated[int | None, {"min": 0, "max": 2**31 - 1}] = 0
    labels_are: LabelsAre = "ask"
    normalise: Normalise = "image"
    resize: Annotated[int | tuple[int, int] | None, {"min": 16, "max": 4096, "step": 32}] = None
    voxel_size: Annotated[float | None, {"min": 1e-6, "max": 1e6, "step": 0.1}] = None
    three_axes: bool = False
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
        """Check what must go together; `augment` may be True or False, as in earlier versions."""
        if isinstance(switch := as_python(self.augment), bool):
            object.__setattr__(self, "augment", AugmentConfig(switch))
        super().__post_init__()
        if self.is_endless and self.schedule != "constant":
            raise ValueError(NO_END)
        if self.resize is not None and self.voxel_size is not None:
            raise ValueError(
                f"TrainConfig.resize is {self.resize} with a voxel_size of {self.voxel_size:g}, "
                "but an image has one or the other: set one of them to None."
            )
        if self.three_axes and (self.resize is not None or self.voxel_size is not None):
            raise ValueError(
                "TrainConfig.three_axes takes slices along Z, Y and X as they are: set resize "
                "and voxel_size to None, or three_axes to False."
            )

    def live(self) -> Self:
        """These settings for a training that goes on while a person paints, until `Finish`.

        Returns
        -------
        TrainConfig
            Without an end, with a constant learning rate and averaged weights.
        """
        return replace(
            self,
            epochs=None,
            minutes=None,
            schedule="constant",
            average=LIVE_AVERAGE,
            patience=None,
        )

    @property
    def is_endless(self) -> bool:
        """Whether the training goes on until it is told to finish."""
        return self.epochs is None and self.minutes is None

    def require_end(self) -> None:
        """Refuse settings without an end where nothing could end the training."""
        if self.is_endless:
            raise ValueError(NO_END)

    @property
    def resized_shape(self) -> tuple[int, int] | None:
        """Height and width that whole images are resized to; None: they are not resized."""
        size = self.resize
        return (size, size) if isinstance(size, int) else size

    @property
    def has_one_logit(self) -> bool:
        """Whether two classes are one logit, whose sigmoid is the probability of the second."""
        return self.loss == "bce_dice"
