"""Tables that commands write."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .signals import finish_first

if TYPE_CHECKING:
    from pandas import DataFrame


def check_table(file: Path, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Check before the work that a table can be written, in the place of no input."""
    from napari_segkit.io.output_paths import require_inputs_kept
    from napari_segkit.io.table_files import check_table_path

    require_inputs_kept([file], inputs)
    check_table_path(file, overwrite=overwrite)


def write_table(file: Path, table: "DataFrame", *, overwrite: bool) -> Path:
    """Write a table, to its end even if a signal comes; gives the file."""
    from napari_segkit.io import table_files
    from napari_segkit.io.output_paths import write_new

    write = partial(table_files.write_table, table=table, overwrite=overwrite)
    with finish_first():
        return write_new(file, write, overwrite=overwrite)
