"""A training set with its labels, classes, model and settings in one folder."""

import os
import shutil
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from napari_segkit.arguments import as_path, require_bool, require_type
from napari_segkit.config import (
    ModelSpec,
    ObjectConfig,
    PredictConfig,
    TileConfig,
    TrainConfig,
)
from napari_segkit.images.classes import LabelClass
from napari_segkit.io.filenames import shorten
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.replace_file import ExistsError, atomic_write
from napari_segkit.io.volume_files import visible_files
from napari_segkit.steps import Step, drain
from napari_segkit.training_set import TrainingSet

from . import record
from .files import StoredProject, StoredRow, read_project, write_project
from .found import found_rows
from .image_files import ImageStore, OpenedImages
from .paths import AUTOSAVE, LABELS, MODEL_FILE, PROJECT_FILE, absolute_path, inside, relative_path
from .rows import RowWriter, Status, status_of, training_row

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter


@dataclass(eq=False)
class Project:
    """A training set with its labels, classes, model and settings, kept in one folder.

    The folder holds ``project.json``, the labels as TIFF or NIfTI in ``labels``, and the model in
    ``model.segkit``. Images stay where they are and are referred to; those that have no file, such
    as drawn or computed layers, are saved in ``images``. Nothing in it is executed.

    Parameters
    ----------
    training_set : TrainingSet
        The images with their labels and roles, as `Segmenter.fit` takes them.
    spec : ModelSpec
        The model to train.
    config : TrainConfig
        How it is trained.
    classes : sequence of LabelClass
        Values, names and colours of the classes. Empty: as the labels name them.
    tile : TileConfig
        The tiles of predictions, as in `Segmenter.predict`.
    prediction : PredictConfig
        How the model is applied, as in `Segmenter.predict`.
    objects : ObjectConfig
        Which objects are kept, as in `Segmenter.predict_objects`.
    results : sequence of path-like
        Files of results, which are referred to.
    segmenter : Segmenter, optional
        The model, which is saved once it is trained. An opened project has none until
        `load_model` reads it.

    Attributes
    ----------
    folder : Path or None
        Where the project was saved or opened.
    recovered : Project or None
        After `open`, the project with labels that were autosaved after the last save.

    Examples
    --------
    >>> project = Project(TrainingSet.from_files("images", "masks"), ModelSpec("unet"))
    >>> project.save("cells")
    >>> project = Project.open("cells")
    >>> seg = Segmenter(project.spec).fit(project.training_set, config=project.config)
    """

    training_set: TrainingSet
    spec: ModelSpec = field(default_factory=ModelSpec)
    config: TrainConfig = field(default_factory=TrainConfig)
    classes: Sequence[LabelClass] = ()
    tile: TileConfig = field(default_factory=TileConfig)
    prediction: PredictConfig = field(default_factory=PredictConfig)
    objects: ObjectConfig = field(default_factory=ObjectConfig)
    results: Sequence[str | PathLike[str]] = ()
    segmenter: "Segmenter | None" = None
    folder: Path | None = field(default=None, init=False)
    recovered: "Project | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._check()
        self._stored = StoredProject()
        self._autosaved = StoredProject()
        self._statuses: dict[str, Status | None] = {}
        self._images = OpenedImages()
        self._model: object = None  # as it was saved last
        self._lock = Lock()

    def _check(self) -> None:
        require_type("training_set", self.training_set, TrainingSet)
        require_type("spec", self.spec, ModelSpec)
        require_type("config", self.config, TrainConfig)
        require_type("tile", self.tile, TileConfig)
        require_type("prediction", self.prediction, PredictConfig)
        require_type("objects", self.objects, ObjectConfig)
        for number, each in enumerate(self.classes):
            require_type(f"classes[{number}]", each, LabelClass)

    def __repr__(self) -> str:
        """Folder, number of images and model."""
        where = self.folder or "not saved"
        return f"<{type(self).__name__} {where}, {len(self.training_set)} images, {self.spec.name}>"

    @classmethod
    def open(
        cls, folder: str | PathLike[str], *, images: str | PathLike[str] | None = None
    ) -> Self:
        """Read a project; its images, labels and model are read when they are needed.

        Images that are not where they were are looked for by name and fingerprint: in `images`, in
        the project's folder and beside it.

        Parameters
        ----------
        folder : path-like
            The folder of the project.
        images : path-like, optional
            A folder to which images were moved.

        Returns
        -------
        Project
            Labels that were autosaved after the last save are its `recovered`.

        Raises
        ------
        FileNotFoundError
            If there is no such project.
        ValueError
            If it is damaged, or was saved by a newer version.

        Warns
        -----
        UserWarning
            If images or labels are missing, have changed or were found elsewhere, if there are
            autosaved labels, or if the project holds what this version does not know.
        """
        place = as_path("folder", folder)
        place = place.parent if place.name == PROJECT_FILE and place.is_file() else place
        if not (place / PROJECT_FILE).is_file():
            raise FileNotFoundError(
                f"{place} is no project of napari-segkit, because it holds no {PROJECT_FILE}: "
                "choose the folder that was given to save."
            )
        stored = read_project(place / PROJECT_FILE, place)
        where = None if images is None else as_path("images", images)
        project = cls._of(place, stored, where)
        autosaved = _read_autosave(place)
        if autosaved is not None:
            project._offer(autosaved, where)
        return project

    @classmethod
    def _of(cls, folder: Path, stored: StoredProject, images: Path | None) -> Self:
        stored = replace(stored, rows=found_rows(stored.rows, folder, images))
        project = cls(
            TrainingSet([training_row(row, folder) for row in stored.rows]),
            stored.spec,
            stored.config,
            stored.classes,
            stored.tile,
            stored.prediction,
            stored.objects,
            tuple(absolute_path(name, folder) for name in stored.results),
        )
        project.folder, project._stored = folder, stored
        project._statuses = _statuses(folder, stored.rows)
        if stored.has_model and not (folder / MODEL_FILE).exists():
            _warn(f"{folder / MODEL_FILE} is missing: train the model again, or put it back.")
        return project

    def _offer(self, autosaved: StoredProject, images: Path | None) -> None:
        """Keep what was autosaved as `recovered`, if it is newer than what was saved."""
        assert self.folder is not None
        saved = {mask for row in self._stored.rows for mask in row.masks}
        newer = [row for row in autosaved.rows if not set(row.masks) <= saved]
        if autosaved.saved <= self._stored.saved or not newer:
            return
        self._autosaved = autosaved
        self._statuses |= _statuses(self.folder, autosaved.rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said for the rows that were saved
            recovered = type(self)._of(self.folder, autosaved, images)
        recovered._stored, recovered._autosaved = self._stored, autosaved
        recovered._statuses |= self._statuses
        self.recovered = recovered
        names = shorten([row.name or Path(row.image.paths[0]).name for row in newer])
        _warn(
            f"{self.folder} was not saved at the end: labels of {names} were autosaved after the "
            "last save; take them with project.recovered, or drop them with drop_autosave()."
        )

    @property
    def model_file(self) -> Path | None:
        """The file of the trained model; None if there is none."""
        file = self.folder and self.folder / MODEL_FILE
        return file if file is not None and file.is_file() else None

    def load_model(self, *, device: str = "auto") -> "Segmenter":
        """Read the trained model, and keep it as `segmenter`.

        Parameters
        ----------
        device : str
            The device for the model, as in `Segmenter`.

        Returns
        -------
        Segmenter
            Ready to predict; the same one each time.

        Raises
        ------
        ValueError
            If the project has no trained model, or its file is damaged.
        """
        if self.segmenter is None:
            from napari_segkit.segmenter import Segmenter

            if self.model_file is None:
                raise ValueError(
                    "The project has no trained model: train one with its training_set, spec and "
                    "config, set it as segmenter, and save the project."
                )
            self.segmenter = Segmenter.load(self.model_file, device=device)
            self._model = self.segmenter.trained
        return self.segmenter

    def save(self, folder: str | PathLike[str] | None = None, *, overwrite: bool = False) -> Path:
        """Write what has changed since the last save; a save that fails leaves the last one.

        Parameters
        ----------
        folder : path-like, optional
            A new or empty folder, or a project. None: where it was saved or opened.
        overwrite : bool
            Whether another project, or what was saved there by another window since this one was
            opened, is replaced. Label files that others have written stay.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ValueError
            If the folder holds other files or takes none, or labels do not fit their image.
        OSError
            If a file cannot be written, for example because the disk is full.
        """
        return drain(self.save_rows(folder, overwrite=overwrite))

    def save_rows(
        self, folder: str | PathLike[str] | None = None, *, overwrite: bool = False
    ) -> Generator[Step, None, Path]:
        """As `save`, one step for each image.

        Parameters
        ----------
        folder : path-like, optional
            As in `save`.
        overwrite : bool
            As in `save`.

        Returns
        -------
        generator
            Yields a `Step` for each image and returns the folder.
        """
        require_bool("overwrite", overwrite)
        self._check()
        place = self.folder if folder is None else as_path("folder", folder)
        if place is None:
            raise ValueError("The project has no folder yet: give one to save it in.")
        self._require_own(place, overwrite=overwrite)
        check_output_path(place / PROJECT_FILE, overwrite=True, new_folder=True)
        return self._save(place)

    def _require_own(self, folder: Path, *, overwrite: bool) -> None:
        """Refuse a folder of other files, and one that something else has saved since."""
        if not folder.is_dir():
            return
        file = folder / PROJECT_FILE
        if not file.is_file():
            if visible_files(folder) and folder != self.folder:
                raise ValueError(
                    f"{folder} holds files and is no project: choose a new or an empty folder."
                )
            return
        if overwrite:
            return
        if not self._is_at(folder):
            raise ExistsError(f"{folder} is another project: choose a new folder, or overwrite.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            now = read_project(file, folder)
        if now.saved != self._stored.saved:
            raise ExistsError(
                f"{folder} was saved by another window or script at {now.saved} (UTC), after it "
                "was opened here: save into a new folder, open it again, or overwrite."
            )

    def _is_at(self, folder: Path) -> bool:
        return self.folder is not None and self.folder.resolve() == folder.resolve()

    def _save(self, folder: Path) -> Generator[Step, None, Path]:
        """Labels first, one file at a time, ``project.json`` last."""
        with self._lock:
            is_here = self._is_at(folder)
            before = self._stored.rows if is_here else ()
            statuses = self._statuses if is_here else {}
            folder.mkdir(parents=True, exist_ok=True)
            autosaved = self._autosaved.rows if is_here else ()
            writer = self._writer(folder, LABELS, before, autosaved, statuses)
            rows = yield from self._write_rows(writer)
            has_model = self._write_model(folder)
            stored = self._describe(rows, folder, has_model=has_model)
            write_project(folder / PROJECT_FILE, stored)
            self._drop(folder, stored)
            self.folder, self._stored, self._statuses = folder, stored, statuses
            self._statuses |= {
                path: status for path, status in _statuses(folder, rows).items()
                if path not in statuses
            }  # fmt: skip
            self._autosaved, self.recovered = StoredProject(), None
        return folder

    def _writer(
        self,
        folder: Path,
        place: str,
        saved: Sequence[StoredRow],
        autosaved: Sequence[StoredRow],
        statuses: dict[str, Status | None],
    ) -> RowWriter:
        images = ImageStore(folder, (*saved, *autosaved), self._images, self.folder)
        return RowWriter(folder, place, saved, autosaved, statuses, images, tuple(self.classes))

    def _write_rows(self, writer: RowWriter) -> Generator[Step, None, tuple[StoredRow, ...]]:
        written: list[StoredRow] = []
        for row in self.training_set.rows:
            written.append(writer.write(row))
            yield Step(len(written), len(self.training_set))
        return tuple(written)

    def _write_model(self, folder: Path) -> bool:
        """Write the model if it is another one than the file holds."""
        file = folder / MODEL_FILE
        if self.segmenter is not None and self.segmenter.is_trained:
            is_there = self._is_at(folder) and file.is_file()
            if not is_there or self.segmenter.trained is not self._model:
                self.segmenter.save(file)
                self._model = self.segmenter.trained
        elif self.model_file is not None and not self._is_at(folder):
            with atomic_write(file) as written, self.model_file.open("rb") as read:
                shutil.copyfileobj(read, written)
        return file.is_file()

    def _describe(
        self, rows: Sequence[StoredRow], folder: Path, *, has_model: bool
    ) -> StoredProject:
        results = tuple(relative_path(Path(os.path.abspath(p)), folder) for p in self.results)
        return StoredProject(
            tuple(rows),
            tuple(self.classes),
            self.spec,
            self.config,
            self.tile,
            self.prediction,
            self.objects,
            results,
            has_model,
            datetime.now(UTC).isoformat(),
        )

    def autosave(self, labels: Mapping[int, Any] | None = None) -> Path | None:
        """Write labels that differ from the last save beside it, in the folder ``autosave``.

        `open` offers them if they are not saved before. Saving removes them.

        Parameters
        ----------
        labels : dict, optional
            By number of the row of the training set, the labels to take from now on: copies of
            those that were painted on.

        Returns
        -------
        Path or None
            The folder they are in; None if nothing differs from the last save.

        Raises
        ------
        ValueError
            If the project was not saved yet, or there is no such row.
        OSError
            If a file cannot be written, for example because the disk is full; what was autosaved
            before stays.
        """
        if self.folder is None:
            raise ValueError("The project has no folder yet: save it before it is autosaved.")
        self._take(labels or {})
        with self._lock:
            folder, before = self.folder, self._stored
            writer = self._writer(
                folder, AUTOSAVE, before.rows, self._autosaved.rows, self._statuses
            )
            rows = drain(self._write_rows(writer))
            if rows == before.rows:
                self._drop(folder, before)
                self._autosaved = StoredProject()
                return None
            if rows != self._autosaved.rows:
                stored = self._describe(rows, folder, has_model=before.has_model)
                (folder / AUTOSAVE).mkdir(exist_ok=True)
                write_project(folder / AUTOSAVE / PROJECT_FILE, stored)
                self._autosaved = stored
        return folder / AUTOSAVE

    def _take(self, labels: Mapping[int, Any]) -> None:
        """Labels in place of those of the rows."""
        rows = list(self.training_set.rows)
        for number, values in labels.items():
            if not (isinstance(number, int) and 0 <= number < len(rows)):
                raise ValueError(
                    f"labels has row {number!r}, but the training set has {len(rows)} rows, from 0 "
                    "on: give one of these."
                )
            rows[number] = replace(rows[number], labels=values)
        if labels:
            self.training_set = TrainingSet(rows)

    def drop_autosave(self) -> None:
        """Remove labels that were autosaved and not saved; `recovered` is None after that."""
        if self.folder is None:
            return
        with self._lock:
            self._drop(self.folder, self._stored)
            self._autosaved, self.recovered = StoredProject(), None

    def _drop(self, folder: Path, saved: StoredProject) -> None:
        """Remove autosaved files that nothing refers to, the list of them first."""
        place = folder / AUTOSAVE
        used = {mask.path for row in saved.rows for mask in row.masks}
        listed = {mask.path for row in self._autosaved.rows for mask in row.masks} - used
        with suppress(OSError):
            (place / PROJECT_FILE).unlink(missing_ok=True)
            for path in listed:
                if path.startswith(f"{AUTOSAVE}/"):
                    inside(folder, path).unlink(missing_ok=True)
                    self._statuses.pop(path, None)
            place.rmdir()

    def script(self) -> str:
        """Return a Python script that gives the predictions of this project again.

        Returns
        -------
        str
            It needs the project as it was saved.

        Raises
        ------
        ValueError
            If the project was not saved yet.
        """
        return record.script(*self._recorded(), objects=self._predicts_objects())

    def commands(self) -> str:
        """Return ``segkit`` commands that give the predictions of this project again.

        Returns
        -------
        str
            One in each line; they need the project as it was saved.

        Raises
        ------
        ValueError
            If the project was not saved yet.
        """
        return record.commands(*self._recorded(), objects=self._predicts_objects())

    def _recorded(self) -> tuple[Path, StoredProject]:
        if self.folder is None:
            raise ValueError("The project has no folder yet: save it before its record is made.")
        has_model = self.model_file is not None
        return self.folder, self._describe(self._stored.rows, self.folder, has_model=has_model)

    def _predicts_objects(self) -> bool:
        from napari_segkit.models import predicts_objects

        return predicts_objects(self.spec)


def _read_autosave(folder: Path) -> StoredProject | None:
    """What was autosaved; if it cannot be read, that is said and what was saved is opened."""
    file = folder / AUTOSAVE / PROJECT_FILE
    if not file.is_file():
        return None
    try:
        return read_project(file, folder)
    except ValueError as error:
        _warn(f"Autosaved labels are left out: {error}")
        return None


def _statuses(folder: Path, rows: Sequence[StoredRow]) -> dict[str, Status | None]:
    """Label files as they are now."""
    masks = [mask for row in rows for mask in row.masks]
    return {mask.path: status_of(inside(folder, mask.path)) for mask in masks}


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)
