"""Tables as CSV files, and other texts."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .signals import finish_first

if TYPE_CHECKING:
    from pandas import DataFrame

CSV_FILES = (".csv", ".tsv", ".txt")


def check_table(
    file: Path, inputs: Iterable[Path], endings: Sequence[str] = CSV_FILES, *, overwrite: bool
) -> None:
    """Check before the work that a table can be written."""
    from napari_segkit.io.output_paths import check_output_path, require_inputs_kept

    if file.suffix.lower() not in endings:
        raise ValueError(
            f"{file} is no name of a table: choose one ending in {', '.join(endings)}."
        )
    require_inputs_kept([file], inputs)
    check_output_path(file, overwrite=overwrite)


def write_table(file: Path, table: "DataFrame", *, overwrite: bool) -> Path:
    """Write a table, to its end even if a signal comes; gives the file."""
    return write_text(file, table.to_csv(index=False), overwrite=overwrite)


def write_text(file: Path, text: str, *, overwrite: bool) -> Path:
    """Write a text as `write_table` does."""
    from napari_segkit.io.output_paths import write_new

    write = partial(_write_text, text.encode(), overwrite=overwrite)
    with finish_first():
        return write_new(file, write, overwrite=overwrite)


def _write_text(text: bytes, file: Path, *, overwrite: bool) -> None:
    from napari_segkit.io.replace_file import atomic_write

    with atomic_write(file, overwrite=overwrite) as opened:
        opened.write(text)
