"""Agreement with the untiled prediction and time of tile sizes and overlaps, for each family.

    python benchmarks/tiles.py --data FOLDER [--models unet fpn ...] [--steps 300]

Networks are trained for some steps on slices of isbi2012_em; images are mosaics of its slices.
Times are medians of alternated runs in seconds of wall time and of CPU time (of all threads) for a
megapixel. `make peers` compares with MONAI's sliding window.
"""

import argparse
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
from imageio.v3 import imread

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig

import torch  # isort: skip

FAMILIES = (
    *("unet", "fpn:resnet18", "deeplabv3plus:resnet18", "segformer:mit_b0", "segnet", "fcn"),
    *("pspnet:resnet18",),
)
TILES = ((256, 64), (256, 96), (512, 32), (512, 64), (512, 96), (512, 128), (768, 128))


def train(args: argparse.Namespace, name: str) -> Segmenter:
    """A model trained for some steps, from a file if it was trained before."""
    file = args.output / f"{name.replace(':', '-')}-{args.steps}.segkit"
    if file.exists():
        return Segmenter.load(file, device="cpu")
    folder = args.data / "isbi2012_em"
    files = sorted((folder / "images").glob("*.png"))[:20]
    pairs = [(imread(f), imread(folder / "masks" / f.name)) for f in files]
    model, _, encoder = name.partition(":")
    spec = ModelSpec(model, encoder=encoder or None)
    config = TrainConfig(epochs=1, steps_per_epoch=args.steps, unlabelled=None, validation=None)
    segmenter = Segmenter(spec, device="cpu").fit(*map(list, zip(*pairs, strict=True)), config)
    args.output.mkdir(parents=True, exist_ok=True)
    segmenter.save(file)
    return segmenter


def mosaic(data: Path, size: int) -> np.ndarray:
    """Slices side by side, those that are trained on last."""
    files = sorted((data / "isbi2012_em" / "images").glob("*.png"))[::-1]
    slices = [imread(f) for f in files]
    edge = len(slices[0])
    count = -(-size // edge)
    rows = [
        np.concatenate([slices[(r * count + c) % len(slices)] for c in range(count)], 1)
        for r in range(count)
    ]
    return np.concatenate(rows, 0)[:size, :size]


def alternate(
    cases: dict[str, Callable[[], object]], repeats: int
) -> dict[str, tuple[float, float]]:
    """Medians of wall and CPU seconds of alternated runs, after one that warms up."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name, call in cases.items():
            wall, cpu = perf_counter(), process_time()
            call()
            if repeat:
                seconds[name].append((perf_counter() - wall, process_time() - cpu))
    return {name: tuple(map(median, zip(*runs, strict=True))) for name, runs in seconds.items()}


def compare(args: argparse.Namespace) -> None:
    """Agreement and time of tile sizes and overlaps for each family."""
    size = args.size
    image = mosaic(args.data, size)
    for name in args.models:
        segmenter = train(args, name)
        model = segmenter.ready()
        untiled = segmenter.predict(image, TileConfig(tile_size=size, overlap=0))
        print(
            f"\n{name}, {args.steps} steps, {size} x {size}, own tile "
            f"{model.tile_size[0]} with {model.overlap[0]}",
            flush=True,
        )
        cases, found = {}, {}
        for edge, overlap in args.tiles:
            tile = TileConfig(tile_size=edge, overlap=overlap)
            cases[f"{edge} / {overlap}"] = partial(segmenter.predict, image, tile)
            found[f"{edge} / {overlap}"] = (segmenter.predict(image, tile) == untiled).mean()
        seconds = alternate(cases, args.repeats)
        for tile, (wall, cpu) in seconds.items():
            megapixels = image.size / 1e6
            print(f"{tile:10} {found[tile]:10.4%} {wall / megapixels:8.3f} {cpu / megapixels:8.3f}")


def pairs(text: str) -> tuple[int, int]:
    edge, overlap = text.split("/")
    return int(edge), int(overlap)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--models", nargs="+", default=FAMILIES, help="name, or name:encoder")
    parser.add_argument("--tiles", type=pairs, nargs="+", default=TILES, help="such as 512/128")
    parser.add_argument("--steps", type=int, default=500, help="of the trainings")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("tiles"), help="folder of the models")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    compare(args)


if __name__ == "__main__":
    main()
