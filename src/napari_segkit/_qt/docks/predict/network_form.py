"""Form of how the network is applied to each tile."""

from typing import TYPE_CHECKING

from napari_segkit._qt.widgets.dock import validation_error
from napari_segkit._qt.widgets.forms import Form
from napari_segkit.config import PredictConfig

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


class NetworkForm(Form[PredictConfig]):
    """Precision, mirrored copies, dropout passes and uncertainty."""

    def __init__(self) -> None:
        super().__init__(PredictConfig, hide=("level", "resample"))

    def problem_with(self, model: "TrainedModel | None") -> str | None:
        """Why the network of a model does not give this; None if it does."""
        if model is None or self.value == PredictConfig():
            return None
        from napari_segkit.inference.copies import require_copies

        return validation_error(lambda: require_copies(model, self.value))
