"""Units of length: the names that files and napari give them, as one unit for all axes."""

from collections.abc import Container, Sequence
from typing import NamedTuple

Spacing = tuple[float, float, float]  # between pixels along Z, Y, X
UNKNOWN_SPACING = (1.0, 1.0, 1.0)
NANOMETRES = {"pm": 1e-3, "nm": 1, "um": 1e3, "mm": 1e6, "cm": 1e7, "m": 1e9, "km": 1e12}
PREFIXES = {"pico": "pm", "nano": "nm", "micro": "um", "milli": "mm", "centi": "cm", "": "m"}
NAMES = {f"{prefix}met{end}": unit for prefix, unit in PREFIXES.items() for end in ("er", "re")}
NAMES |= {unit: unit for unit in NANOMETRES}
NAMES |= {"micron": "um", "kilometer": "km", "kilometre": "km"}
OTHERS = dict.fromkeys(("\u00c5", "\u212b", "angstrom"), (0.1, "nm"))
OTHERS |= dict.fromkeys(("in", "inch", "inche"), (25.4, "mm"))  # plurals without their s
OTHERS |= {"thou": (25.4, "um"), "ft": (0.3048, "m"), "yd": (0.9144, "m")}
MU = ("\u00b5", "\u03bc", "\\u00b5", "\\u00B5", "\\u03bc", "\\u03BC")  # ImageJ writes the escape


class PixelSize(NamedTuple):
    """Distances between pixels, and their unit; "": unknown."""

    spacing: Spacing
    unit: str = ""


def pixel_size(
    sizes: Sequence[float], units: Sequence[str], allowed: Container[str] = NANOMETRES
) -> PixelSize:
    """Sizes along Z, Y and X in one unit: their own, or um where it differs or is not `allowed`."""
    known = [length_unit(name) for name in units]
    used = {unit for _, unit in known if unit}
    unit = used.pop() if len(used) == 1 else "um" if used else ""
    unit = unit if unit in allowed or not unit else "um"
    z, y, x = (
        convert(size * factor, own, unit) for size, (factor, own) in zip(sizes, known, strict=True)
    )
    return PixelSize((z, y, x), unit)


def convert(size: float, unit: str, target: str) -> float:
    """A size in another unit; as it is if one of them is unknown."""
    same = unit == target or not unit or not target
    return size if same else size * NANOMETRES[unit] / NANOMETRES[target]


def length_unit(name: str) -> tuple[float, str]:
    """Factor to one of the units of `NANOMETRES`, and its name; "" if it is no known length."""
    for mu in MU:
        name = name.replace(mu, "u")
    name = name.strip()
    plain = name.lower().removesuffix("s") if len(name) > 2 else name  # Mm is not mm
    return OTHERS.get(plain, (1.0, NAMES.get(plain, "")))
