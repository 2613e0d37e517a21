"""Batches that do not fit into memory are computed in parts."""

import warnings
from collections.abc import Iterator, Sequence
from math import ceil, prod

from napari_segkit.devices import free_memory

from .training_setup import TrainingSetup

AT_MOST = 2**15  # bytes per pixel of a batch; hardly a network needs more


def even_parts(count: int, parts: int, first: int = 0) -> Iterator[slice]:
    """Slices of almost equal lengths, from `first` on."""
    for part in range(parts):
        yield slice(first + part * count // parts, first + (part + 1) * count // parts)


def less_at_once(count: int, parts: int) -> str:
    """What a warning says of a batch in so many parts."""
    return (
        f"Memory ran out, so each batch of {count} is now computed in {parts} parts of at most "
        f"{ceil(count / parts)}; only batch normalisation is not as with the whole batch."
    )


def parts_that_fit(setup: TrainingSetup, patch: Sequence[int], size: int, most: int) -> int:
    """The fewest parts of a batch of `size`, at most `most`, that fit into free memory.

    Warns above one.
    """
    from napari_segkit.models.memory_estimate import estimate_memory

    device = str(setup.device)
    free = free_memory(device)
    if size * prod(patch) * AT_MOST < free:
        return 1
    pair, whole = (
        estimate_memory(setup.spec, setup.data.inputs, tuple(patch), count).training_memory
        for count in (2, 4)
    )
    per_image = (whole - pair) / 2
    weights = pair - 2 * per_image

    def needed(parts: int) -> float:
        return weights + per_image * ceil(size / parts)

    parts = 1
    while needed(parts) > free and 2 * parts <= most:
        parts *= 2
    gib = 2**30
    said = f"A batch of {size} patches needs about {needed(1) / gib:.1f} GiB"
    there = f"and {free / gib:.1f} GiB are free on {device}"
    if needed(parts) > free:
        warnings.warn(
            f"{said}, {needed(parts) / gib:.1f} GiB in {parts} parts, {there}: choose a smaller "
            "tile_size or encoder if memory runs out.",
            UserWarning,
            stacklevel=4,
        )
    elif parts > 1:
        warnings.warn(
            f"{said}, {there}: it is computed in {parts} parts of at most {ceil(size / parts)}; "
            "only batch normalisation is not as with the whole batch.",
            UserWarning,
            stacklevel=4,
        )
    return parts
