"""The intensities of the images of a training, and how far those of another image are from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from .intensity import Statistics


@dataclass(frozen=True)
class IntensityRange:
    """Smallest and largest 1st and 99th percentiles of each channel over several images."""

    smallest: Statistics
    largest: Statistics

    @classmethod
    def of(cls, measured: Sequence[Statistics]) -> "IntensityRange":
        """The range of these images, without those that are blank."""
        known = [each for each in measured if not each.is_blank] or measured
        low, high = (
            list(zip(*(getattr(each, end) for each in known), strict=True))
            for end in ("low", "high")
        )
        return cls(*(Statistics(tuple(map(f, low)), tuple(map(f, high))) for f in (min, max)))

    def is_of(self, channels: int) -> bool:
        """Whether these are ranges of so many channels."""
        ends = [(self.smallest.low, self.largest.low), (self.smallest.high, self.largest.high)]
        return all(
            len(small) == len(large) == channels
            and all(a <= b for a, b in zip(small, large, strict=True))
            for small, large in ends
        )

    def distance(self, measured: Statistics) -> float:
        """How far the percentiles of an image are out of these; 1 is the contrast of the training.

        The largest of all channels and both percentiles; 0: both are as in the training.
        """
        contrasts = list(zip(self.smallest.contrast, self.largest.contrast, strict=True))
        distances = [
            _outside(start, end, value) / ((a + b) / 2)
            for starts, ends, values in (
                (self.smallest.low, self.largest.low, measured.low),
                (self.smallest.high, self.largest.high, measured.high),
            )
            for start, end, value, (a, b) in zip(starts, ends, values, contrasts, strict=True)
            if a + b > 0
        ]
        return max(distances, default=nan)


def _outside(start: float, end: float, value: float) -> float:
    return max(start - value, value - end, 0.0)
