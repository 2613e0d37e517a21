"""CSV lists of files, as spreadsheets of any country save them."""

import codecs
import csv
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote

from .zarr_folders import is_zarr

DELIMITERS = ",;\t"
OTHER_NAMES = {
    "images": ("image", "img", "imgs", "prediction", "predictions"),
    "masks": ("mask", "label", "labels", "seg", "gt", "truth"),
    "role": ("split", "subset"),
    "group": ("subject", "patient", "slide", "plate"),
}
REQUIRED = ("images", "masks")
COLUMNS = (*OTHER_NAMES, "classes", "regions")
CHANNEL = ":"  # images:t1 is the column of a channel


@dataclass(frozen=True)
class ListedFiles:
    """One row of a list: its line and the cell of each column; empty cells are ""."""

    line: int
    cells: dict[str, str]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, each of which has a column such as images:t1."""
        return tuple(
            c.partition(CHANNEL)[2] for c in self.cells if c.startswith(f"images{CHANNEL}")
        )

    @property
    def images(self) -> list[str]:
        """The image, or the file of each channel."""
        return [self.cells[f"images{CHANNEL}{name}"] for name in self.channels] or [
            self.cells["images"]
        ]


def read_list(table: Path, required: Sequence[str] = REQUIRED) -> list[ListedFiles]:
    """Rows of a list with the columns ``images`` and ``masks``; ValueError names a bad line.

    Commas, semicolons or tabs separate; blanks around names and capitals in the first line are
    taken as they are meant, and so are other usual names of these columns. Instead of images there
    may be a column for each channel, such as images:t1 and images:t2. A list without names begins
    with images and masks. A warning names columns that are not read.
    """
    header, *rows = [line for line in _lines(table) if any(line[1])] or [(1, [])]
    columns = _column_names(header[1], required)
    if columns is None and _are_files(table, header[1], len(required)):
        columns, rows = _columns_by_place(table, header[1], required), [header, *rows]
    if columns is None or not rows:
        found = ", ".join(header[1]) or "empty"
        raise ValueError(
            f"{table} must be a list with the columns {' and '.join(required)}, and at least one "
            f"row; its first line is {found}."
        )
    if unread := [name for name in columns if name and not _is_read(name)]:
        note = f"{table} has columns that are not read: {', '.join(unread)}."
        warnings.warn(note, UserWarning, stacklevel=3)
    return [_row(table, line, columns, cells, required) for line, cells in rows]


def find_file(table: Path, cell: str) -> Path:
    """File of a cell, relative to the list's folder; with backslashes, %20 or other accents."""
    slashes = cell.replace("\\", "/")
    forms = (cell, slashes, unquote(slashes), normalize("NFC", slashes), normalize("NFD", slashes))
    files = [table.parent / form for form in forms]
    return next((file for file in files if file.exists()), files[0])


def _is_read(column: str) -> bool:
    return column in COLUMNS or column.startswith(f"images{CHANNEL}")


def _column_names(header: Sequence[str], required: Sequence[str]) -> list[str] | None:
    """Names of the columns, known ones as in `COLUMNS`; None if a required one is not there."""
    names = [cell.lower() for cell in header]
    for known, others in OTHER_NAMES.items():
        places = [i for i, name in enumerate(names) if name == known]
        places = places or [i for i, name in enumerate(names) if name in others]
        if known == "images" and not places and (channels := _channels(header)):
            for place, name in channels.items():
                names[place] = f"images{CHANNEL}{name}"
        elif len(places) == 1:
            names[places[0]] = known
        elif known in required:
            return None
    return names


def _channels(header: Sequence[str]) -> dict[int, str]:
    """Place and name of each column such as images:t1."""
    parts = [cell.partition(CHANNEL) for cell in header]
    kinds = ("images", *OTHER_NAMES["images"])
    return {
        place: name.strip()
        for place, (kind, _, name) in enumerate(parts)
        if kind.strip().lower() in kinds and name.strip()
    }


def _are_files(table: Path, cells: Sequence[str], count: int) -> bool:
    first = cells[:count]
    files = [find_file(table, cell) for cell in first if cell]
    return len(files) == count and all(file.is_file() or is_zarr(file) for file in files)


def _columns_by_place(table: Path, cells: Sequence[str], required: Sequence[str]) -> list[str]:
    note = (
        f"The first line of {table} names no columns: the first are taken as "
        f"{' and '.join(required)}."
    )
    warnings.warn(note, UserWarning, stacklevel=4)
    return [*required, *[f"column {n}" for n in range(len(required) + 1, len(cells) + 1)]]


def _lines(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and stripped cells of each line."""
    lines = list(StringIO(_decode(table.read_bytes()), newline=None))
    first = lines[0] if lines else ""
    if first.lower().startswith("sep=") and len(first) > 4:  # written by Excel
        lines[0], delimiter = "\n", first[4]
    else:
        header = next((line for line in lines if line.strip()), "")
        delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise ValueError(
            f"Line {reader.line_num} of {table} cannot be read as CSV ({error}): correct it."
        ) from error


def _decode(data: bytes) -> str:
    """Text in UTF-8 or UTF-16, with or without a mark, otherwise in Windows' Latin-1."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _row(
    table: Path, line: int, columns: list[str], cells: list[str], required: Sequence[str]
) -> ListedFiles:
    if any(cells[len(columns) :]):
        raise ValueError(
            f"Line {line} of {table} has {len(cells)} entries for {len(columns)} columns: write a "
            "name that contains the separator in double quotes."
        )
    row = dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))
    files = [name for name in columns if name in required or name.startswith(f"images{CHANNEL}")]
    missing = [name for name in files if not row[name]]
    if missing:
        raise ValueError(
            f"Line {line} of {table} has no entry under {' and '.join(missing)}: add the file, or "
            "remove the line."
        )
    return ListedFiles(line, row)
