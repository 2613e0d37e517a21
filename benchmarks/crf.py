"""Time and memory of the CRF by size and classes, and labels with and without blocks.

    python -m benchmarks.crf scale
    python -m benchmarks.crf blocks --data FOLDER

Beside pydensecrf2 and exact kernels: `python -m benchmarks.peers crf crf-error`.
"""

import argparse
import platform
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from imageio.v3 import imread

from benchmarks.peers.rows.crf import noisy_probabilities
from napari_segkit import CRFConfig, smooth
from napari_segkit.refinement import smoothing_method

import torch  # isort: skip


def photographs(data: Path) -> list[np.ndarray]:
    images = [imread(f) for f in sorted((data / "coco_stuff/images").glob("*.jpg"))]
    return [image for image in images if image.ndim == 3]


def scale(args: argparse.Namespace) -> None:
    """Time and peak memory of `smooth` by size and classes, each in a separate process."""
    for edge, classes in [(512, 2), (1024, 2), (2048, 2), (4096, 2), (1024, 5), (1024, 10)]:
        size = ["--edge", str(edge), "--classes", str(classes)]
        run = [sys.executable, "-m", "benchmarks.crf", "single", *size]
        print(subprocess.run(run, capture_output=True, text=True, check=True).stdout, end="")


def single(args: argparse.Namespace) -> None:
    rng, shape = np.random.default_rng(0), (args.edge, args.edge)
    image = np.zeros(shape, np.uint8)  # squares of 32 pixels, with noise
    image += np.kron(
        rng.integers(0, 200, (args.edge // 32,) * 2, np.uint8), np.ones((32, 32), np.uint8)
    )
    image += rng.integers(0, 20, shape, np.uint8)
    maps = rng.random((args.classes, *shape), np.float32)
    maps /= maps.sum(axis=0)
    smooth(maps[:, :64, :64].copy(), image[:64, :64])  # imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = perf_counter()
    strong = {"smoothness_weight": 3, "smoothness_sigma": 3, "appearance_weight": 10}
    smooth(maps, image, CRFConfig(**strong, appearance_sigma=20, intensity_sigma=0.05))
    seconds = perf_counter() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        f"{args.edge} x {args.edge}, {args.classes} classes: {seconds:.2f} s, "
        f"{seconds / image.size * 1e6:.2f} s and {peak / image.size:.0f} bytes per pixel"
    )


def blocks(args: argparse.Namespace) -> None:
    """Share of labels that are the same block by block and in one piece."""
    for image in (np.tile(photographs(args.data)[0], (3, 3, 1))[:1200, :1200],):
        for name, picture in (("RGB", image), ("grey", image.mean(axis=-1))):
            maps = noisy_probabilities(picture, 3, 2)
            whole = smooth(maps, picture).argmax(0)
            smoothing_method.MAX_BLOCK, before = 600 * 600, smoothing_method.MAX_BLOCK
            parts = smooth(maps, picture).argmax(0)
            smoothing_method.MAX_BLOCK = before
            print(f"{name}: {(whole == parts).mean():.4%} of the labels are equal")


BENCHMARKS = {"scale": scale, "blocks": blocks, "single": single}


def main() -> None:
    """Run the chosen benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--classes", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.what != "single":
        print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    BENCHMARKS[args.what](args)


if __name__ == "__main__":
    main()
