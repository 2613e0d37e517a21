"""Tables as text files."""

from pathlib import Path
from typing import TYPE_CHECKING

from .output_paths import check_output_path
from .replace_file import atomic_write

if TYPE_CHECKING:
    from pandas import DataFrame

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": ","}


def check_table_path(file: Path, *, overwrite: bool = False) -> Path:
    """Check before the work that a table can be written."""
    if file.suffix.lower() not in SEPARATORS:
        raise ValueError(
            f"{file} is no name of a table: choose one ending in {', '.join(SEPARATORS)}."
        )
    return check_output_path(file, overwrite=overwrite)


def write_table(file: Path, table: "DataFrame", *, overwrite: bool = False) -> None:
    """Write a table with a line of column names; missing numbers are empty."""
    text = table.to_csv(index=False, sep=SEPARATORS[file.suffix.lower()])
    with atomic_write(file, overwrite=overwrite) as opened:
        opened.write(text.encode())
