"""One line on the device that the work runs on."""

from napari_segkit._qt.session.background import LatestCall

from .dock import Note

WAIT_MS = 300  # the dock is on screen before torch is imported


class DeviceLine(Note):
    """The device in use, its free memory, and what keeps a better one from being used.

    torch is asked in the background: its import alone takes seconds.
    """

    def __init__(self) -> None:
        super().__init__("Looking for devices …")
        self._latest = LatestCall(self, wait_ms=WAIT_MS)
        self._latest.returned.connect(self.setText)
        self._latest.errored.connect(self._on_errored)

    def show_device(self, device: str) -> None:
        """Describe a device, such as "auto", "cpu" or "cuda:0"."""
        self._latest.ask(describe_device, device)

    def _on_errored(self, error: Exception) -> None:
        self.setText(str(error))


def describe_device(device: str) -> str:
    """What the line says; imports torch.

    Parameters
    ----------
    device : str
        As a person chose it.

    Returns
    -------
    str
        The device and its free memory; below it, why a graphics card cannot be used.
    """
    from napari_segkit import devices

    devices.leave_a_core()
    lines = [devices.describe(device), devices.gpu_problem()]
    return "\n".join(line for line in lines if line)
