"""Seconds per megapixel and peak memory of a prediction, by method and size of the image.

    python benchmarks/megapixel.py --data FOLDER [--sizes 1024 2048 4096] [METHOD ...]

Methods are trained for some steps on dsb2018_fluo; images are mosaics of its test images. Seconds
are for one megapixel, as wall time and as CPU time of all threads. Each prediction runs in a
process of its own; memory is its peak, less what it held before (model and image included).
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from light_unet import LIGHT
from objects import SETS

from napari_segkit import ModelSpec, Segmenter, TrainConfig

METHODS = {
    "light U-Net": LIGHT,
    "pixel classifier": ModelSpec("pixels"),
    "U-Net, distance": ModelSpec("unet", objects="distance"),
    "Mask R-CNN": ModelSpec("maskrcnn"),
    "SOLO": ModelSpec("solo"),
}


def train(args: argparse.Namespace, name: str) -> Segmenter:
    """A model trained for some steps, from a file if it was trained before."""
    file = args.output / f"{name.replace(' ', '-')}-{args.steps}.segkit"
    if file.exists():
        return Segmenter.load(file, device="cpu")
    pairs, _, _ = SETS["dsb2018_fluo"][0](args.data / "dsb2018_fluo")
    images, labels = map(list, zip(*pairs, strict=True))
    if METHODS[name].objects or name in ("Mask R-CNN", "SOLO"):
        meaning = {"labels_are": "objects"}
    else:
        meaning, labels = {"unlabelled": None}, [np.uint8(a > 0) for a in labels]
    config = TrainConfig(epochs=1, steps_per_epoch=args.steps, validation=None, **meaning)
    segmenter = Segmenter(METHODS[name], device="cpu").fit(images, labels, config)
    args.output.mkdir(parents=True, exist_ok=True)
    segmenter.save(file)
    return segmenter


def mosaic(data: Path, size: int) -> np.ndarray:
    """Crops of the test images side by side, in one range of intensities."""
    _, test, _ = SETS["dsb2018_fluo"][0](data / "dsb2018_fluo")
    crops = [_scaled(image) for image, _ in test if min(image.shape[:2]) >= 256]
    count = size // 256
    rows = [
        np.concatenate([crops[(r * count + c) % len(crops)] for c in range(count)], 1)
        for r in range(count)
    ]
    return np.concatenate(rows, 0)


def _scaled(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, [0.5, 99.5])
    return (255 * ((image[:256, :256] - low) / (high - low)).clip(0, 1)).astype(image.dtype)


def run_case(args: argparse.Namespace) -> None:
    """Predict once in this process."""
    segmenter = train(args, args.case)
    image = mosaic(args.data, args.sizes[0])
    segmenter.predict(image[:256, :256])  # loads what every run needs
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before, wall, cpu = resident("VmRSS"), perf_counter(), process_time()
    labels = segmenter.predict(image)
    seconds = perf_counter() - wall, process_time() - cpu
    peak = resident("VmHWM") - before
    a_megapixel = (s / image.size * 1e6 for s in seconds)
    print(json.dumps([*a_megapixel, peak / 2**20, int(labels.max())]))


def resident(name: str) -> int:
    """Bytes of memory, now (VmRSS) or at the peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def main() -> None:
    """Run on all methods, or on those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("methods", nargs="*", default=list(METHODS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048, 4096])
    parser.add_argument("--steps", type=int, default=60, help="of the trainings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("megapixel"), help="for the models")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.case:
        run_case(args)
        return
    print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    print(f"{'method':18} {'size':>6} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'highest':>9}")
    for name in args.methods:
        train(args, name)
        for size in args.sizes:
            given = ["--data", args.data, "--output", args.output, "--steps", args.steps]
            given += ["--threads", args.threads, "--sizes", size, "--case", name]
            command = [sys.executable, __file__, *map(str, given)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall, cpu, peak, highest = json.loads(done.stdout.splitlines()[-1])
            print(f"{name:18} {size:6} {wall:8.2f} {cpu:8.2f} {peak:9.0f} {highest:9}", flush=True)


if __name__ == "__main__":
    main()
