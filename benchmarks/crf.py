"""The CRF compared with exact mean field and with pydensecrf2: error, time, memory.

    python benchmarks/crf.py error --data FOLDER
    python benchmarks/crf.py time --data FOLDER
    python benchmarks/crf.py scale
    python benchmarks/crf.py blocks --data FOLDER

pydensecrf2 is in the extra `bench` and needs a compiler and `cython<3`. Both do the same: five
iterations, Potts, set-up included, with settings as in the literature and with the defaults.
`error` uses crops of 96 x 96 pixels and 24 x 24 x 24 voxels, `time` runs both in turn and prints
medians (a volume that is smaller than its row says is continued by its mirror image).
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
from typing import NamedTuple

import numpy as np
from imageio.v3 import imread
from tifffile import imread as read_tiff

from napari_segkit import CRFConfig, smooth
from napari_segkit.refinement import smoothing_method
from napari_segkit.refinement.crf.mean_field import mean_field
from napari_segkit.refinement.crf.permutohedral_lattice import BilateralKernel
from napari_segkit.refinement.crf.spatial_gaussian import SpatialKernel

import torch  # isort: skip

Case = tuple[str, np.ndarray, int]  # name, image, spatial dimensions
ITERATIONS = 5


class Settings(NamedTuple):
    """Weights and sigmas, in pixels and in grey values."""

    smoothness: float
    distance: float
    appearance: float
    reach: float
    contrast: float


STRONG = Settings(smoothness=3, distance=3, appearance=10, reach=20, contrast=13)
WIDE = STRONG._replace(reach=80)
DEFAULTS = Settings(smoothness=1, distance=1, appearance=1, reach=3, contrast=25.5)


def noisy_probabilities(image: np.ndarray, classes: int, ndim: int) -> np.ndarray:
    """Probabilities like those of a weak model: from intensities, with noise."""
    grey = image.mean(axis=-1) if image.ndim > ndim else image.astype(float)
    centres = np.quantile(grey, np.linspace(0, 1, 2 * classes + 1)[1::2])
    spread = grey.std() / classes + 1e-6
    logits = np.stack([-0.5 * ((grey - m) / spread) ** 2 for m in centres])
    return softmax(logits + np.random.default_rng(0).normal(0, 1, logits.shape)).astype(np.float32)


def softmax(values: np.ndarray) -> np.ndarray:
    values = np.exp(values - values.max(axis=0))
    return values / values.sum(axis=0)


def exact_mean_field(maps: np.ndarray, image: np.ndarray, settings: Settings) -> np.ndarray:
    """Mean field over every pair of pixels, in float64."""
    shape = maps.shape[1:]
    positions = np.stack(np.indices(shape)).reshape(len(shape), -1).astype(float)
    intensities = channels_first(image, len(shape)).reshape(-1, positions.shape[1])
    features = np.concatenate([positions / settings.reach, intensities / settings.contrast])
    kernels = [
        gaussian_kernel(positions / settings.distance, settings.smoothness),
        gaussian_kernel(features, settings.appearance),
    ]
    unary = np.log(maps.reshape(len(maps), -1).astype(float).clip(1e-6))
    marginals = softmax(unary)
    for _ in range(ITERATIONS):
        marginals = softmax(unary + sum(marginals @ k for k in kernels))
    return marginals.reshape(maps.shape)


def gaussian_kernel(points: np.ndarray, weight: float) -> np.ndarray:
    square = (points**2).sum(0)
    values = np.exp(-0.5 * (square[:, None] + square - 2 * points.T @ points).clip(0))
    scale = 1 / np.sqrt(values.sum(1))
    values *= weight * scale[:, None]
    values *= scale
    return values


def own_crf(maps: np.ndarray, image: np.ndarray, settings: Settings) -> np.ndarray:
    """The same as `smooth`, with the intensity sigma in absolute values."""
    ndim = maps.ndim - 1
    intensities = channels_first(image, ndim).astype(np.float32) / np.float32(settings.contrast)
    with torch.inference_mode():
        before = torch.from_numpy(maps)
        spatial = SpatialKernel(maps.shape[1:], [settings.distance] * ndim, before.device)
        bilateral = BilateralKernel(torch.from_numpy(intensities), [settings.reach] * ndim)
        kernels = [(settings.smoothness, spatial), (settings.appearance, bilateral)]
        return mean_field(before, kernels, ITERATIONS).numpy()


def pydensecrf2(maps: np.ndarray, image: np.ndarray, settings: Settings) -> np.ndarray:
    """The same with pydensecrf2."""
    from pydensecrf.densecrf import DenseCRF
    from pydensecrf.utils import create_pairwise_bilateral, create_pairwise_gaussian

    shape = maps.shape[1:]
    model = DenseCRF(int(np.prod(shape)), len(maps))
    model.setUnaryEnergy(np.ascontiguousarray(-np.log(maps.clip(1e-6)).reshape(len(maps), -1)))
    energy = create_pairwise_gaussian((settings.distance,) * len(shape), shape)
    model.addPairwiseEnergy(energy, compat=settings.smoothness)
    coloured = image if image.ndim > len(shape) else image[..., None]
    energy = create_pairwise_bilateral(
        (settings.reach,) * len(shape),
        (settings.contrast,) * coloured.shape[-1],
        coloured,
        chdim=coloured.ndim - 1,
    )
    model.addPairwiseEnergy(energy, compat=settings.appearance)
    return np.array(model.inference(ITERATIONS)).reshape(maps.shape)


def channels_first(image: np.ndarray, ndim: int) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0)) if image.ndim > ndim else image[None]


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Scale linearly to 0 to 255."""
    image = image.astype(float)
    return np.uint8(255 * (image - image.min()) / np.ptp(image))


def photographs(data: Path) -> list[np.ndarray]:
    images = [imread(f) for f in sorted((data / "coco_stuff/images").glob("*.jpg"))]
    return [image for image in images if image.ndim == 3]


def crops(data: Path) -> Iterator[Case]:
    """Crops of micrographs, photographs (grey and RGB) and volumes."""
    for file in sorted((data / "dsb2018_fluo/images").iterdir())[:3]:
        yield "fluorescence", to_uint8(imread(file)[:96, :96]), 2
    for file in sorted((data / "isbi2012_em/images").iterdir())[:3]:
        yield "electron microscopy", to_uint8(imread(file)[:96, :96]), 2
    for file in sorted((data / "dsb2018_colour/images").iterdir())[:3]:
        yield "stained, RGB", imread(file)[100:196, 100:196, :3], 2
    for image in photographs(data)[:3]:
        yield "photograph, RGB", image[100:196, 100:196], 2
        yield "photograph, grey", image[100:196, 100:196].mean(axis=-1).astype(np.uint8), 2
    for file in sorted((data / "nuclei3d_ovule/images").glob("*.tif"))[:2]:
        yield "volume", to_uint8(_central_crop(read_tiff(file))), 3


def _central_crop(volume: np.ndarray) -> np.ndarray:
    return volume[tuple(slice(n // 2 - 12, n // 2 + 12) for n in volume.shape)]


def error(args: argparse.Namespace) -> None:
    """Mean difference from the exact marginals, and share of equal labels."""
    for title, settings in (("strong", STRONG), ("defaults", DEFAULTS)):
        worse = 0
        for name, image, ndim in crops(args.data):
            for classes in (2, 4):
                maps = noisy_probabilities(image, classes, ndim)
                expected = exact_mean_field(maps, image, settings)
                metrics = []
                for run in (own_crf, pydensecrf2):
                    marginals = run(maps, image, settings)
                    agreement = (marginals.argmax(0) == expected.argmax(0)).mean()
                    metrics += [np.abs(marginals - expected).mean(), agreement]
                worse += metrics[0] > metrics[2] or metrics[1] < metrics[3]
                print(
                    f"{title:<9}{name:<20}{classes} classes  "
                    f"napari-segkit {metrics[0]:.5f}, {metrics[1]:.2%}   "
                    f"pydensecrf2 {metrics[2]:.5f}, {metrics[3]:.2%}",
                    flush=True,
                )
        print(f"{title}: {worse} cases with a larger error or lower agreement than pydensecrf2")


def time(args: argparse.Namespace) -> None:
    """Seconds of both, run in turn."""
    photograph = np.tile(photographs(args.data)[0], (3, 3, 1))
    grey = photograph.mean(axis=-1).astype(np.uint8)
    file = sorted((args.data / "nuclei3d_ovule/images").glob("*.tif"))[0]
    volume = mirrored(to_uint8(read_tiff(file)), (32, 256, 256))
    cases = [
        ("512 x 512 grey", grey[:512, :512], 2, 2),
        ("512 x 512 grey", grey[:512, :512], 2, 5),
        ("512 x 512 RGB", photograph[:512, :512], 2, 2),
        ("512 x 512 RGB", photograph[:512, :512], 2, 5),
        ("1024 x 1024 grey", grey[:1024, :1024], 2, 2),
        ("32 x 256 x 256", volume, 3, 2),
    ]
    for title, settings in (("80 pixels", WIDE), ("defaults", DEFAULTS)):
        for name, image, ndim, classes in cases:
            maps = noisy_probabilities(image, classes, ndim)
            seconds = [
                [_timed(run, maps, image, settings) for run in (own_crf, pydensecrf2)]
                for _ in range(args.repeats)
            ]
            own, other = (median(column) for column in zip(*seconds, strict=True))
            print(
                f"{title:<11}{name:<18}{classes} classes  napari-segkit {own:.3f} s  "
                f"pydensecrf2 {other:.3f} s  ratio {own / other:.2f}",
                flush=True,
            )


def mirrored(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Crop or continue by mirror images to a shape."""
    missing = [(0, max(0, n - m)) for n, m in zip(shape, volume.shape, strict=True)]
    return np.pad(volume, missing, mode="symmetric")[tuple(slice(n) for n in shape)]


def _timed(
    run: Callable[..., np.ndarray], maps: np.ndarray, image: np.ndarray, settings: Settings
) -> float:
    start = perf_counter()
    run(maps, image, settings)
    return perf_counter() - start


def scale(args: argparse.Namespace) -> None:
    """Time and peak memory of `smooth` by size and classes, each in a separate process."""
    for edge, classes in [(512, 2), (1024, 2), (2048, 2), (4096, 2), (1024, 5), (1024, 10)]:
        run = [sys.executable, __file__, "single", "--edge", str(edge), "--classes", str(classes)]
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


BENCHMARKS = {"error": error, "time": time, "scale": scale, "blocks": blocks, "single": single}


def main() -> None:
    """Run the chosen benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--repeats", type=int, default=5)
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
