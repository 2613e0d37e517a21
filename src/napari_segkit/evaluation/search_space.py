"""Values that a search for refinement settings tries."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import change

Candidates = Callable[[float], list[float | None]]  # from the initial value


def multiples(*factors: float) -> Candidates:
    """Candidate values as multiples of the initial value."""
    return lambda start: [float(f"{start * f:.4g}") for f in factors]


def fixed_values(*values: float | None) -> Candidates:
    """Candidate values independent of the initial value."""
    return lambda _: list(values)


SEARCH_SPACE = {
    "crf": {
        "appearance_weight": fixed_values(3.0, 10.0, 30.0),
        "intensity_sigma": fixed_values(0.02, 0.05, 0.1, 0.2),
        "appearance_sigma": multiples(0.25, 0.5, 2, 4),
        "smoothness_weight": fixed_values(0.0, 1.0, 3.0, 10.0),
        "smoothness_sigma": multiples(0.5, 2),
    },
    "mrf": {
        "weight": fixed_values(0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
        "intensity_sigma": fixed_values(None, 0.03, 0.1, 0.3),
        "diagonals": fixed_values(False, True),
    },
    "superpixels": {
        "size": multiples(0.5, 0.7, 1.4, 2, 3),
        "compactness": multiples(0.1, 0.3, 3, 10),
    },
}

# a parameter has no effect where one of these weights is 0
REQUIRED_WEIGHTS = {
    "intensity_sigma": ("appearance_weight", "weight"),
    "appearance_sigma": ("appearance_weight",),
    "smoothness_sigma": ("smoothness_weight",),
    "diagonals": ("weight",),
}


def variants(config: RefineConfig, name: str) -> Iterator[RefineConfig]:
    """Configs with other valid values of one parameter; none if it has no effect."""
    smoother, method = config.smoother, config.method
    weights = [getattr(smoother, weight, 1) for weight in REQUIRED_WEIGHTS.get(name, ())]
    if smoother is None or method is None or 0 in weights:
        return
    for value in SEARCH_SPACE[method][name](getattr(smoother, name)):
        with suppress(ValueError):  # a value may be outside the limits of the method
            variant = change(config, {method: change(smoother, {name: value})})
            if variant != config:
                yield variant
