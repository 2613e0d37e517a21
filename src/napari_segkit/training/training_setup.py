"""All that a training is started with."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import torch

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.trained_model import TrainedModel

from .dataset import TrainingData
from .held_out import NOTHING, HeldOut
from .live_labels import LiveLabels
from .scoring import ScorePixels, Validate
from .state_file import Fingerprints, model_settings


@dataclass(frozen=True, eq=False)
class TrainingSetup:
    """All that a training is started with.

    Parameters
    ----------
    spec : ModelSpec
        Which model.
    data : TrainingData
        Images and targets.
    config : TrainConfig
        Settings.
    device : device
        Where to compute.
    held_out : HeldOut
        What is held out, which the model file records.
    validate : Validate, optional
        Scores models on what is held out; the weights that do best are kept.
    score_pixels : ScorePixels, optional
        Scores pixels whose classes were predicted by folds.
    resume : path-like, optional
        A saved `TrainingState` to go on from.
    start : TrainedModel, optional
        A model whose weights the training begins with.
    learning_rates : sequence of float
        The learning rate of each step; empty: as the settings say.
    live : LiveLabels, optional
        Labels that are added to during the training.
    """

    spec: ModelSpec
    data: TrainingData
    config: TrainConfig
    device: torch.device
    held_out: HeldOut = NOTHING
    validate: Validate | None = None
    score_pixels: ScorePixels | None = None
    resume: str | PathLike[str] | None = None
    start: TrainedModel | None = None
    learning_rates: Sequence[float] = ()
    live: LiveLabels | None = None

    def fingerprints(self) -> list[Fingerprints]:
        """Of each image, and of its labels unless they may change."""
        known = self.data.fingerprints()
        return known if self.live is None else [(name, image, "") for name, image, _ in known]

    def held_out_fingerprints(self) -> list[Fingerprints]:
        """Of each image that is held out, and of its labels; of none if that may change."""
        if self.live is not None:
            return []
        prints_of = self.data.labelled.prints_of
        return [(one.image.name, *prints_of(one.image)) for one in self.held_out.images]


def settings_of(setup: TrainingSetup) -> dict[str, object]:
    """What a training must share with a saved state to go on from it, by name."""
    inputs = setup.data.inputs
    return {
        "model": setup.spec.name,
        "classes": [f"{c.value} {c.name}" for c in setup.data.classes],
        "channels": inputs.channels,
        "spacing": list(inputs.spacing),
        **model_settings(setup.spec, setup.config),
        "validation images": len(setup.data.labelled.validation),
    }
