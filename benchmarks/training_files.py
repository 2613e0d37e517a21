"""Seconds to open a training set of many files, and memory while it trains.

    python benchmarks/training_files.py [--quick] [--files 2000] [--size 1024] [--steps 200]

Noise with labels is written into a temporary folder, or kept in `--folder`. Prints the seconds that
pairing the files takes, those of reading and counting them before the first step, and the resident
memory at the first step, in the middle and at the end of a short training (preset "fast on CPU").
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import tifffile

from napari_segkit import Segmenter, TrainConfig
from napari_segkit.models.presets import preset
from napari_segkit.training.events import TrainStep
from napari_segkit.training_set import TrainingSet

MEGABYTE = 2**20


def write_files(folder: Path, count: int, size: int) -> None:
    """Pairs of an image of noise with a brighter square, and its labels."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 100, (size, size), np.uint8)
    for number in range(count):
        labels = np.ones((size, size), np.uint8)
        row, column = rng.integers(0, size // 2, 2)
        labels[row : row + size // 4, column : column + size // 4] = 2
        image = np.roll(noise, number, axis=0) + (labels == 2) * np.uint8(80)
        tifffile.imwrite(folder / "images" / f"{number:05d}.tif", image, compression="zlib")
        tifffile.imwrite(folder / "masks" / f"{number:05d}.tif", labels, compression="zlib")


def measure(folder: Path, steps: int) -> None:
    """Print a line for opening the files, and one for the training."""
    process, began = psutil.Process(), perf_counter()
    training_set = TrainingSet.from_files(folder / "images", folder / "masks")
    print(f"{len(training_set)} files are paired in {perf_counter() - began:.2f} s", flush=True)
    fast = preset("fast on CPU")
    config = TrainConfig(epochs=1, steps_per_epoch=steps, tile=fast.config.tile)
    memory, began = [], perf_counter()
    for step in Segmenter(fast.spec, device="cpu").train_epochs(training_set, config=config):
        if isinstance(step, TrainStep):
            if not memory:
                print(f"the first step is done after {perf_counter() - began:.1f} s", flush=True)
            memory.append(process.memory_info().rss // MEGABYTE)
    middle = memory[len(memory) // 2]
    print(f"memory: {memory[0]} -> {middle} -> {memory[-1]} MiB, at most {max(memory)} MiB")


def main() -> None:
    """Write the files, if they are not there, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="keep the files here, or use those of before")
    args = parser.parse_args()
    count, size, steps = (20, 128, 4) if args.quick else (args.files, args.size, args.steps)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        if not (folder / "images").exists():
            write_files(folder, count, size)
        measure(folder, steps)


if __name__ == "__main__":
    main()
