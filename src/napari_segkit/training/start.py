"""Go on with the weights of a trained model: more or corrected images, more classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.instances.level_targets import LEVELS
from napari_segkit.models import outputs
from napari_segkit.tensor_file import network_tensors
from napari_segkit.trained_model import TrainedModel

from .dataset import TrainingData
from .state import load_weights

MODEL = ("name", "encoder", "objects", "neighbour_slices")  # of `ModelSpec`: the network
INTENSITIES = ("normalise", "voxel_size")  # of `TrainConfig`: what the network is given
ANEW = "or train without start"


def require_same_network(model: TrainedModel, spec: ModelSpec, config: TrainConfig) -> None:
    """Refuse another architecture or preparation of images than those of the trained model."""
    for old, new, names in ((model.spec, spec, MODEL), (model.config, config, INTENSITIES)):
        for name in names:
            before, now = getattr(old, name), getattr(new, name)
            if before != now:
                raise ValueError(
                    f"start='current' goes on with a model of {name} {before}, but {name} is now "
                    f"{now}: choose {before}, {ANEW}."
                )


def prepared_as(model: TrainedModel, data: TrainingData) -> TrainingData:
    """The data, normalised as for the trained model; ValueError if they do not suit it."""
    if problem := next(_problems(model, data), None):
        raise ValueError(f"start='current' is not possible: {problem}. Change that, {ANEW}.")
    return data if model.statistics is None else data.normalised(model.statistics)


def take_weights(network: nn.Module, model: TrainedModel, data: TrainingData) -> None:
    """Copy the weights of the trained model; those of added classes stay as they are."""
    values, objects_by = [c.value for c in data.classes], model.spec.objects
    levels = LEVELS[objects_by] if objects_by else 1
    places = [p for v in model.values for p in _outputs_of(values.index(v), levels)]
    rows = _Rows(places, outputs(model.spec, len(model.values)), data.inputs.classes)
    old, new = network_tensors(model.network), network_tensors(network)
    load_weights(network, {n: rows.placed(old[n], t) if n in old else t for n, t in new.items()})


def _problems(model: TrainedModel, data: TrainingData) -> Iterator[str]:
    """What of the images and labels does not suit the model."""
    images = [image for image, _ in data.labelled.pairs]
    name, channels = images[0].name, data.inputs.channels
    if channels != model.channels:
        yield f"{name} has {channels} channels, and the model was trained on {model.channels}"
    names = images[0].channel_names, model.channel_names
    if all(names) and names[0] != names[1]:
        own, before = map(", ".join, names)
        yield f"the channels of {name} are {own}, and those of the model {before}"
    if data.ndim != model.ndim:
        yield f"{name} would be trained on in {data.ndim}D, and the model is one of {model.ndim}D"
    for note in filter(None, map(model.pixel_size_note, images)):
        yield note.split(":")[0]
    orientations = images[0].orientation, model.orientation
    if all(orientations) and len(set(orientations)) > 1:
        yield f"{name} has the orientation {orientations[0]}, and the model {orientations[1]}"
    if data.nonzero != model.nonzero:
        yield (
            "only one of these images and those of the model have a background of zeros, which "
            "the normalisation leaves out"
        )
    values = {c.value for c in data.classes}
    lost = [f"{c.name} ({c.value})" for c in model.classes if c.value not in values]
    if lost:
        yield f"the labels have nothing of {', '.join(lost)}, which the model has learned"


def _outputs_of(position: int, levels: int) -> range:
    """The outputs of a class: one for the first, which may be background, else its levels."""
    return range(1) if position == 0 else range(1 + (position - 1) * levels, 1 + position * levels)


@dataclass(frozen=True)
class _Rows:
    """Where the outputs of the trained network are among those of the new one."""

    places: Sequence[int]
    before: int
    now: int

    def placed(self, old: Tensor, new: Tensor) -> Tensor:
        """The old weights, where a layer has more outputs in the rows of their classes."""
        if old.shape == new.shape:
            return old
        differing = [
            a
            for a, pair in enumerate(zip(old.shape, new.shape, strict=False))
            if len(set(pair)) > 1
        ]
        if old.ndim != new.ndim or len(differing) != 1:
            raise _other_network()
        axis = differing[0]
        index = self._index(old.shape[axis], new.shape[axis])
        return new.clone().index_copy_(
            axis, torch.tensor(index, device=new.device), old.to(new.device)
        )

    def _index(self, old: int, new: int) -> list[int]:
        """Places of all rows; an output may have several, and the first one may have none."""
        for skipped in (0, 1):
            each, rest = divmod(old, self.before - skipped)
            if rest == 0 and new == each * (self.now - skipped):
                starts = [(p - skipped) * each for p in self.places if p >= skipped]
                return [start + k for start in starts for k in range(each)]
        raise _other_network()


def _other_network() -> ValueError:
    return ValueError(
        "start='current' is not possible: these images or settings give another network than that "
        f"of the model. Choose the same, {ANEW}."
    )
