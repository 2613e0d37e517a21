"""Results of an earlier run: which are complete, and whether they were made in the same way."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from napari_segkit.config import PredictConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.io.filenames import ending, shorten
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.label_classes import read_record
from napari_segkit.io.replace_file import ExistsError

from .output_files import is_written
from .output_options import MAX_PNG_VALUE

Job = TypeVar("Job", bound=tuple[*tuple[ImageFiles, ...], Path])
WITHOUT_RECORD = (".npy", ".csv", ".json")


@dataclass(frozen=True)
class ExistingResults:
    """What earlier runs left of the results that a run would make.

    Parameters
    ----------
    files_of : callable
        All files of the result with these labels.
    settings : dict
        What the record of a file says if it was made in the same way.
    further : dict
        What the record of a file in the folder of this name, next to the labels, says besides.
    """

    files_of: Callable[[Path], Sequence[Path]]
    settings: Mapping[str, object]
    further: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def is_done(self, target: Path) -> bool:
        """Whether all files of a result are there."""
        labels, *others = self.files_of(target)
        if not all(map(is_written, others)):
            return False
        return is_written(labels) or _are_in_tiff(labels, others)

    def made_otherwise(self, target: Path) -> bool:
        """Whether a result tells that another model, or other settings, made it."""
        files = [file for file in self.files_of(target) if is_written(file)]
        records = [(read_record(file), self._settings_of(file, target)) for file in files]
        return any(isinstance(r, Mapping) and not _is_made(r, s) for r, s in records if r)

    def require_own(self, target: Path) -> None:
        """Refuse to complete a result of which a file was made in another way, or by a person."""
        files = self.files_of(target)
        for file in filter(is_written, files):
            missing = [other.relative_to(target.parent) for other in files if not is_written(other)]
            settings = self._settings_of(file, target)
            if ending(file) not in WITHOUT_RECORD and not _is_made(read_record(file), settings):
                raise ExistsError(
                    f"{file} exists without {missing[0]}, and was not made in this way: choose "
                    "another folder, or overwrite."
                )

    def _settings_of(self, file: Path, target: Path) -> Mapping[str, object]:
        is_beside = file.parent == target.parent
        further = {} if is_beside else self.further.get(file.parent.name, {})
        return {**self.settings, **further}


def split_existing(jobs: Sequence[Job], existing: ExistingResults) -> tuple[list[Job], list[Job]]:
    """Jobs, which end with the labels they make, whose results are missing, and the others."""
    done = {job[-1] for job in jobs if existing.is_done(job[-1])}
    return [job for job in jobs if job[-1] not in done], [job for job in jobs if job[-1] in done]


def skipped_text(done: Sequence[Job], count: int, existing: ExistingResults) -> tuple[str, str]:
    """How many of the results exist, and what is said of those that were made otherwise."""
    others = [str(target) for *_, target in done if existing.made_otherwise(target)]
    note = (
        f"{len(others)} of these were made by another model or with other settings: "
        f"{shorten(others)}. They stay as they are; overwrite=True makes all anew."
    )
    return f"{len(done)} of {count} results exist and are skipped.", note if others else ""


def _are_in_tiff(labels: Path, others: Sequence[Path]) -> bool:
    """Whether labels were written as TIFF, because a PNG cannot hold so many objects."""
    table = next((file for file in others if file.suffix == ".csv"), None)
    if ending(labels) != ".png" or table is None or not os.path.lexists(labels.with_suffix(".tif")):
        return False
    with table.open("rb") as lines:
        return sum(1 for _ in lines) > MAX_PNG_VALUE + 1  # with the names of the columns


def _is_made(record: object, settings: Mapping[str, object]) -> bool:
    """Whether a record has these settings; those of earlier versions lack what they had not."""
    found = {**to_dict(PredictConfig()), **record} if isinstance(record, Mapping) else record
    return _agrees(found, settings)


def _agrees(found: object, expected: object) -> bool:
    """Whether a record holds the settings; it may hold more."""
    if not isinstance(expected, Mapping):
        return bool(found == json.loads(json.dumps(expected)))
    if not isinstance(found, Mapping):
        return False
    return all(_agrees(found.get(key), value) for key, value in expected.items())
