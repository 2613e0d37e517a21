"""Two workers of a Dask cluster against one, and against this process, one thread each.

    python benchmarks/cluster.py [--size 4096] [--repeats 3] [--quick]

A light U-Net without training predicts noise; workers are warm (imported, model loaded), and the
clusters take turns. Prints a row of a table: seconds here, with one and with two workers, the ratio
of these two, and whether all labels are the same.
"""

import argparse
from contextlib import ExitStack
from statistics import median
from time import perf_counter

import numpy as np
import torch
from distributed import Client, LocalCluster
from light_unet import light_unet

from napari_segkit import ClusterConfig


def versions() -> dict[str, str]:
    """A task that loads what a worker needs."""
    from napari_segkit.cluster import worker

    return worker.versions()


def warm(cluster: LocalCluster) -> ClusterConfig:
    """Have all workers import what they need."""
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(len(cluster.workers))
        client.run(versions)
    return ClusterConfig(cluster.scheduler_address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    size, repeats = (1024, 1) if args.quick else (args.size, args.repeats)
    torch.set_num_threads(1)
    image = np.random.default_rng(0).integers(0, 255, (size, size), np.uint8)
    segmenter = light_unet()
    with ExitStack() as clusters:
        places = [None, *(warm(clusters.enter_context(local(count))) for count in (1, 2))]
        labels = [segmenter.predict(image, cluster=place) for place in places]
        seconds = [[] for _ in places]
        for _ in range(repeats):
            for place, taken in zip(places, seconds, strict=True):
                began = perf_counter()
                segmenter.predict(image, cluster=place)
                taken.append(perf_counter() - began)
    alone, one, two = map(median, seconds)
    same = all(np.array_equal(labels[0], other) for other in labels[1:])
    print("| image | here | one worker | two workers | ratio | labels |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {size}² | {alone:.1f} s | {one:.1f} s | {two:.1f} s | {one / two:.2f} | "
        f"{'the same' if same else 'DIFFERENT'} |"
    )


def local(workers: int) -> LocalCluster:
    """A cluster on this machine with so many processes of one thread."""
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")


if __name__ == "__main__":
    main()
