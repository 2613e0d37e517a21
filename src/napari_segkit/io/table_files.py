"""Tables as text files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .output_paths import check_output_path
from .replace_file import atomic_write

if TYPE_CHECKING:
    from pandas import DataFrame

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": ","}
CSV_FILES = tuple(SEPARATORS)


def check_table_path(
    file: Path,
    endings: Sequence[str] = CSV_FILES,
    *,
    overwrite: bool = False,
    new_folder: bool = False,
) -> Path:
    """Check before the work that a table can be written."""
    if file.suffix.lower() not in endings:
        raise ValueError(
            f"{file} is no name of a table: choose one ending in {', '.join(endings)}."
        )
    return check_output_path(file, overwrite=overwrite, new_folder=new_folder)


def table_text(file: Path, table: "DataFrame") -> str:
    """A table with a line of column names, separated as the file's name says."""
    return table.to_csv(index=False, sep=SEPARATORS[file.suffix.lower()])


def write_text(text: str, file: Path, *, overwrite: bool = False) -> None:
    """Write a text whole."""
    with atomic_write(file, overwrite=overwrite) as opened:
        opened.write(text.encode())
