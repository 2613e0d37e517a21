"""A bar in napari's activity dock."""

from collections.abc import Callable

from napari.utils import cancelable_progress

from napari_segkit.steps import Step


class Progress(cancelable_progress):
    """A bar whose Cancel button stops the work at once; make and use it on the GUI thread.

    Parameters
    ----------
    title : str
        What is being done.
    stop : callable
        Called without arguments when a person presses Cancel.
    """

    def __init__(self, title: str, stop: Callable[[], None]) -> None:
        super().__init__(desc=title, total=0, cancel_callback=stop, gui=True)

    def show(self, step: object) -> None:
        """Move to a step; one that does not count (no `done` and `total`) leaves the bar busy."""
        if self.disable or not isinstance(step, Step):
            return
        self.total: int = step.total
        self.update(step.done - self.n)

    def cancel(self) -> None:
        """Stop the work."""
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()

    def close(self) -> None:
        """Take the bar away; napari keeps this object, so it lets go of the work."""
        self.cancel_callback = None
        super().close()
