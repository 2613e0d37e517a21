"""Where a training is, and how it ended, in words."""

from collections.abc import Sequence

from napari_segkit.config import TrainConfig
from napari_segkit.steps import time_left
from napari_segkit.training.events import TrainStep, ValidationStep

NEARLY = 0.9  # of the time limit, as the last step tells when it began


def describe_step(step: TrainStep, config: TrainConfig) -> str:
    """Such as "Epoch 3 of 20, step 25 of 200, loss 0.412, 1:20 left"."""
    if config.is_endless:
        return f"Step {step.done}, loss {step.loss:.3f}"
    epoch, done = f"Epoch {step.epoch}", f"step {step.done}"
    if config.epochs is not None:
        epoch, done = f"{epoch} of {config.epochs}", f"{done} of {step.total}"
    return f"{epoch}, {done}, loss {step.loss:.3f}{time_left(step.seconds_left)}"


def describe_end(
    step: TrainStep | None, config: TrainConfig, validations: Sequence[ValidationStep]
) -> str:
    """How the training ended; a warning of the training tells more of a loss."""
    if step is None:
        return "Training finished."
    of_total = "" if config.epochs is None else f" of {step.total}"
    done = f"{step.done}{of_total} steps ({step.images:,} patches)"
    if config.patience is not None and _since_best(validations) >= config.patience:
        return f"Training ended after {done}: {config.patience} validations without improvement."
    if config.is_endless:
        return f"Training ended after {done}."
    if config.epochs is not None and step.done >= step.total:
        return "Training finished."
    if config.minutes is not None and step.seconds >= NEARLY * 60 * config.minutes:
        return f"The time limit is reached after {done}."
    return (
        f"Training ended after {done}, because the loss became NaN or infinite: try a lower "
        "Learning rate."
    )


def _since_best(validations: Sequence[ValidationStep]) -> int:
    """Number of validations after the best one."""
    bests = [number for number, step in enumerate(validations, 1) if step.is_best]
    return len(validations) - (bests[-1] if bests else 0)
