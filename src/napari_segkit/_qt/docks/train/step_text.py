"""Where a training is, in words."""

from napari_segkit.config import TrainConfig
from napari_segkit.steps import duration
from napari_segkit.training.events import TrainStep


def describe_step(step: TrainStep, config: TrainConfig) -> str:
    """Such as "Epoch 3 of 20, step 25 of 200, loss 0.412, 1:20 left"."""
    left = step.seconds * (step.total - step.done) / step.done
    if config.minutes is not None:
        left = max(0.0, min(left, 60 * config.minutes - step.seconds))
    epoch = f"Epoch {step.epoch} of {config.epochs}, step {step.done} of {step.total}"
    return f"{epoch}, loss {step.loss:.3f}, {duration(left)} left"
