"""Commands that a training takes between two steps: ``steps.send(Checkpoint("a.state"))``."""

from dataclasses import dataclass
from os import PathLike

from napari_segkit.steps import Finish

__all__ = ["Checkpoint", "Finish", "Snapshot"]


@dataclass(frozen=True)
class Checkpoint:
    """Save the state of the training; `Segmenter.fit(resume=path)` goes on from it.

    The next event is a `CheckpointStep`, or a `RefusedStep` if the file cannot be written.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced after the new one is complete.
    """

    path: str | PathLike[str]


@dataclass(frozen=True)
class Snapshot:
    """Copy the model as it is now; the next event is a `SnapshotStep` with it."""
