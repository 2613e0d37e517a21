"""The folder of a project: what was saved and autosaved there, and what of it has changed."""

import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_segkit.images.classes import LabelClass
from napari_segkit.io.output_paths import unused_path
from napari_segkit.io.replace_file import ExistsError, WriteError, cause
from napari_segkit.io.volume_files import visible_files
from napari_segkit.steps import Step
from napari_segkit.training_set import TrainingRow

from .files import StoredProject, StoredRow, read_project, time_of_save, write_project
from .found import found_rows
from .image_files import ImageStore, OpenedImages
from .paths import (
    AUTOSAVE,
    IMAGES,
    LABELS,
    MODEL_FILE,
    PROJECT_FILE,
    Elsewhere,
    file_fingerprint,
    file_to_write,
    inside,
    status_of,
)
from .rows import Known, RowWriter, SavedRows

UNREAD = f"{AUTOSAVE}-unread"  # folder of autosaved labels whose list cannot be read


class ChangedError(ExistsError):
    """Something else has saved into the project since it was opened."""


@dataclass
class Store:
    """A folder, and what was last read from it or written into it."""

    folder: Path
    saved: StoredProject = field(default_factory=StoredProject)
    autosaved: StoredProject = field(default_factory=StoredProject)
    known: dict[str, Known] = field(default_factory=dict)  # label files
    written: list[Path] = field(default_factory=list)
    recovered: frozenset[str] = frozenset()  # autosaved files that rows refer to
    has_unread: bool = False  # autosaved files whose list cannot be read

    @classmethod
    def read(cls, folder: Path, images: Path | None) -> "Store":
        """Read what was saved, and what was autosaved if its labels are others."""
        saved = read_project(folder / PROJECT_FILE, folder)
        listed = _read_autosave(folder)
        autosaved = _newer(listed, saved, folder)
        store, elsewhere = cls(folder), Elsewhere(folder, images)
        place = folder / AUTOSAVE
        is_listed = (place / PROJECT_FILE).is_file() and not place.is_symlink()
        store.has_unread = is_listed and listed is None
        store.saved = replace(saved, rows=found_rows(saved.rows, elsewhere))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said of the rows that were saved
            rows = found_rows(autosaved.rows, elsewhere)
        store.autosaved = replace(autosaved, rows=rows)
        store.recovered = frozenset(mask.path for row in rows for mask in row.masks)
        store._know((*saved.rows, *rows))
        return store

    @property
    def model_file(self) -> Path:
        """The file of the trained model."""
        return self.folder / MODEL_FILE

    def names_of_newer(self) -> list[str]:
        """Images whose labels were autosaved and not saved."""
        saved = set(map(_contents, self.saved.rows))
        newer = [row for row in self.autosaved.rows if _contents(row) not in saved]
        return [row.name or Path(row.image.paths[0]).name for row in newer]

    def require_latest(self) -> None:
        """Refuse to replace what something else has saved since."""
        file = self.folder / PROJECT_FILE
        if not file.is_file():
            return
        now = time_of_save(file)
        if now != self.saved.saved:
            when = (
                f"saved by another window or script at {_minute(now)}"
                if now
                else f"changed ({file.name})"
            )
            raise ChangedError(
                f"{self.folder} was {when}, after it was opened here: save into a new folder, open "
                "it again, or overwrite."
            )

    def write_rows(
        self,
        rows: Sequence[TrainingRow],
        place: str,
        opened: OpenedImages,
        classes: Sequence[LabelClass],
        source: Path,
    ) -> Generator[Step, None, tuple[StoredRow, ...]]:
        """Write what has changed of rows; labels into LABELS or AUTOSAVE."""
        self._set_unread_aside()
        before, autosaved = self.saved.rows, self.autosaved.rows
        images = ImageStore(self.folder, (*before, *autosaved), opened, source, self.written)
        writer = RowWriter(
            self.folder, place, before, autosaved, self.known, images, tuple(classes)
        )
        stored: list[StoredRow] = []
        for row in rows:
            stored.append(writer.write(row))
            yield Step(len(stored), len(rows))
        return tuple(stored)

    @contextmanager
    def removed_if_new(self) -> Iterator[None]:
        """Remove the files of a first save that fails, so that it can be tried again."""
        is_new = not (self.folder / PROJECT_FILE).is_file()
        try:
            yield
        except BaseException:
            with suppress(OSError):
                for file in (self.model_file, *self.written) if is_new else ():
                    file.unlink(missing_ok=True)
                for place in (LABELS, IMAGES, "") if is_new else ():
                    if (self.folder / place).is_dir():
                        (self.folder / place).rmdir()
            raise

    def write_saved(self, project: StoredProject) -> None:
        """Write the file of the project, and remove what was autosaved before."""
        write_project(file_to_write(self.folder, PROJECT_FILE), project, self.folder)
        self.saved = project
        self._know(project.rows)
        self.drop_autosaved()

    def write_autosaved(self, project: StoredProject) -> None:
        """Write the list of what was autosaved."""
        file = file_to_write(self.folder, f"{AUTOSAVE}/{PROJECT_FILE}")
        write_project(file, project, self.folder)
        self.autosaved = project

    def drop_autosaved(self) -> None:
        """Remove what was autosaved, the list of it first; what rows refer to, the next save."""
        place = self.folder / AUTOSAVE
        self.autosaved = StoredProject()
        with suppress(OSError):
            if place.is_symlink():
                return
            (place / PROJECT_FILE).unlink(missing_ok=True)
            for file in place.iterdir():
                path = f"{AUTOSAVE}/{file.name}"
                if path not in self.recovered:
                    file.unlink()
                    self.known.pop(path, None)
            place.rmdir()

    def _set_unread_aside(self) -> None:
        """Rename a folder of autosaved labels whose list cannot be read, so that they are kept."""
        if self.has_unread:
            place = self.folder / AUTOSAVE
            try:
                place.rename(unused_path(self.folder / UNREAD))
            except OSError as error:
                raise WriteError(f"{place} cannot be renamed: {cause(error)}.") from error
            self.has_unread = False

    def _know(self, rows: Sequence[StoredRow]) -> None:
        """Look at label files; what another program has written since holds other labels."""
        for mask in (mask for row in rows for mask in row.masks):
            if mask.path not in self.known:
                file = inside(self.folder, mask.path)
                same = not mask.fingerprint or file_fingerprint(file) == mask.fingerprint
                self.known[mask.path] = status_of(file), mask.content if same else ""


def require_new(folder: Path) -> None:
    """Refuse a folder that holds another project or other files."""
    if not folder.is_dir():
        return
    if (folder / PROJECT_FILE).is_file():
        raise ExistsError(
            f"{folder} is another project, which is not replaced: choose a new or an empty folder."
        )
    if visible_files(folder):
        raise ValueError(
            f"{folder} holds files and is no project: choose a new or an empty folder."
        )


def _minute(time: str) -> str:
    """Such as 2026-11-30 08:26 UTC."""
    return f"{time[:16].replace('T', ' ')} UTC"


def _contents(row: StoredRow) -> tuple[object, ...]:
    """What a row is recognised by: its image and its labels, wherever they are."""
    masks = (row.labels, row.object_classes, row.regions)
    return row.image.paths, *(mask and mask.content for mask in masks)


def _read_autosave(folder: Path) -> StoredProject | None:
    """What was autosaved; if it cannot be read, that is said and what was saved is opened."""
    file = folder / AUTOSAVE / PROJECT_FILE
    if not file.is_file():
        return None
    try:
        return read_project(inside(folder, f"{AUTOSAVE}/{PROJECT_FILE}"), folder)
    except ValueError as error:
        warnings.warn(
            f"Autosaved labels are left out: {error} They are kept: the next save moves them into "
            f"the folder {UNREAD}.",
            UserWarning,
            stacklevel=5,
        )
        return None


def _newer(autosaved: StoredProject | None, saved: StoredProject, folder: Path) -> StoredProject:
    """What was autosaved if it holds other labels than were saved; else nothing."""
    known = set(map(_contents, saved.rows))
    if autosaved is None or all(_contents(row) in known for row in autosaved.rows):
        return StoredProject()
    known_rows = SavedRows(saved.rows)
    rows = ((row, known_rows.take(row.image, row.name)) for row in autosaved.rows)
    return replace(
        autosaved,
        rows=tuple(
            row if all(inside(folder, mask.path).is_file() for mask in row.masks) else before or row
            for row, before in rows
        ),
    )
