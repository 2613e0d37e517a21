"""A trained model as one torch module, for other programs: intensities in, probabilities out."""

from copy import deepcopy

from torch import Tensor, nn

from .models.logits import probabilities_of
from .trained_model import TrainedModel


class DeployedModel(nn.Module):
    """Normalisation, network and softmax of a trained model as one module.

    It holds what happens to the pixels of one tile. Tiles, blending and refinement are not in it.
    Intensities are scaled in float64, which MPS does not have: move it to the CPU there.

    Parameters
    ----------
    model : TrainedModel
        Its network is copied, so a later training does not change this module.

    Raises
    ------
    ValueError
        If the model was merged from two models.
    """

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        if model.stuff is not None:
            raise ValueError(
                "This model was merged from two models, which do not fit into one module: take "
                "the module of each of the two models."
            )
        self.network = deepcopy(model.network).eval()
        self.has_classes, self.slices = not model.info.has_masks, model.spec.slices

    def forward(self, images: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Predict a batch of tiles.

        Parameters
        ----------
        images : Tensor
            ``(N, C, Y, X)`` or ``(N, C, Z, Y, X)`` intensities as they are in the file, any dtype,
            with edges that are multiples of the model's strides. With neighbouring slices
            ``(N, slices * C, Y, X)``: the channels of each slice, one slice after the other.
        low, high : Tensor
            ``(C,)`` or ``(N, C)``: the intensities of each channel that are scaled to 0 and 1, as
            `Segmenter.measure` gives them for the whole image.

        Returns
        -------
        Tensor
            float32 ``(N, outputs, Y, X)`` or ``(N, outputs, Z, Y, X)`` probabilities; for
            Mask R-CNN and SOLO a list with a dict of boxes, masks, labels and scores per tile.
        """
        low, high = (self._of_each_channel(ends, images) for ends in (low, high))
        outputs: Tensor = self.network(((images.double() - low) / (high - low)).float())
        return probabilities_of(outputs) if self.has_classes else outputs

    def _of_each_channel(self, ends: Tensor, images: Tensor) -> Tensor:
        """Intensities of the channels of an image as those of all slices, ``(N or 1, C, ...)``."""
        of_slice = ends.double().reshape(-1, images.shape[1] // self.slices)
        of_slices = of_slice.repeat(1, self.slices)
        return of_slices.reshape(*of_slices.shape, *(1,) * (images.ndim - 2))
