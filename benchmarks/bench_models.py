"""Build every architecture on every encoder it offers, and run it once on a small input.

    python benchmarks/bench_models.py [--largest 30] [names ...]

Each pair is built and run on the meta device, which checks its shapes; those of at most
`--largest` million parameters are also built and run with real values, forward and backward. Prints
failures and counts.
"""

import argparse
import warnings
from itertools import product
from math import isfinite
from time import perf_counter

from napari_segkit import ModelSpec, list_models
from napari_segkit.models import Inputs, build, model_info, stride
from napari_segkit.models.meta_device import meta_device

import torch  # isort: skip

CHANNELS, CLASSES = 2, 3
SPACINGS = {2: [(1.0, 1.0)], 3: [(1.0, 1.0, 1.0), (7.5, 0.5, 0.5)]}


def input_shape(spec: ModelSpec, spacing: tuple[float, ...]) -> list[int]:
    """Two strides along each axis."""
    return [2 * step for step in stride(spec, spacing)]


def run(spec: ModelSpec, spacing: tuple[float, ...], *, backward: bool) -> float:
    """Run once in training mode; returns millions of parameters."""
    network = build(spec, Inputs(CHANNELS, CLASSES, spacing)).train()
    images = torch.rand(2, CHANNELS, *input_shape(spec, spacing))
    logits = network(images)
    if logits.shape != (2, CLASSES, *images.shape[2:]):
        raise ValueError(f"gives {tuple(logits.shape)} for {tuple(images.shape)}")
    if backward:
        logits.mean().backward()
        if not isfinite(logits.sum().item()):
            raise ValueError("gives values that are not finite")
    return sum(p.numel() for p in network.parameters()) / 1e6


def try_pair(spec: ModelSpec, spacing: tuple[float, ...], largest: float) -> str:
    """Result of a pair: "shapes", "values", or why it failed."""
    try:
        with meta_device():
            size = run(spec, spacing, backward=False)
        if size > largest:
            return "shapes"
        run(spec, spacing, backward=True)
    except Exception as error:  # noqa: BLE001 - any failure counts
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return "values"


def main() -> None:
    """Try the named models, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[m.name for m in list_models()])
    parser.add_argument("--largest", type=float, default=30, help="million parameters")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    totals: dict[str, int] = {}
    for name in args.names:
        info, start, counts = model_info(name), perf_counter(), {}
        spacings = [s for ndim in info.dims for s in SPACINGS[ndim]]
        for encoder, spacing in product(info.encoders, spacings):
            result = try_pair(ModelSpec(name, encoder=encoder), spacing, args.largest)
            key = result if result in ("shapes", "values") else "failed"
            counts[key] = counts.get(key, 0) + 1
            totals[key] = totals.get(key, 0) + 1
            if key == "failed":
                print(f"  {name} {encoder} {spacing}: {result}", flush=True)
        print(f"{name}: {counts}, {perf_counter() - start:.0f} s", flush=True)
    print(f"all: {totals}")


if __name__ == "__main__":
    main()
