"""What a result is made of, kept in its folder until it is complete."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.regions import Box

from .zarr_sink import ZarrSink


class PartSink(ZarrSink):
    """Keeps labels and probabilities in the folder of an `ObjectSink`, which goes on with them.

    Parameters
    ----------
    folder : Path
        That of the sink.
    name : str
        Of the part.
    image : AxesImage
        The image as it is predicted.
    objects : ObjectConfig, optional
        Which objects are kept, of a model that predicts objects.
    """

    def __init__(
        self, folder: Path, name: str, image: AxesImage, *, objects: ObjectConfig | None = None
    ) -> None:
        super().__init__(folder / name, image, keep_probabilities=True, objects=objects)

    def read_probabilities(self, frame: dict[str, int], box: Box) -> NDArray[np.float32]:
        """Probabilities of a box of a frame, ``(classes, *box)``."""
        return self._read(self.probabilities, self.result.probability_axes, frame, box)

    def _check(self) -> None:
        """The folder was checked for the result."""

    def _note_begun(self) -> None:
        """It was said of the result."""
