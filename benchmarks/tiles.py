"""Agreement with the untiled prediction and time of tile sizes and overlaps, for each family.

    python benchmarks/tiles.py --data FOLDER [--models unet fpn ...] [--minutes 5] [--size 2048]

Networks are trained for some minutes of CPU time on slices of isbi2012_em; images are mosaics of
its slices. For each tile: the share of equal labels, the largest and the mean difference of
probabilities, and seconds of wall time and of CPU time (of all threads) for a megapixel, medians of
alternated runs. `make peers` compares with MONAI's sliding window.
"""

import argparse
import platform
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
from imageio.v3 import imread

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.label_result import LabelResult
from napari_segkit.training import schedule

import torch  # isort: skip
from segmentation_models_pytorch.encoders.mix_transformer import Attention  # isort: skip
from torch.nn.functional import scaled_dot_product_attention  # isort: skip

FAMILIES = (
    *("unet", "fpn:resnet18", "deeplabv3plus:resnet18", "segformer:mit_b0", "segnet", "fcn"),
    *("pspnet:resnet18",),
)
TILES = ((256, 64), (256, 96), (512, 32), (512, 64), (512, 96), (512, 128), (768, 128))


def train(args: argparse.Namespace, name: str) -> Segmenter:
    """A model trained for some minutes, from a file if it was trained before."""
    file = args.output / f"{name.replace(':', '-')}-{args.minutes:g}.segkit"
    if file.exists():
        return Segmenter.load(file, device="cpu")
    folder = args.data / "isbi2012_em"
    files = sorted((folder / "images").glob("*.png"))[:20]
    pairs = [(imread(f), imread(folder / "masks" / f.name)) for f in files]
    model, _, encoder = name.partition(":")
    spec = ModelSpec(model, encoder=encoder or None)
    config = TrainConfig(epochs=None, minutes=args.minutes, unlabelled=None, validation=None)
    schedule.perf_counter = lambda: process_time() / args.threads
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


def attend_in_parts(self: Attention, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """SegFormer's attention without the matrix of all pairs: 4 GB for an image of 2048 x 2048."""
    batch, count, channels = x.shape
    heads = self.num_heads
    query = self.q(x).reshape(batch, count, heads, channels // heads).permute(0, 2, 1, 3)
    if self.sr_ratio > 1:
        x = x.permute(0, 2, 1).reshape(batch, channels, height, width)
        x = self.norm(self.sr(x).reshape(batch, channels, -1).permute(0, 2, 1))
    both = self.kv(x).reshape(batch, -1, 2, heads, channels // heads).permute(2, 0, 3, 1, 4)
    seen = scaled_dot_product_attention(query, both[0], both[1], scale=self.scale)
    return self.proj(seen.transpose(1, 2).reshape(batch, count, channels))


def predict(segmenter: Segmenter, image: np.ndarray, tile: TileConfig | None) -> LabelResult:
    steps = segmenter.predict_tiles(image, tile, probabilities=True)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def untiled(segmenter: Segmenter, image: np.ndarray) -> LabelResult:
    """One tile for the whole image, and no pixels around it."""
    forward, Attention.forward = Attention.forward, attend_in_parts
    try:
        return predict(segmenter, image, TileConfig(tile_size=len(image), overlap=0))
    finally:
        Attention.forward = forward


def compare(args: argparse.Namespace) -> None:
    """Agreement and time of tile sizes and overlaps for each family."""
    image = mosaic(args.data, args.size)
    for name in args.models:
        segmenter = train(args, name)
        model = segmenter.ready()
        print(
            f"\n{name}, {len(segmenter.history)} steps, {args.size} x {args.size}, own tile "
            f"{model.tile_size[0]} with {model.overlap[0]}",
            flush=True,
        )
        whole = untiled(segmenter, image)
        seconds: dict[tuple[int, int], list[tuple[float, float]]] = {t: [] for t in args.tiles}
        for repeat in range(args.repeats):
            for edge, overlap in args.tiles:
                wall, cpu = perf_counter(), process_time()
                result = predict(segmenter, image, TileConfig(tile_size=edge, overlap=overlap))
                spent = perf_counter() - wall, process_time() - cpu
                seconds[edge, overlap].append(tuple(s / image.size * 1e6 for s in spent))
                if repeat == args.repeats - 1:
                    print_row(edge, overlap, whole, result, seconds[edge, overlap])


def print_row(
    edge: int,
    overlap: int,
    whole: LabelResult,
    result: LabelResult,
    seconds: list[tuple[float, float]],
) -> None:
    same = (result.labels == whole.labels).mean()
    difference = np.abs(result.probabilities - whole.probabilities)
    wall, cpu = map(median, zip(*seconds, strict=True))
    print(
        f"{edge:5} / {overlap:3} {same:10.4%} {difference.max():8.4f} {difference.mean():9.6f} "
        f"{wall:8.3f} {cpu:8.3f}",
        flush=True,
    )


def pairs(text: str) -> tuple[int, int]:
    edge, overlap = text.split("/")
    return int(edge), int(overlap)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--models", nargs="+", default=FAMILIES, help="name, or name:encoder")
    parser.add_argument("--tiles", type=pairs, nargs="+", default=TILES, help="such as 512/128")
    parser.add_argument("--minutes", type=float, default=5, help="of the trainings")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("tiles"), help="folder of the models")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    compare(args)


if __name__ == "__main__":
    main()
