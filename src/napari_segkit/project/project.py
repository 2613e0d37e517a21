"""A training set with its labels, classes, model and settings in one folder."""

import os
import shutil
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.steps import Step, drain
from napari_segkit.training_set import TrainingSet

from . import record
from .files import StoredProject, StoredRow
from .image_files import OpenedImages
from .paths import (
    AUTOSAVE,
    LABELS,
    MODEL_FILE,
    PROJECT_FILE,
    absolute_path,
    file_to_write,
    relative_path,
)
from .rows import training_rows
from .store import Store, require_new

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter

LONGEST_WAIT = 60  # seconds for a save that runs in another thread


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
    recovered : Project or None
        After `open`, the project with labels that were autosaved after the last save.

    Examples
    --------
    >>> project = Project(TrainingSet.from_files("images", "masks"), ModelSpec("unet"))
    >>> project.save("cells")
    >>> project = Project.open("cells")
    >>> seg = Segmenter(project.spec).fit(project.labelled, config=project.config)
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
    recovered: "Project | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._check()
        self._store: Store | None = None
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
        place = Path(os.path.abspath(as_path("folder", folder)))
        place = place.parent if place.name == PROJECT_FILE and place.is_file() else place
        if not (place / PROJECT_FILE).is_file():
            raise FileNotFoundError(
                f"{place} is no project of napari-segkit, because it holds no {PROJECT_FILE}: "
                "choose the folder that was given to save."
            )
        store = Store.read(place, None if images is None else as_path("images", images))
        project = cls._of(store, store.saved)
        if store.saved.has_model and not store.model_file.is_file():
            _warn(f"{store.model_file} is missing: train the model again, or put it back.")
        if names := store.names_of_newer():
            project.recovered = cls._of(store, store.autosaved)
            _warn(
                f"{place} was not saved at the end: labels of {shorten(names)} were autosaved "
                "after the last save (`project.recovered` holds them, `project.drop_autosave()` "
                "removes them)."
            )
        return project

    @classmethod
    def _of(cls, store: Store, stored: StoredProject) -> Self:
        project = cls(
            TrainingSet(training_rows(stored.rows, store.folder)),
            stored.spec,
            stored.config,
            stored.classes,
            stored.tile,
            stored.prediction,
            stored.objects,
            tuple(absolute_path(name, store.folder) for name in stored.results),
        )
        project._store = store
        return project

    @property
    def folder(self) -> Path | None:
        """Where the project was saved or opened; None before that."""
        return None if self._store is None else self._store.folder

    @property
    def labelled(self) -> TrainingSet:
        """The images that have labels, to train on."""
        return TrainingSet([row for row in self.training_set.rows if row.labels is not None])

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
            A new or empty folder. None: where it was saved or opened.
        overwrite : bool
            Whether what another window has saved there since it was opened here is replaced. Label
            files that others have written stay.

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
        place = self.folder if folder is None else Path(os.path.abspath(as_path("folder", folder)))
        if place is None:
            raise ValueError("The project has no folder yet: give one to save it in.")
        is_here = self.folder is not None and self.folder.resolve() == place.resolve()
        store = self._store if is_here and self._store else Store(place)
        if not is_here:
            require_new(place)
        elif not overwrite:
            store.require_latest()
        check_output_path(place / PROJECT_FILE, overwrite=True, new_folder=True)
        return self._save(store)

    def _save(self, store: Store) -> Generator[Step, None, Path]:
        """Labels first, one file at a time, ``project.json`` last."""
        with self._alone(), store.removed_if_new():
            store.folder.mkdir(parents=True, exist_ok=True)
            rows = yield from self._write_rows(store, LABELS)
            has_model = self._write_model(store)
            store.write_saved(self._describe(rows, store.folder, has_model=has_model))
            self._store, self.recovered = store, None
        return store.folder

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for another save; ValueError if it does not end."""
        if not self._lock.acquire(timeout=LONGEST_WAIT):
            raise ValueError("The project is being saved already: try again when that has ended.")
        try:
            yield
        finally:
            self._lock.release()

    def _write_rows(self, store: Store, place: str) -> Generator[Step, None, tuple[StoredRow, ...]]:
        rows, source = self.training_set.rows, self.folder or store.folder
        return store.write_rows(rows, place, self._images, self.classes, source)

    def _write_model(self, store: Store) -> bool:
        """Write the model if it is another one than the file holds."""
        file = file_to_write(store.folder, MODEL_FILE)
        trained = self.segmenter and self.segmenter.trained
        if self.segmenter is not None and trained is not None:
            if store is not self._store or trained is not self._model or not file.is_file():
                self.segmenter.save(file)
                self._model = trained
        elif self.model_file is not None and store is not self._store:
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
        if self._store is None:
            raise ValueError("The project has no folder yet: save it before it is autosaved.")
        self._take(labels or {})
        with self._alone():
            store, saved = self._store, self._store.saved
            rows = drain(self._write_rows(store, AUTOSAVE))
            if rows == saved.rows:
                store.drop_autosaved()
                return None
            if rows != store.autosaved.rows:
                described = self._describe(rows, store.folder, has_model=saved.has_model)
                store.write_autosaved(described)
        return store.folder / AUTOSAVE

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
        if self._store is not None:
            with self._alone():
                self._store.recovered = frozenset()
                self._store.drop_autosaved()
        self.recovered = None

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
        return self.folder, self._describe((), self.folder, has_model=has_model)

    def _predicts_objects(self) -> bool:
        from napari_segkit.models import predicts_objects

        return predicts_objects(self.spec)


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)
