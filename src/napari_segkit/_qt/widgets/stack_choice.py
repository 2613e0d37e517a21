"""Choice between processing a stack in 3D or slice by slice."""

from collections.abc import Callable

from .axes_choice import AxesChoice
from .choice import Choice

VOLUME, SLICES = "in 3D", "slice by slice"
TIP = "<p>Process the stack in 3D, or each slice on its own in 2D.</p>"


class StackChoice(Choice[str]):
    """3D or slice by slice; `flat` tells whether slices are processed one by one anyway."""

    def __init__(self, axes: AxesChoice, flat: Callable[[], bool] = lambda: False) -> None:
        super().__init__([(VOLUME, VOLUME), (SLICES, SLICES)])
        self._axes, self._flat = axes, flat
        self.tooltip = TIP

    @property
    def is_relevant(self) -> bool:
        """Whether the image has slices that can be processed together."""
        axes = self._axes.resolved() or ""
        return "Z" in axes and "T" not in axes and not self._flat()

    def resolved(self) -> str | None:
        """Axes of the image, with Z renamed to T for slice by slice."""
        axes = self._axes.resolved()
        return axes.replace("Z", "T") if axes and self._by_slice else axes

    def axes_argument(self) -> str | None:
        """The `axes` argument for Python code; None if it can be left out."""
        return self.resolved() if self._by_slice else self._axes.value

    @property
    def _by_slice(self) -> bool:
        return self.is_relevant and self.value == SLICES
