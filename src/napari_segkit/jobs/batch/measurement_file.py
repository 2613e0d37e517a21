"""The table of measurements of many files, which grows as they are predicted."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from napari_segkit.io.table_files import SEPARATORS, check_table_path, table_text, write_text
from napari_segkit.jobs.output_files import new_folders

from .measurements import DOUBTS, Row, sorted_table

if TYPE_CHECKING:
    from pandas import DataFrame

SECONDS = 10.0  # between two times that the table is written


class MeasurementFile:
    """Rows of measurements, written every few seconds and at the end, also of a broken run.

    Parameters
    ----------
    path : Path or None
        Where it is written; None: nowhere.
    kept : sequence of dict
        Rows of an earlier run.
    """

    def __init__(self, path: Path | None, kept: Sequence[Row] = ()) -> None:
        self._path, self._rows, self._written = path, list(kept), monotonic()

    def add(self, row: Row) -> None:
        """Add the row of a file."""
        self._rows.append(row)
        if monotonic() - self._written > SECONDS:
            with suppress(OSError):  # the end will tell of it
                self._write()

    @property
    def table(self) -> "DataFrame":
        """The rows so far, the doubtful ones first."""
        return sorted_table(self._rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Write what there is; the error of a broken run comes first."""
        try:
            self._write()
        except OSError:
            if error is None:
                raise

    def _write(self) -> None:
        if self._path is not None and self._rows:
            with new_folders(self._path):
                write_text(table_text(self._path, self.table), self._path, overwrite=True)
        self._written = monotonic()


def check_measurements(path: Path, *, overwrite: bool, goes_on: bool) -> None:
    """Check before the work that measurements can be written; `goes_on` adds to what is there."""
    check_table_path(path, overwrite=overwrite or goes_on, new_folder=True)
    if goes_on:
        earlier_rows(path, ())


def earlier_rows(path: Path, without: Collection[str]) -> list[Row]:
    """The rows in the table of an earlier run, if there is one, without those of some images."""
    from pandas import read_csv

    if not path.exists():
        return []
    try:
        table = read_csv(path, sep=SEPARATORS[path.suffix.lower()], dtype={"image": str})
        kept = table[~table["image"].isin(without) & table[DOUBTS].notna().any(axis=1)]
    except (ValueError, KeyError, UnicodeDecodeError):
        raise ValueError(
            f"{path} is no table of measurements of an earlier run: choose another name."
        ) from None
    rows: list[Row] = kept.drop(columns="error", errors="ignore").to_dict("records")
    return rows
