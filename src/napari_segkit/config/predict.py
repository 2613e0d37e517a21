"""Settings of a prediction, beside its tiles, objects and refinement."""

from dataclasses import dataclass
from typing import Annotated, Literal

from ._schema import Checked
from .training import Precision

Uncertainty = Literal["entropy", "margin"]


@dataclass(frozen=True)
class PredictConfig(Checked):
    """Which pixels are predicted, and how the network is applied to them; recorded with the result.

    Parameters
    ----------
    precision : str
        Number format of the convolutions in prediction. "float32". "bfloat16": half as long
        numbers, faster where the processor or card computes with them; a few labels in a thousand
        may differ. "auto": bfloat16 on a processor with AMX or AVX512-BF16 and on an NVIDIA card
        from the 30 series (Ampere) on, else float32. Mask R-CNN, SOLO and the pixel
        classifier always use float32.
    flips : bool
        Test-time augmentation: mean of the probabilities of each tile and of its mirrored copies,
        along the axes along which the training mirrored patches, and of their quarter turns where
        it made those: 4 to 16 times as long. Not for Mask R-CNN, SOLO and the pixel classifier.
    three_axes : bool
        Mean of the probabilities of a 2D network along Z, Y and X of a volume with voxels about as
        long as wide, in memory: three times as long. Best for a model that was trained so
        (`TrainConfig.three_axes`).
    passes : int
        Mean of the probabilities of so many passes with dropout, as in training: the uncertainty
        then shows what the network has not learned well. The same tile always gets the same
        random numbers. Only for networks with dropout. 1: without dropout.
    uncertainty : str or None
        Also gives the uncertainty of each pixel, from 0 to 1, of the network's probabilities
        before any smoothing. "entropy": their entropy, divided by the logarithm of the number of
        classes. "margin": 1 less the difference of the two highest.
    resample : bool
        Resample the image to the pixel size that the model was trained on, and its labels back;
        both sizes must be known. Models trained with a voxel size or at one size always do so.
    level : int
        Level of a multiscale image that is predicted; 0 is the finest. The labels have its shape.
    """

    precision: Precision = "float32"
    flips: bool = False
    three_axes: bool = False
    passes: Annotated[int, {"min": 1, "max": 1000}] = 1
    uncertainty: Uncertainty | None = None
    resample: bool = False
    level: Annotated[int, {"min": 0, "max": 30}] = 0
