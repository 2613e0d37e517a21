"""Progress bar in napari's activity dock."""

from collections.abc import Callable

from napari.utils import cancelable_progress

from napari_segkit.steps import Step


class Progress(cancelable_progress):
    """Bar whose Cancel button calls `stop`; make and use it on the GUI thread."""

    def __init__(self, title: str, stop: Callable[[], None]) -> None:
        super().__init__(desc=title, total=0, cancel_callback=stop, gui=True)

    def show(self, step: object) -> None:
        """Show a `Step`; other objects leave the bar indeterminate."""
        if self.disable or not isinstance(step, Step):
            return
        self.total: int = step.total
        self.update(step.done - self.n)

    def cancel(self) -> None:
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()

    def close(self) -> None:
        """Remove the bar; napari keeps this object, so it must not keep the work alive."""
        self.cancel_callback = None
        super().close()
