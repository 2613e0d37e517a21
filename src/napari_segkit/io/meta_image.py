"""Checks of MetaImage files before ITK reads them, which prints what is wrong in place of saying it."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SimpleITK import ImageFileReader

MAX_HEADER = 2**16
LAST_FIELD = b"ElementDataFile"
LOCAL = "LOCAL"  # the voxels follow the header


def require_meta_header(path: Path) -> None:
    """Check that a file begins with the header of MetaImage."""
    fields, _ = _header(path)
    missing = [name for name in ("NDims", "DimSize", "ElementType") if name not in fields]
    if missing or LAST_FIELD.decode() not in fields:
        raise ValueError("it has no header of MetaImage")


def require_meta_voxels(path: Path, reader: "ImageFileReader") -> None:
    """Check that all voxels are there, in this file or in the one it names."""
    fields, start = _header(path)
    name = fields[LAST_FIELD.decode()]
    data = path if name.upper() == LOCAL else path.parent / name
    if name.startswith("LIST") or "%" in name:  # a file for each slice
        return
    if not data.is_file():
        raise ValueError(f"its voxels should be in {name}, which is not there")
    size = data.stat().st_size - (start if data == path else 0)
    needed = int(fields.get("CompressedDataSize", 0)) or _bytes(fields, reader)
    if size < needed:
        raise ValueError(f"it is cut short: {size} bytes of {needed} are there")


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Fields of the header, and its length."""
    with path.open("rb") as file:
        data = file.read(MAX_HEADER)
    end = data.find(b"\n", data.find(LAST_FIELD)) + 1
    lines = data[:end].decode("utf-8", errors="replace").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}, end


def _bytes(fields: dict[str, str], reader: "ImageFileReader") -> int:
    """Bytes of the voxels; 0 if they are compressed to an unknown size."""
    from .itk import component_type

    if fields.get("CompressedData", "False").lower() == "true":
        return 0
    itemsize = component_type(reader).itemsize
    return math.prod(reader.GetSize()) * reader.GetNumberOfComponents() * itemsize
