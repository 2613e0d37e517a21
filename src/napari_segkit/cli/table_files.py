"""Tables, and other texts, that commands write."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.io import table_files
from napari_segkit.io.table_files import CSV_FILES

from .signals import finish_first

if TYPE_CHECKING:
    from pandas import DataFrame


def check_table(
    file: Path, inputs: Iterable[Path], endings: Sequence[str] = CSV_FILES, *, overwrite: bool
) -> None:
    """Check before the work that a table can be written, in the place of no input."""
    from napari_segkit.io.output_paths import require_inputs_kept

    require_inputs_kept([file], inputs)
    table_files.check_table_path(file, endings, overwrite=overwrite)


def write_table(file: Path, table: "DataFrame", *, overwrite: bool) -> Path:
    """Write a table, to its end even if a signal comes; gives the file."""
    return write_text(file, table_files.table_text(file, table), overwrite=overwrite)


def write_text(file: Path, text: str, *, overwrite: bool) -> Path:
    """Write a text as `write_table` does."""
    from napari_segkit.io.output_paths import write_new

    write = partial(table_files.write_text, text, overwrite=overwrite)
    with finish_first():
        return write_new(file, write, overwrite=overwrite)
