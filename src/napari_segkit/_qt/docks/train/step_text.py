"""Where a training is, in words."""

from napari_segkit.steps import duration
from napari_segkit.training.events import TrainStep


def describe_step(step: TrainStep, epochs: int) -> str:
    """Such as "Epoch 3 of 20, step 25 of 200, loss 0.412, 1:20 left"."""
    left = step.seconds * (step.total - step.done) / step.done
    return (
        f"Epoch {step.epoch} of {epochs}, step {step.done} of {step.total}, loss {step.loss:.3f}, "
        f"{duration(left)} left"
    )
