"""Progress of a prediction."""

from dataclasses import dataclass

from napari_segkit.steps import Step


@dataclass(frozen=True)
class TileStep(Step):
    """Progress of a prediction: a batch of tiles was predicted, or a block was refined."""


@dataclass
class Progress:
    """Counts the steps of a prediction: tiles and refined blocks."""

    total: int
    done: int = 0

    def step(self, count: int) -> TileStep:
        """Advance by some tiles or blocks."""
        self.done += count
        return TileStep(self.done, self.total)
