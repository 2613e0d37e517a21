"""Whether a stack is taken as a volume, or slice by slice."""

from collections.abc import Callable

from .axes_choice import AxesChoice
from .fields import ChoiceField

VOLUME, SLICES = "as a volume", "slice by slice"
TIP = "<p>Whether neighbours above and below count, too.</p>"


class StackChoice(ChoiceField):
    """How a stack is taken; of no meaning for images without slices, and for films of stacks.

    Parameters
    ----------
    axes : AxesChoice
        Of the image.
    flat : callable, optional
        Says whether slices are taken one by one anyhow, as those of objects are.
    """

    def __init__(self, axes: AxesChoice, flat: Callable[[], bool] = lambda: False) -> None:
        super().__init__([VOLUME, SLICES])
        self._axes, self._flat = axes, flat
        self.setToolTip(TIP)

    @property
    def counts(self) -> bool:
        """Whether there are slices that can be taken one by one, or together."""
        axes = self._axes.resolved() or ""
        return "Z" in axes and "T" not in axes and not self._flat()

    def resolved(self) -> str | None:
        """The axes of the image, Z called T where each slice is taken for itself."""
        axes = self._axes.resolved()
        return axes.replace("Z", "T") if axes and self._by_slice else axes

    def named(self) -> str | None:
        """The same, as Python has to be told; None where it finds out by itself."""
        return self.resolved() if self._by_slice else self._axes.axes()

    @property
    def _by_slice(self) -> bool:
        return self.counts and self.value() == SLICES
