"""CPU time of all metrics of many objects in two images of 2048 x 2048 pixels, on one thread.

OMP_NUM_THREADS=1 python benchmarks/many_objects.py [--objects 5000] [--rounds 3]
"""

import argparse
from time import process_time

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_segkit import evaluate

Pair = tuple[NDArray[np.int32], NDArray[np.int32]]


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


def objects(prediction: NDArray[np.int32], truth: NDArray[np.int32]) -> list[float]:
    report = evaluate(prediction, truth, kind="instance", labels_are="objects")
    return [report.mean_ap, report.pq, report.vi_split, report.vi_merge, report.adapted_rand_error]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    objects(*(labels[::4, ::4] for labels in many_objects(args.objects)))  # imports
    pair = many_objects(args.objects)
    print("mean AP, PQ, variation of information (splits, merges), adapted Rand error")
    for _ in range(args.rounds):
        start = process_time()
        values = objects(*pair)
        text = " ".join(f"{value:.4f}" for value in values)
        print(f"{process_time() - start:6.2f} s  {text}", flush=True)


if __name__ == "__main__":
    main()
