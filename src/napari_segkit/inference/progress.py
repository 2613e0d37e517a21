"""Progress of a prediction."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from napari_segkit.steps import Finish, Step

T = TypeVar("T")


@dataclass(frozen=True)
class TileStep(Step):
    """Progress of a prediction: a batch of tiles was predicted, or a block was refined."""


@dataclass
class Progress:
    """Counts the steps of a prediction: tiles and refined blocks."""

    total: int
    done: int = 0
    is_finishing: bool = False  # whether to return what is done

    def step(self, count: int) -> TileStep:
        """Advance by some tiles or blocks."""
        self.done += count
        return TileStep(self.done, self.total)

    def heed(self, command: object) -> None:
        """Take a command that was sent to the prediction; others than `Finish` are ignored."""
        self.is_finishing = self.is_finishing or isinstance(command, Finish)

    def part(self, steps: Generator[TileStep, object, T]) -> Generator[TileStep, object, T]:
        """Go through a part of this work that counts its own steps, which are added to these."""
        done, total, command = self.done, self.total, None
        with closing(steps):
            while True:
                try:
                    step = steps.send(command)
                except StopIteration as end:
                    return end.value
                self.done, self.total = done + step.done, total + step.total
                command = yield self.step(0)
                self.heed(command)

    def follow(
        self, steps: Generator[object, None, T], count: int
    ) -> Generator[TileStep, object, T]:
        """Go through other steps to their end, each so many steps of this work."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            self.heed((yield self.step(count)))
