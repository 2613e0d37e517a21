"""What saves, autosaves and opens a project in a worker thread."""

import warnings
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit._qt.session import unsaved_labels
from napari_segkit._qt.session.spare_models import SpareFile
from napari_segkit._qt.session.training_rows import channels_of
from napari_segkit._qt.widgets.gui_messages import error_text, gui_message
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.project.project import Project
from napari_segkit.training_set import TrainingSet

LARGEST = 2**28  # bytes of an image without a file that is kept with unsaved labels


@dataclass(frozen=True)
class Opened:
    """A project that was read, and what was said of it."""

    project: Project
    notes: tuple[str, ...]
    spare: SpareFile | None = None  # it holds labels that were never saved


def light_rows(rows: TrainingSet) -> TrainingSet:
    """Rows whose labels are a layer, if their image is a file or not too large to be kept."""
    layers = [row for row in rows.rows if isinstance(row.labels, Snapshot)]
    return TrainingSet([row for row in layers if _is_light(row.image)])


def _is_light(image: Any) -> bool:
    if not isinstance(image, Snapshot | dict):
        return True
    parts = [full_resolution(x) for x in channels_of(image)]
    has_files = all(x.source.path for x in channels_of(image))
    return has_files or sum(prod(x.shape) * np.dtype(x.dtype).itemsize for x in parts) <= LARGEST


def save_project(
    project: Project, folder: Path | None, overwrite: bool, state: tuple[object, ...]
) -> tuple[Project, tuple[str, ...], tuple[object, ...]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        project.save(folder, overwrite=overwrite)
    return project, _texts(said), state


def autosave_labels(
    project: Project, folder: Path | None, state: tuple[object, ...]
) -> tuple[Project, tuple[object, ...]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said when the project is saved
        project.autosave() if folder is None else project.save(folder)
    return project, state


def open_project(folder: Path, spare: SpareFile | None) -> Opened:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        project = Project.open(folder)
        for each in filter(None, (project, project.recovered)):
            if each.model_file is not None:
                _load_model(each)
    return Opened(project, _texts(said), spare)


def _load_model(project: Project) -> None:
    """Read the model; images and labels are opened without one that cannot be read."""
    try:
        project.load_model()
    except (ValueError, OSError) as error:
        text = error_text(error, "Reading the model")
        warnings.warn(f"The project is opened without its model: {text}", UserWarning, stacklevel=2)


def _texts(said: list[warnings.WarningMessage]) -> tuple[str, ...]:
    texts = (gui_message(str(w.message)) for w in said if w.category is UserWarning)
    return tuple(dict.fromkeys(texts))


def find_labels() -> "SpareFile | Path | None":
    """Labels that an earlier window has left: in no project, or autosaved in one."""
    return unsaved_labels.find_unsaved() or unsaved_labels.find_autosaved()
