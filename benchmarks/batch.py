"""Time of a file against the network's own passes, and memory, over many small files.

    python benchmarks/batch.py [--quick] [--files 200] [--size 512] [--processes 1] [--measurements]

The model is the preset "fast on CPU", hardly trained: its time does not depend on its weights.
The passes are timed within the same run, so that other work on the machine slows both. Memory is
that after a tenth of the files and at the end. Prints a row of a table.
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import tifffile
from skimage.data import coins

from napari_segkit import BatchConfig, Segmenter, TrainConfig, predict_files
from napari_segkit.inference.network import PredictionNetwork
from napari_segkit.jobs.predict import ImageResult
from napari_segkit.models.presets import preset

import torch  # isort: skip

MEGABYTE = 2**20


def trained() -> Segmenter:
    """The fast preset after two steps."""
    fast, image = preset("fast on CPU"), coins()
    labels = np.where(image > 140, 2, (image < 80).astype(int)).astype(np.uint8)
    config = TrainConfig(
        epochs=1, steps_per_epoch=2, batch_size=2, tile=fast.config.tile, validation=None
    )
    return Segmenter(fast.spec, device="cpu").fit(image, labels, config)


def write_images(folder: Path, count: int, size: int) -> None:
    """Crops of one picture, each another one."""
    folder.mkdir()
    picture = np.tile(coins(), (4, 4))
    for number in range(count):
        crop = np.roll(picture, 7 * number, axis=1)[:size, :size]
        tifffile.imwrite(folder / f"{number:04d}.tif", crop, compression="zlib")


def count_passes() -> list[float]:
    """Seconds of each call of the network from now on."""
    seconds: list[float] = []
    call = PredictionNetwork.__call__

    def timed(self: PredictionNetwork, images: torch.Tensor) -> Any:
        began = perf_counter()
        outputs = call(self, images)
        seconds.append(perf_counter() - began)
        return outputs

    PredictionNetwork.__call__ = timed  # type: ignore[method-assign]
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--measurements", action="store_true")
    args = parser.parse_args()
    files, segmenter, process = 20 if args.quick else args.files, trained(), psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_images(root / "images", files, args.size)
        passes, memory, done, began = count_passes(), [], [], perf_counter()
        steps = predict_files(
            segmenter,
            root / "images",
            root / "labels",
            batch=BatchConfig(args.processes),
            measurements=root / "table.csv" if args.measurements else None,
        )
        for step in steps:
            if isinstance(step, ImageResult):
                memory.append(process.memory_info().rss / MEGABYTE)
                done.append(perf_counter() - began)
    seconds = (done[-1] - done[0]) / (files - 1)  # without the first, which prepares the network
    text = f"| {files} files of {args.size}² | {args.processes} | {seconds:.3f} s a file |"
    if args.processes == 1:
        own = (sum(passes) - passes[0]) / (files - 1)
        text += f" {own:.3f} s passes | ratio {seconds / own:.2f} |"
    print(f"{text} {memory[len(memory) // 10]:.0f} -> {memory[-1]:.0f} MiB |")


if __name__ == "__main__":
    main()
