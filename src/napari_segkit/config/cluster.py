"""Where a prediction is computed, if not on this machine."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked


@dataclass(frozen=True)
class ClusterConfig(Checked):
    """The Dask cluster that predicts; needs the package `distributed`.

    Parameters
    ----------
    scheduler : str or None
        Address of a Dask scheduler, such as "tcp://10.0.0.5:8786", or the JSON file that it
        writes: its workers predict, and this machine reads the image and gets the result. They
        need the same version of napari-segkit, but no files of this machine. Workers that
        announce a resource "GPU" are used alone if there are any. None: predicted here.
    worker_threads : int
        CPU threads of torch for each block that a worker predicts; a worker predicts as many
        blocks at once as it has threads of its own.
    timeout : float
        Seconds within which the scheduler must answer.
    """

    scheduler: str | None = None
    worker_threads: Annotated[int, {"min": 1, "max": 1024}] = 1
    timeout: Annotated[float, {"min": 0.1, "max": 3600.0, "step": 1.0}] = 10.0

    def __post_init__(self) -> None:
        """Check that an address was given, if any."""
        super().__post_init__()
        if self.scheduler is not None and not self.scheduler.strip():
            raise ValueError(
                "ClusterConfig.scheduler is empty: give the address of a Dask scheduler, such as "
                "tcp://10.0.0.5:8786, or none."
            )
