"""Memory and time of predictions that are read from one zarr array and written into another.

    python benchmarks/out_of_core.py [--quick] [--folder FOLDER] [--unet] [names ...]

A network of one convolution, so that reading, blending and writing are what is measured. Each
prediction runs in a process of its own: its peak resident memory, with the imports, and the seconds
for each megapixel. `--unet` takes a light U-Net without training instead.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np

CASES = {  # shape and dtype
    "4096": ((4096, 4096), np.uint8),
    "8192": ((8192, 8192), np.uint8),
    "40000": ((40_000, 40_000), np.uint8),
    "volume": ((1360, 1360, 1360), np.uint16),
    "small volume": ((136, 1360, 1360), np.uint16),
    "tall volume": ((2048, 192, 192), np.uint16),
}
QUICK = ("4096", "tall volume")


def main() -> None:
    """Measure the cases, or run one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="two small ones")
    parser.add_argument("--unet", action="store_true", help="a light U-Net")
    parser.add_argument("--folder", type=Path, help="where the arrays lie meanwhile")
    parser.add_argument("--run", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run(*args.run, unet=args.unet)
        return
    names = args.names or (QUICK if args.quick else ["4096", "8192"] if args.unet else list(CASES))
    print("| image | pixels | seconds per megapixel | CPU seconds | peak memory (MiB) |")
    print("|---|---|---|---|---|")
    with TemporaryDirectory(dir=args.folder) as folder:
        for name in names:
            measure(name, Path(folder), unet=args.unet)


def measure(name: str, folder: Path, *, unet: bool) -> None:
    """Print the row of one image."""
    shape, dtype = CASES[name]
    image, result = folder / "image.zarr", folder / "result.zarr"
    make_image(image, shape, dtype)
    command = [sys.executable, __file__, "--run", str(image), str(result), *["--unet"] * unet]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, busy, memory = map(float, text.split()[-3:])
    pixels = " x ".join(map(str, shape))
    megapixels = np.prod(shape) / 1e6
    row = (name, pixels, f"{seconds / megapixels:.3f}", f"{busy / megapixels:.3f}", f"{memory:.0f}")
    print(f"| {' | '.join(row)} |", flush=True)
    for left in (image, result):
        subprocess.run(["rm", "-r", str(left)], check=True)


def make_image(file: Path, shape: tuple[int, ...], dtype: type) -> None:
    """Write noise whose chunks are all different, without holding more than one."""
    import zarr

    chunks = (1024, 1024) if len(shape) == 2 else (64, 256, 256)
    array = zarr.create_array(file, shape=shape, chunks=chunks, dtype=dtype)
    block = np.random.default_rng(0).integers(0, 200, chunks).astype(dtype)
    for number, corner in enumerate(np.ndindex(*array.cdata_shape)):
        start = [c * n for c, n in zip(corner, chunks, strict=True)]
        ends = [min(s + n, e) for s, n, e in zip(start, chunks, shape, strict=True)]
        inside = tuple(slice(0, e - s) for s, e in zip(start, ends, strict=True))
        array[tuple(map(slice, start, ends))] = (block + number % 50)[inside]


def run(image: Path, result: Path, *, unet: bool) -> None:
    """Predict in this process; print the seconds and the MiB of its peak."""
    import resource

    import torch
    import zarr

    torch.set_num_threads(1)
    array = zarr.open_array(image, mode="r")
    from light_unet import light_unet

    segmenter = light_unet() if unet else one_convolution(array.ndim)
    segmenter.predict(array[(slice(100),) * array.ndim])  # imports what it needs
    began, busy = perf_counter(), process_time()
    segmenter.predict(array, axes="ZYX"[-array.ndim :], out=result)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(perf_counter() - began, process_time() - busy, peak)


def one_convolution(ndim: int):
    """A model of two classes that looks at a pixel and its neighbours."""
    from torch import nn

    from napari_segkit import Segmenter, TrainConfig
    from napari_segkit.images.classes import LabelClass
    from napari_segkit.tiling import LARGE_TILE, OVERLAP
    from napari_segkit.trained_model import TrainedModel

    convolution = (nn.Conv2d, nn.Conv3d)[ndim - 2]
    trained = TrainedModel(
        network=convolution(1, 2, 3, padding=1).eval(),
        spec=Segmenter("unet" if ndim == 2 else "unet3d").spec,
        config=TrainConfig(),
        classes=(LabelClass(1, "one", "#ff0000"), LabelClass(2, "two", "#00ff00")),
        channels=1,
        axes="ZYX"[-ndim:],
        spacing=(1.0, 1.0, 1.0),
        tile_size=(LARGE_TILE[ndim],) * ndim,
        overlap=(OVERLAP[ndim],) * ndim,
    )
    return Segmenter.of_trained(trained, device="cpu")


if __name__ == "__main__":
    main()
