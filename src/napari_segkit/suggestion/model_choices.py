"""What follows the model that is suggested: initial weights and the size of batches."""

from dataclasses import replace

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import Inputs, model_info, outputs, resolve
from napari_segkit.models import stride as stride_of
from napari_segkit.tiling import TILE, round_up

from .facts import Budget, Facts
from .reason import Reason

BATCHES = {2: (16, 8, 4), 3: (4, 2)}  # by dimensions
MEMORY_PART = 3  # a third of the free memory: a training shares it with predictions


def imagenet_weights(
    spec: ModelSpec, config: TrainConfig, facts: Facts, budget: Budget
) -> Reason | None:
    """Weights of photographs for images in colour, if they are on this computer."""
    from napari_segkit.models.weights.pretrained import cached

    info = model_info(spec.name)
    if not facts.is_rgb or info.features or "imagenet" not in info.weights:
        return None
    if not cached(resolve(replace(spec, weights="imagenet"))):
        return None
    text = "The images have colours, and weights trained on photographs are on this computer."
    return Reason("weights", "imagenet", text)


def batch_size(spec: ModelSpec, config: TrainConfig, facts: Facts, budget: Budget) -> Reason | None:
    """The largest batch that fits a third of the memory of a graphics card; two blocks on a CPU."""
    if "batch_size" in model_info(spec.name).unused:
        return None
    if not budget.is_cpu:
        return _largest_batch(spec, config, facts, budget)
    if _ndim(spec) == 3:
        return Reason("batch_size", 2, "On a CPU two blocks at a time, for more steps.")
    return None


def _largest_batch(
    spec: ModelSpec, config: TrainConfig, facts: Facts, budget: Budget
) -> Reason | None:
    from napari_segkit.models.memory_estimate import estimate_memory

    inputs, patch = _inputs(spec, config, facts), _patch(spec, config, facts)
    for size in BATCHES[_ndim(spec)]:
        memory = estimate_memory(resolve(spec), inputs, patch, size).training_memory
        if memory * MEMORY_PART <= budget.memory:
            shape = " x ".join(map(str, patch))
            text = (
                f"Patches of {shape} pixels in batches of {size} take {memory / 2**30:.1f} of "
                f"{budget.memory / 2**30:.1f} GiB."
            )
            return Reason("batch_size", size, text)
    return None


def _ndim(spec: ModelSpec) -> int:
    return 3 if spec.dims == "3D" else 2


def _inputs(spec: ModelSpec, config: TrainConfig, facts: Facts) -> Inputs:
    ndim = _ndim(spec)
    values = {v for v in facts.counts if v != config.unlabelled}
    classes = 2 if facts.objects else max(2, len(values))
    return Inputs(facts.channels, outputs(spec, classes, config), facts.spacing[-ndim:])


def _patch(spec: ModelSpec, config: TrainConfig, facts: Facts) -> tuple[int, ...]:
    ndim = _ndim(spec)
    strides = stride_of(resolve(spec), facts.spacing[-ndim:])
    edge = config.tile.tile_size or TILE[ndim]
    shape = (min(edge, length) for length in facts.shape[-ndim:])
    return tuple(map(round_up, shape, strides))
