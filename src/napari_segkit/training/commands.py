"""Commands that a training takes between two steps: ``steps.send(Checkpoint("a.state"))``."""

from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from napari_segkit.steps import Finish

__all__ = ["AddLabels", "Checkpoint", "Finish", "Snapshot"]


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


@dataclass(frozen=True, eq=False)
class AddLabels:
    """Train on what was painted in a box of an image; only trainings without an end take it.

    The next event is a `LabelsStep`, or a `RefusedStep` if the labels cannot be added. What is
    connected goes wholly to training or to what is held out: to that side which it touches or
    nearly touches, else about every fifth stroke of a class is held out, once there are some.

    Parameters
    ----------
    image : int
        Number of the image in the training set, from 0.
    start : tuple of int
        First pixel of the box, in the axes of the labels as they were given.
    values : ndarray of int
        The label values of the whole box as they are now. `TrainConfig.unlabelled` takes a label
        away.
    """

    image: int
    start: tuple[int, ...]
    values: NDArray[np.integer]
