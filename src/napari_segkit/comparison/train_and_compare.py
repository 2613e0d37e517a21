"""Train several methods, and compare what they have learned."""

from collections.abc import Generator, Mapping

from napari_segkit.config import EvaluateConfig, ModelSpec, RefineConfig, TrainConfig
from napari_segkit.steps import Step
from napari_segkit.training_set import TrainingSet

from .compare import comparisons
from .comparison import Comparison
from .trainings import trainings


def train_and_compare(
    specs: Mapping[str, ModelSpec],
    training_set: TrainingSet,
    training: TrainConfig,
    truth: TrainingSet,
    config: EvaluateConfig,
    *,
    refine: RefineConfig | None = None,
    device: str = "auto",
) -> Generator[Step, object, Comparison]:
    """Train each method, then compare those that could be trained; see `trainings`."""
    models = yield from trainings(specs, training_set, training, device)
    return (yield from comparisons(models, truth, None, config, refine=refine, device=device))
