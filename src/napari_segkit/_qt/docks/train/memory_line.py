"""Line that tells how much memory the next training needs."""

from functools import partial

from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.model_estimate import ModelEstimate, estimate_model
from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage

WAIT_MS = 600  # the dock appears, and its device line, before torch is imported
CLASSES = 2  # assumed before training
TIP = "<p>Estimated from the model, the tile size and the batch size.</p>"
GIB = 2**30


class MemoryLine(Note):
    """Memory for a training on an image; hidden where it is not known."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setToolTip(TIP)
        self._session = session
        self._asked: object = None
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        self._latest.returned.connect(self._on_estimate)
        self._latest.errored.connect(self._on_error)

    def show_training(self, image: AxesImage | None, config: TrainConfig) -> None:
        """Estimate a training on an image without its pixels; None: hide the line."""
        segmenter = self._session.segmenter
        classes = len(segmenter.classes) or CLASSES
        size = image and (image.data.shape, image.axes, image.spacing)
        asked = segmenter.spec, size, classes, config, segmenter.device
        if asked == self._asked:
            return
        self._asked = asked
        self._latest.cancel()
        if image is None:
            self.setText("")
        else:
            self._latest.submit(
                partial(estimate_model, segmenter.spec, image, classes, config, segmenter.device)
            )

    def _on_estimate(self, estimate: ModelEstimate) -> None:
        self.setText(describe_memory(estimate))

    def _on_error(self, _: BaseException) -> None:
        """The dock says elsewhere what is wrong with the model."""
        self.setText("")


def describe_memory(estimate: ModelEstimate) -> str:
    """What a training needs, and what comes of it if that is more than is free."""
    if estimate.size is None or estimate.free is None:
        return ""
    need = estimate.size.training_memory
    least = "at least" if estimate.size.at_least else "about"
    text = f"Training needs {least} {need / GIB:.1f} GiB of memory"
    if need <= estimate.free:
        return f"{text}."
    return (
        f"{text}, more than the {estimate.free / GIB:.1f} GiB free: batches are computed in parts. "
        "A smaller tile size or encoder needs less."
    )
