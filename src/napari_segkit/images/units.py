"""Units of length, under their usual names."""

METRES = {"nm": 1e-9, "um": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}
NAMES = {
    "nanometer": "nm",
    "micrometer": "um",
    "micron": "um",
    "\N{MICRO SIGN}m": "um",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
}


def short_unit(unit: object) -> str:
    """Short name of a unit of length, such as "um"; "" for any other, such as napari's pixel."""
    name = NAMES.get(str(unit), str(unit))
    return name if name in METRES else ""


def convert(size: float, unit: str, target: str) -> float:
    """A size in another unit; as it is if one of them is unknown."""
    same = unit == target or not unit or not target
    return size if same else size * METRES[unit] / METRES[target]
