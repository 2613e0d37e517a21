"""Settings of a prediction, beside its tiles, objects and refinement."""

from dataclasses import dataclass

from ._schema import Checked
from .training import Precision


@dataclass(frozen=True)
class PredictConfig(Checked):
    """How the network is applied to each tile; recorded with the result.

    Parameters
    ----------
    precision : str
        Number format of the convolutions in prediction. "float32". "bfloat16": half as long
        numbers, faster where the processor or card computes with them; a few labels in a thousand
        may differ. "auto": bfloat16 on a processor with AMX or AVX512-BF16 and on an NVIDIA card
        from the 30 series (Ampere) on, else float32. The pixel classifier always uses float32.
    """

    precision: Precision = "float32"
