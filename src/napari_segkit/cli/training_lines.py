"""What ``segkit train`` says while it trains and at the end."""

from collections.abc import Generator
from math import ceil
from typing import TYPE_CHECKING

from napari_segkit.config import TrainConfig
from napari_segkit.steps import Step, duration, map_steps
from napari_segkit.training.events import TrainStep, ValidationStep

from .terminal import say

if TYPE_CHECKING:
    from napari_segkit.segmenter import Segmenter

FEW_CLASSES = 10  # whose Dice is shown in a line


def say_end(
    segmenter: "Segmenter",
    config: TrainConfig,
    last: TrainStep | None,
    best: ValidationStep | None,
) -> None:
    """Say how the model does where labels are held out, and an early end."""
    if best is not None:
        say(f"Best: epoch {best.epoch}, {main_figure(best)} on {best.basis}.")
    if config.thresholds:
        chosen = [f"{c.value}: {c.threshold:g}" for c in segmenter.refine.clean if c.threshold]
        say(f"Thresholds of classes: {', '.join(chosen) or 'none'}.")
    trained = segmenter.trained
    if trained is not None and trained.separation is not None:
        say(f"How readily touching objects are separated, 0 to 1: {trained.separation:g}.")
    if last is not None:
        _say_early_end(config, last)


def _say_early_end(config: TrainConfig, last: TrainStep) -> None:
    """Say how far a training came if time or patience ended it."""
    done = f"{last.done} steps" if config.epochs is None else f"{last.done} of {last.total} steps"
    if _is_out_of_time(config, last):
        say(f"The time limit is reached after {done} ({last.images} patches).")
    elif config.patience and last.done < last.total:
        say(f"Ended after {done}: {config.patience} validations no better.")


def _is_out_of_time(config: TrainConfig, last: TrainStep) -> bool:
    in_time = ceil(last.done * 60 * (config.minutes or 0) / max(last.seconds, 1e-3))
    if config.minutes is None or config.epochs is None:
        return config.minutes is not None and config.patience is None
    return last.done < last.total and in_time <= last.done + 1


def saying_first(
    segmenter: "Segmenter", steps: Generator[Step, object, "Segmenter"]
) -> Generator[Step, object, "Segmenter"]:
    """The same steps; before the first ones, say what is held out and the number format."""
    said: set[str] = set()

    def say_once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    def say_first(step: Step) -> Step:
        if segmenter.held_out is not None:
            say_once(segmenter.held_out.about)
        if isinstance(step, TrainStep) and step.precision != "float32":
            say_once(_precision_line(segmenter, step.precision))
        return step

    return map_steps(steps, say_first)


def _precision_line(segmenter: "Segmenter", precision: str) -> str:
    """The number format, and whether it is a gain."""
    from napari_segkit.devices import choose
    from napari_segkit.models.precision import choose_precision

    if choose_precision("auto", choose(segmenter.device)) == "float32":
        return (
            f"Computing in {precision}, which this computer has no instructions for: "
            "--precision float32 is faster."
        )
    return f"Computing in {precision} (--precision float32 for full precision)."


def main_figure(step: ValidationStep) -> str:
    """The score of a validation by its name."""
    if step.objects:
        return f"F1 {step.f1:.4f} at IoU 0.5 and mean AP {step.ap:.4f}"
    return f"mean Dice {step.score:.4f}"


def validation_line(step: ValidationStep) -> str:
    """One line on a validation: score, loss, and Dice of each class if they are few."""
    few = {value: dice for value, dice in step.dice.items() if dice == dice}
    classes = ", ".join(f"{value}: {dice:.4f}" for value, dice in few.items())
    shown = f" ({classes})" if not step.objects and len(few) <= FEW_CLASSES else ""
    loss = f", loss {step.loss:.4f}" if step.loss == step.loss else ""
    return f"Validation of epoch {step.epoch}: {main_figure(step)}{shown}{loss}."


def describe(step: Step) -> str:
    """Text shown before a step's number: of training, or of computing features before."""
    if isinstance(step, ValidationStep):
        return f"epoch {step.epoch}  validation {step.score:.4f}  step"
    if not isinstance(step, TrainStep):
        return "features"
    return f"{duration(step.seconds)}  epoch {step.epoch}  loss {step.loss:.4f}  step"


def expected(config: TrainConfig, step: Step) -> int:
    """The steps that there is time for."""
    if None in (config.minutes, config.epochs) or not isinstance(step, TrainStep):
        return step.total
    in_time = ceil(step.done * 60 * (config.minutes or 0) / max(step.seconds, 1e-3))
    return max(step.done, min(step.total, in_time))
