"""A bar that shows how a training goes on, in a terminal or notebook."""

from collections.abc import Generator
from typing import TypeVar

from napari_segkit.steps import Step, map_steps

from .events import TrainStep

K = TypeVar("K")
T = TypeVar("T")


def with_bar(steps: Generator[Step, K, T]) -> Generator[Step, K, T]:
    """Pass steps on, and what is sent to them, and show them."""
    from tqdm.auto import tqdm  # takes a while to import

    with tqdm(unit="step", dynamic_ncols=True) as bar:

        def shown(step: Step) -> Step:
            bar.total = step.total
            if isinstance(step, TrainStep):
                bar.set_postfix_str(f"epoch {step.epoch}, loss {step.loss:.3f}", refresh=False)
            bar.update(step.done - bar.n)
            return step

        return (yield from map_steps(steps, shown))
