"""Simulated strokes of an annotator, inside the class they name, three pixels wide.

Two budgets: "equal" gives every class the same number of pixels, of at most half of its own, and
what a small class cannot take goes to the others; "proportional" gives each the same share of its
pixels. The strokes of a smaller share are part of those of a larger one.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from scipy.ndimage import binary_erosion

Budget = Literal["equal", "proportional"]
BUDGETS: tuple[Budget, ...] = ("equal", "proportional")
LENGTH = 40  # steps of a stroke at most
FRUITLESS = 200  # strokes that add nothing, after which a class is left as it is


def equal_budgets(total: int, areas: Sequence[int]) -> list[int]:
    """`total` pixels over classes of these areas, none of which gives more than half of its own."""
    limits = np.asarray(areas) // 2
    order = np.argsort(limits, kind="stable")
    budgets, left = np.zeros(len(limits), int), min(total, int(limits.sum()))
    for place, index in enumerate(order):  # the smallest first: its rest goes to the others
        budgets[index] = min(limits[index], left // (len(order) - place))
        left -= budgets[index]
    return budgets.tolist()


def proportional_budgets(total: int, areas: Sequence[int]) -> list[int]:
    share = total / sum(areas)
    return [max(1, round(share * area)) for area in areas]


SPLITS = {"equal": equal_budgets, "proportional": proportional_budgets}


def strokes(
    truth: np.ndarray, shares: Sequence[float], seed: int, budget: Budget = "equal"
) -> Iterator[np.ndarray]:
    """Labels for growing shares of the pixels: 0 is unlabelled, class c of the truth is c + 1.

    Where the truth is negative, nothing is drawn.
    """
    values, areas = np.unique(truth[truth >= 0], return_counts=True)
    plans = [SPLITS[budget](round(truth.size * share), areas.tolist()) for share in shares]
    labels = np.zeros(truth.shape, np.uint8)
    painters = [Painter(labels, truth == c, int(c) + 1, seed) for c in values]
    for plan in plans:
        for painter, wanted in zip(painters, plan, strict=True):
            painter.paint(wanted)
        yield labels.copy()


class Painter:
    """Adds strokes of one class until as many pixels as wanted have it."""

    def __init__(self, labels: np.ndarray, region: np.ndarray, value: int, seed: int) -> None:
        self.labels, self.region, self.value = labels, region, value
        self.random = np.random.default_rng([seed, value])
        plane = np.ones((1,) * (region.ndim - 2) + (3, 3), bool)
        inner = binary_erosion(region, plane, border_value=1)
        self.inner = inner if inner.any() else region  # a stroke runs where its width has room
        self.count = 0

    def paint(self, wanted: int) -> None:
        fruitless = 0
        while self.count < wanted and fruitless < FRUITLESS:
            before = self.count
            self._stroke(wanted)
            fruitless += self.count == before

    def _stroke(self, wanted: int) -> None:
        """A slowly turning path in one plane that ends where its class ends."""
        start = self._start()
        plane = tuple(start[:-2])
        (y, x), angle = start[-2:].astype(float), self.random.uniform(0, 2 * np.pi)
        for _ in range(self.random.integers(LENGTH // 4, LENGTH)):
            row, column = round(y), round(x)
            if not self._inside(plane, row, column):
                return
            self._brush(plane, row, column, wanted)
            angle += self.random.normal(0, 0.3)
            y, x = y + np.sin(angle), x + np.cos(angle)

    def _start(self) -> np.ndarray:
        """A place that is not labelled yet, away from the border of the class if there is one."""
        free = np.flatnonzero(self.inner & (self.labels == 0))
        if not free.size:
            free = np.flatnonzero(self.region & (self.labels == 0))
        return np.array(np.unravel_index(self.random.choice(free), self.labels.shape))

    def _inside(self, plane: tuple[int, ...], row: int, column: int) -> bool:
        rows, columns = self.region.shape[-2:]
        return 0 <= row < rows and 0 <= column < columns and bool(self.region[plane][row, column])

    def _brush(self, plane: tuple[int, ...], row: int, column: int, wanted: int) -> None:
        around = np.s_[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        labels = self.labels[plane][around]
        fresh = np.argwhere(self.region[plane][around] & (labels == 0))[: wanted - self.count]
        labels[tuple(fresh.T)] = self.value
        self.count += len(fresh)
