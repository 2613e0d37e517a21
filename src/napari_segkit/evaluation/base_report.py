"""What the reports of all kinds share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .confusion import nanmean

if TYPE_CHECKING:
    from pandas import DataFrame


class Report(ABC):
    """Metrics of a prediction; adding two reports pools their counts.

    Attributes
    ----------
    mean_iou, mean_dice, accuracy : float
        Of the pixels.
    notes : tuple of str
        Remarks on the metrics.
    """

    @property
    @abstractmethod
    def iou(self) -> Mapping[Any, float]:
        """Class -> intersection over union of its pixels, nan where absent."""

    @property
    @abstractmethod
    def dice(self) -> Mapping[Any, float]:
        """Class -> Dice coefficient of its pixels, nan where absent."""

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the pixels of the classes that occur."""
        return nanmean(self.iou)

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the pixels of the classes that occur."""
        return nanmean(self.dice)

    @property
    @abstractmethod
    def accuracy(self) -> float:
        """Fraction of the pixels whose class is predicted correctly."""

    @property
    @abstractmethod
    def notes(self) -> tuple[str, ...]:
        """Remarks on the metrics."""

    @abstractmethod
    def table(self) -> "DataFrame":
        """Build a table of the metrics."""

    @abstractmethod
    def summary(self) -> str:
        """Describe in one sentence what was compared."""

    @abstractmethod
    def means(self) -> str:
        """Describe the main metrics in one line."""

    @abstractmethod
    def __add__(self, other: Any) -> Any: ...

    def __str__(self) -> str:
        table = self._printed_table().astype(object)
        text = table.where(table.notna(), "").to_string(index=False, float_format="{:.4f}".format)
        return "\n".join([text, self.summary(), *self.notes])

    def _printed_table(self) -> "DataFrame":
        return self.table()


def unlabelled_text(unlabelled: int | None) -> str:
    """Which pixels are left out of the metrics."""
    if unlabelled is None:
        return "unlabelled: none (every pixel counts)"
    return f"unlabelled: {unlabelled} (its pixels are not counted)"


def require_equal(option: str, first: Any, second: Any) -> None:
    """Refuse to pool reports made with different options."""
    if first != second:
        raise ValueError(
            f"Reports with {option}={first} and {option}={second} cannot be pooled: make both with "
            "the same value."
        )


def require_pixels(pixels: int, unlabelled: int | None) -> None:
    """Refuse a truth without labelled pixels."""
    if not pixels:
        raise ValueError(
            f"Nothing to compare: every pixel of the truth is {unlabelled}, which means unlabelled."
        )
