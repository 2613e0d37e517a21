"""The CRF against exact mean field and against pydensecrf2: error, time, memory.

    python benchmarks/crf.py error --data FOLDER
    python benchmarks/crf.py time --data FOLDER
    python benchmarks/crf.py scale
    python benchmarks/crf.py blocks --data FOLDER

pydensecrf2 is of the extra `bench` and needs a compiler and `cython<3`. Both do the same work:
five rounds, smoothness 3 (sigma 3), appearance 10, Potts, set-up included. `error` takes crops of
96 x 96 pixels and 24 x 24 x 24 voxels, `time` takes turns and prints medians.
"""

import argparse
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from imageio.v3 import imread
from tifffile import imread as read_tiff

from napari_segkit import CRFConfig, smooth
from napari_segkit.refinement import smooth as smoothing
from napari_segkit.refinement.crf.mean_field import mean_field
from napari_segkit.refinement.crf.permutohedral_lattice import BilateralKernel
from napari_segkit.refinement.crf.spatial_gaussian import SpatialKernel

import torch  # isort: skip

Case = tuple[str, np.ndarray, int]  # name, image, spatial dimensions
SIGMAS = 3.0, 20.0, 13.0
ROUNDS = 5


def noisy(image: np.ndarray, classes: int, ndim: int) -> np.ndarray:
    """Probabilities as a weak model gives them: by intensity, with noise."""
    grey = image.mean(axis=-1) if image.ndim > ndim else image.astype(float)
    middles = np.quantile(grey, np.linspace(0, 1, 2 * classes + 1)[1::2])
    spread = grey.std() / classes + 1e-6
    logits = np.stack([-0.5 * ((grey - m) / spread) ** 2 for m in middles])
    return softmax(logits + np.random.default_rng(0).normal(0, 1, logits.shape)).astype(np.float32)


def softmax(values: np.ndarray) -> np.ndarray:
    values = np.exp(values - values.max(axis=0))
    return values / values.sum(axis=0)


def exact(maps: np.ndarray, image: np.ndarray, far: float) -> np.ndarray:
    """Mean field over every pair of pixels, in float64."""
    shape, near, contrast = maps.shape[1:], SIGMAS[0], SIGMAS[2]
    places = np.stack(np.indices(shape)).reshape(len(shape), -1).astype(float)
    seen = channels_first(image, len(shape)).reshape(-1, places.shape[1]) / contrast
    kernels = [kernel(places / near, 3.0), kernel(np.concatenate([places / far, seen]), 10.0)]
    unary = np.log(maps.reshape(len(maps), -1).astype(float).clip(1e-6))
    marginals = softmax(unary)
    for _ in range(ROUNDS):
        marginals = softmax(unary + sum(marginals @ k for k in kernels))
    return marginals.reshape(maps.shape)


def kernel(points: np.ndarray, weight: float) -> np.ndarray:
    square = (points**2).sum(0)
    values = np.exp(-0.5 * (square[:, None] + square - 2 * points.T @ points).clip(0))
    scale = 1 / np.sqrt(values.sum(1))
    values *= weight * scale[:, None]
    values *= scale
    return values


def ours(maps: np.ndarray, image: np.ndarray, far: float) -> np.ndarray:
    """What `smooth` does, with sigmas in absolute intensities."""
    ndim = maps.ndim - 1
    seen = channels_first(image, ndim).astype(np.float32) / np.float32(SIGMAS[2])
    with torch.inference_mode():
        start = torch.from_numpy(maps)
        kernels = [
            (3.0, SpatialKernel(maps.shape[1:], [SIGMAS[0]] * ndim, start.device)),
            (10.0, BilateralKernel(torch.from_numpy(seen), [far] * ndim)),
        ]
        return mean_field(start, kernels, ROUNDS).numpy()


def peer(maps: np.ndarray, image: np.ndarray, far: float) -> np.ndarray:
    """The same by pydensecrf2."""
    from pydensecrf.densecrf import DenseCRF
    from pydensecrf.utils import create_pairwise_bilateral, create_pairwise_gaussian

    shape, near, contrast = maps.shape[1:], SIGMAS[0], SIGMAS[2]
    model = DenseCRF(int(np.prod(shape)), len(maps))
    model.setUnaryEnergy(np.ascontiguousarray(-np.log(maps.clip(1e-6)).reshape(len(maps), -1)))
    model.addPairwiseEnergy(create_pairwise_gaussian((near,) * len(shape), shape), compat=3)
    coloured = image if image.ndim > len(shape) else image[..., None]
    energy = create_pairwise_bilateral(
        (far,) * len(shape), (contrast,) * coloured.shape[-1], coloured, chdim=coloured.ndim - 1
    )
    model.addPairwiseEnergy(energy, compat=10)
    return np.array(model.inference(ROUNDS)).reshape(maps.shape)


def channels_first(image: np.ndarray, ndim: int) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0)) if image.ndim > ndim else image[None]


def bytes_of(image: np.ndarray) -> np.ndarray:
    """From the darkest, 0, to the brightest, 255."""
    image = image.astype(float)
    return np.uint8(255 * (image - image.min()) / np.ptp(image))


def photographs(data: Path) -> list[np.ndarray]:
    images = [imread(f) for f in sorted((data / "coco_stuff/images").glob("*.jpg"))]
    return [image for image in images if image.ndim == 3]


def crops(data: Path) -> Iterator[Case]:
    """Three each of micrographs, grey and RGB, photographs and volumes."""
    for file in sorted((data / "dsb2018_fluo/images").iterdir())[:3]:
        yield "fluorescence", bytes_of(imread(file)[:96, :96]), 2
    for file in sorted((data / "isbi2012_em/images").iterdir())[:3]:
        yield "electrons", bytes_of(imread(file)[:96, :96]), 2
    for file in sorted((data / "dsb2018_colour/images").iterdir())[:3]:
        yield "stained, RGB", imread(file)[100:196, 100:196, :3], 2
    for image in photographs(data)[:3]:
        yield "photograph, RGB", image[100:196, 100:196], 2
        yield "photograph, grey", image[100:196, 100:196].mean(axis=-1).astype(np.uint8), 2
    for file in sorted((data / "nuclei3d_ovule/images").glob("*.tif"))[:2]:
        yield "volume", bytes_of(_middle(read_tiff(file))), 3


def _middle(volume: np.ndarray) -> np.ndarray:
    return volume[tuple(slice(n // 2 - 12, n // 2 + 12) for n in volume.shape)]


def error(given: argparse.Namespace) -> None:
    """Mean difference of the marginals from the exact ones, and the labels that agree."""
    worse = 0
    for name, image, ndim in crops(given.data):
        for classes in (2, 4):
            maps = noisy(image, classes, ndim)
            right = exact(maps, image, SIGMAS[1])
            figures = []
            for run in (ours, peer):
                found = run(maps, image, SIGMAS[1])
                agreed = (found.argmax(0) == right.argmax(0)).mean()
                figures += [np.abs(found - right).mean(), agreed]
            worse += figures[0] > figures[2] or figures[1] < figures[3]
            print(
                f"{name:<18}{classes} classes  ours {figures[0]:.5f}, {figures[1]:.2%}   "
                f"pydensecrf2 {figures[2]:.5f}, {figures[3]:.2%}",
                flush=True,
            )
    print(f"{worse} cases with a larger error or fewer labels than pydensecrf2")


def time(given: argparse.Namespace) -> None:
    """Seconds side by side, taking turns; appearance reaches 80 pixels."""
    photograph = np.tile(photographs(given.data)[0], (3, 3, 1))
    grey = photograph.mean(axis=-1).astype(np.uint8)
    file = sorted((given.data / "nuclei3d_ovule/images").glob("*.tif"))[0]
    volume = bytes_of(read_tiff(file)[:32, :256, :256])
    cases = [
        ("512 x 512 grey", grey[:512, :512], 2, 2),
        ("512 x 512 grey", grey[:512, :512], 2, 5),
        ("512 x 512 RGB", photograph[:512, :512], 2, 2),
        ("512 x 512 RGB", photograph[:512, :512], 2, 5),
        ("1024 x 1024 grey", grey[:1024, :1024], 2, 2),
        ("32 x 256 x 256", volume, 3, 2),
    ]
    for name, image, ndim, classes in cases:
        maps = noisy(image, classes, ndim)
        seconds = [[_timed(run, maps, image) for run in (ours, peer)] for _ in range(given.repeats)]
        one, other = (median(column) for column in zip(*seconds, strict=True))
        print(
            f"{name:<18}{classes} classes  ours {one:.3f} s  pydensecrf2 {other:.3f} s  "
            f"ratio {one / other:.2f}",
            flush=True,
        )


def _timed(run: Callable[..., np.ndarray], maps: np.ndarray, image: np.ndarray) -> float:
    began = perf_counter()
    run(maps, image, 80.0)
    return perf_counter() - began


def scale(given: argparse.Namespace) -> None:
    """Time and peak memory of `smooth` over sizes and classes, each in a process of its own."""
    for edge, classes in [(512, 2), (1024, 2), (2048, 2), (4096, 2), (1024, 5), (1024, 10)]:
        run = [sys.executable, __file__, "one", "--edge", str(edge), "--classes", str(classes)]
        print(subprocess.run(run, capture_output=True, text=True, check=True).stdout, end="")


def one(given: argparse.Namespace) -> None:
    rng, shape = np.random.default_rng(0), (given.edge, given.edge)
    image = np.zeros(shape, np.uint8)  # squares of 32 pixels, with noise
    image += np.kron(
        rng.integers(0, 200, (given.edge // 32,) * 2, np.uint8), np.ones((32, 32), np.uint8)
    )
    image += rng.integers(0, 20, shape, np.uint8)
    maps = rng.random((given.classes, *shape), np.float32)
    maps /= maps.sum(axis=0)
    smooth(maps[:, :64, :64].copy(), image[:64, :64])  # what is imported at first
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = perf_counter()
    strong = {"smoothness_weight": 3, "smoothness_sigma": 3, "appearance_weight": 10}
    smooth(maps, image, CRFConfig(**strong, appearance_sigma=20, intensity_sigma=0.05))
    seconds = perf_counter() - began
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        f"{given.edge} x {given.edge}, {given.classes} classes: {seconds:.2f} s, "
        f"{seconds / image.size * 1e6:.2f} s and {peak / image.size:.0f} bytes per pixel"
    )


def blocks(given: argparse.Namespace) -> None:
    """Labels that are the same block by block and whole."""
    for image in (np.tile(photographs(given.data)[0], (3, 3, 1))[:1200, :1200],):
        for name, picture in (("RGB", image), ("grey", image.mean(axis=-1))):
            maps = noisy(picture, 3, 2)
            whole = smooth(maps, picture).argmax(0)
            smoothing.LARGEST, before = 600 * 600, smoothing.LARGEST
            parts = smooth(maps, picture).argmax(0)
            smoothing.LARGEST = before
            print(f"{name}: {(whole == parts).mean():.4%} of the labels as in the whole")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["error", "time", "scale", "blocks", "one"])
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--classes", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.what != "one":
        print(f"{platform.platform()}, torch {torch.__version__}, {given.threads} threads")
    {"error": error, "time": time, "scale": scale, "blocks": blocks, "one": one}[given.what](given)


if __name__ == "__main__":
    main()
