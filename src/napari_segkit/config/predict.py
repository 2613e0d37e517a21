"""Settings of a prediction, beside its tiles, objects and refinement."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked
from .training import Precision


@dataclass(frozen=True)
class PredictConfig(Checked):
    """Which pixels are predicted, and how the network is applied to them; recorded with the result.

    Parameters
    ----------
    precision : str
        Number format of the convolutions in prediction. "float32". "bfloat16": half as long
        numbers, faster where the processor or card computes with them; a few labels in a thousand
        may differ. "auto": bfloat16 on a processor with AMX or AVX512-BF16 and on an NVIDIA card
        from the 30 series (Ampere) on, else float32. The pixel classifier always uses float32.
    resample : bool
        Resample the image to the pixel size that the model was trained on, and its labels back;
        both sizes must be known. Models trained with a voxel size or at one size always do so.
    level : int
        Level of a multiscale image that is predicted; 0 is the finest. The labels have its shape.
    """

    precision: Precision = "float32"
    resample: bool = False
    level: Annotated[int, {"min": 0, "max": 30}] = 0
