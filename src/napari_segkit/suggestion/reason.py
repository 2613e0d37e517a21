"""What is suggested for one setting, with its reason."""

from dataclasses import dataclass
from math import floor, log10


@dataclass(frozen=True)
class Reason:
    """One setting that is suggested, and why.

    Parameters
    ----------
    setting : str
        Name of a field of `ModelSpec`, `TrainConfig` or `TileConfig`; "preset" for the method with
        all that is not named by another reason.
    value : object
        What is suggested.
    text : str
        Why, in a sentence.
    """

    setting: str
    value: object
    text: str


def percent(part: float) -> str:
    """Such as "0.4 %", with two digits."""
    value = 100 * part
    if value <= 0 or value >= 99.95:
        return f"{value:.0f} %"
    return f"{value:.{max(0, 1 - floor(log10(value)))}f} %"
