"""CPU time of boundary distances and of metrics of objects beside other libraries, on one thread.

    OMP_NUM_THREADS=1 python benchmarks/distances.py [--edge 256] [--objects 5000] [--rounds 3]

95 % Hausdorff and mean surface distance of a class in two volumes; SegKit measures both classes and
the other distances, too. google's surface-distance takes part if it is installed. Then all metrics
of many objects in two images of 2048 x 2048 pixels. Rounds take turns; the least time counts.
"""

import argparse
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from time import process_time

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_segkit import evaluate

SPACING = (2.0, 0.7, 0.7)
Pair = tuple[NDArray[np.int32], NDArray[np.int32]]


def balls(edge: int) -> Pair:
    """A prediction and a truth: a ball with an uneven surface, and one beside it."""
    rng, centre = np.random.default_rng(0), edge / 2
    away = np.linalg.norm(np.indices((edge,) * 3, np.float32) - centre, axis=0)
    bumps, others = (gaussian_filter(rng.standard_normal(away.shape), edge / 40) for _ in "ab")
    bumps, others = bumps * edge / 40 / bumps.std(), others * edge / 80 / others.std()
    truth = away < edge * 0.3 + bumps
    prediction = np.roll(away < edge * 0.31 + bumps + others, edge // 80, 0)
    return prediction.astype(np.int32), truth.astype(np.int32)


def many_objects(count: int, edge: int = 2048) -> Pair:
    """Touching discs, some of them missing or merged in the prediction."""
    rng = np.random.default_rng(0)
    seeds = np.zeros((edge, edge), np.int32)
    seeds.ravel()[rng.choice(edge**2, count, replace=False)] = np.arange(1, count + 1)
    away, nearest = distance_transform_edt(seeds == 0, return_indices=True)
    truth = np.where(away < 14, seeds[tuple(nearest)], 0)
    prediction = np.roll(truth, (2, 3), (0, 1))
    prediction[prediction % 7 == 0] = 0
    prediction[prediction % 11 == 0] = 11
    return prediction, truth


def segkit(prediction: NDArray[np.int32], truth: NDArray[np.int32]) -> list[float]:
    metrics = evaluate(prediction, truth, distances=True, spacing=SPACING).metrics
    return [metrics["hausdorff_95"][1], metrics["assd"][1]]


def monai(prediction: NDArray[np.int32], truth: NDArray[np.int32]) -> list[float]:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    pair = [torch.from_numpy(x)[None, None].float() for x in (prediction, truth)]
    shared = {"include_background": True, "spacing": SPACING}
    return [
        float(compute_hausdorff_distance(*pair, percentile=95, **shared)),
        float(compute_average_surface_distance(*pair, symmetric=True, **shared)),
    ]


def surface_distance(prediction: NDArray[np.int32], truth: NDArray[np.int32]) -> list[float]:
    import surface_distance as deepmind

    found = deepmind.compute_surface_distances(truth > 0, prediction > 0, SPACING)
    means = deepmind.compute_average_surface_distance(found)
    return [deepmind.compute_robust_hausdorff(found, 95), float(np.mean(means))]


def objects(prediction: NDArray[np.int32], truth: NDArray[np.int32]) -> list[float]:
    report = evaluate(prediction, truth, kind="instance", labels_are="objects")
    return [report.mean_ap, report.pq, report.vi_split, report.vi_merge, report.adapted_rand_error]


def compare(
    methods: list[Callable[[NDArray[np.int32], NDArray[np.int32]], list[float]]],
    pair: Pair,
    rounds: int,
) -> None:
    for method in methods:
        method(*(x[::4, ::4] for x in pair))  # imports
    times: dict[str, list[float]] = {method.__name__: [] for method in methods}
    for _ in range(rounds):
        for method in methods:
            start = process_time()
            values = method(*pair)
            times[method.__name__].append(process_time() - start)
            text = " ".join(f"{value:.4f}" for value in values)
            print(f"{method.__name__:18} {times[method.__name__][-1]:6.2f} s  {text}", flush=True)
    print({name: round(min(seconds), 2) for name, seconds in times.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=256)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # of MONAI to itself
    others = [surface_distance] if find_spec("surface_distance") else []
    print("95 % Hausdorff distance and mean surface distance")
    compare([segkit, monai, *others], balls(args.edge), args.rounds)
    print("objects: mean AP, PQ, variation of information (splits, merges), adapted Rand error")
    compare([objects], many_objects(args.objects), args.rounds)


if __name__ == "__main__":
    main()
