"""Line that describes the computing device."""

from functools import partial

from napari_segkit._qt.session.background import LatestCall

from .dock import Note
from .gui_messages import error_text

WAIT_MS = 300  # so that the dock appears before torch is imported


class DeviceLine(Note):
    """Device in use, its free memory, and why a GPU cannot be used; imports torch in a thread."""

    def __init__(self) -> None:
        super().__init__("Looking for devices …")
        self.setToolTip("The device that training and prediction run on; see the Model dock.")
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        self._latest.returned.connect(self.setText)
        self._latest.errored.connect(self._on_errored)

    def show_device(self, device: str) -> None:
        """Describe a device, such as "auto", "cpu" or "cuda:0"."""
        self._latest.submit(partial(describe_device, device))

    def _on_errored(self, error: BaseException) -> None:
        self.setText(error_text(error, "Looking for devices"))


def describe_device(device: str) -> str:
    """The device with its free memory, and why no GPU can be used; imports torch."""
    from napari_segkit import devices

    devices.leave_a_core()
    return "\n".join(filter(None, [devices.describe(device), devices.gpu_problem()]))
