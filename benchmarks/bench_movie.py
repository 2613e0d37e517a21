"""Frames per second of the lightest methods on a movie, (T, Y, X, C) as read from a file.

    python benchmarks/bench_movie.py [--frames 8] [--repeats 3] [--threads 2] [models ...]

A model is METHOD or METHOD:ENCODER. Each is trained for two steps, which is enough for its speed,
and predicts movies of 256 x 256 and 512 x 512 frames in three colours. Beside it stand the frames
per second of the bare network, one pass for each frame; both run in turn, medians over the repeats.
The movie is also read as (T, C, Y, X), which must give the same labels.
"""

import argparse
import platform
import warnings
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import torch

from napari_segkit import ModelSpec, Segmenter, TrainConfig

MODELS = ("lraspp", "linknet:mobilenet_v2", "unet:tu-mobilenetv3_small_100", "unet:mobilenet_v2")
SIZES = (256, 512)
CONFIG = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2, unlabelled=None, validation=None)


def movie(frames: int, size: int) -> np.ndarray:
    """Discs that drift over noise, in three colours."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:size, :size]
    half, radius = size / 2, size / 5
    discs = [(y - half - t) ** 2 + (x - half) ** 2 < radius**2 for t in range(frames)]
    noise = rng.integers(0, 60, (frames, size, size, 3))
    return (np.stack(discs)[..., None] * 150 + noise).astype(np.uint8)


def trained(name: str) -> Segmenter:
    """A model of three channels and two classes."""
    method, _, encoder = name.partition(":")
    image = movie(1, 256)[0]
    segmenter = Segmenter(ModelSpec(method, encoder=encoder or None), device="cpu")
    return segmenter.fit(image, image[..., 0] > 100, CONFIG, axes="YXC")


def seconds(work: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = perf_counter()
    work()
    return perf_counter() - start


def measure(segmenter: Segmenter, pixels: np.ndarray, repeats: int) -> tuple[float, float]:
    """Frames per second of the prediction, and of the bare network."""
    network = segmenter.ready().network
    batch = torch.from_numpy(pixels[0].transpose(2, 0, 1)[None].astype(np.float32))

    @torch.inference_mode()
    def passes() -> None:
        for _ in pixels:
            network(batch)

    def predict() -> None:
        segmenter.predict(pixels, axes="TYXC")

    ours, bare = [], []
    for _ in range(repeats):
        ours.append(seconds(predict))
        bare.append(seconds(passes))
    return len(pixels) / median(ours), len(pixels) / median(bare)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore")
    print(f"{platform.processor()}, torch {torch.__version__}, {args.threads} threads")
    print("| model | frames | frames/s | bare network |\n|---|---|---|---|")
    for name in args.models:
        segmenter = trained(name)
        for size in SIZES:
            pixels = movie(args.frames, size)
            ours, bare = measure(segmenter, pixels, args.repeats)
            print(f"| {name} | {size} x {size} | {ours:.1f} | {bare:.1f} |", flush=True)
        channels_first = segmenter.predict(np.moveaxis(pixels, -1, 1), axes="TCYX")
        if not np.array_equal(channels_first, segmenter.predict(pixels, axes="TYXC")):
            raise SystemExit(f"{name}: the order of the axes changes the labels")


if __name__ == "__main__":
    main()
