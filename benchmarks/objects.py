"""Metrics of instance models after some minutes of training on real data.

    python benchmarks/objects.py --data FOLDER --model NAME[:encoder[:objects]] SET ...

Everything uses the public interface: random weights, seed 0, default patches (256 pixels, 64
voxels), the splits of the data sets. Prints F1 at an IoU of 0.5, mean AP (TP / (TP + FP + FN), IoU
0.5 to 0.95) and panoptic quality on the held-out images, compared with Otsu's threshold and a
distance watershed. --mosaic compares tiled and untiled prediction on a mosaic of 2048 x 2048
pixels, --blocks the same mosaic in memory and by blocks into a folder. On a busy machine, --cpu
measures CPU time of both threads, halved, instead of wall time.
"""

import argparse
import csv
import platform
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import numpy as np
from imageio.v3 import imread
from skimage.segmentation import clear_border
from tifffile import imread as read_tiff

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, evaluate
from napari_segkit.inference import object_blocks
from napari_segkit.training import schedule

import torch  # isort: skip
from otsu import otsu_watershed  # isort: skip

Pair = tuple[np.ndarray, np.ndarray]
Parts = tuple[list[Pair], list[Pair], dict[str, Any]]
CROP, GAP = 240, 16  # pixels: 64 crops make a mosaic of 2048 x 2048
BLOCK = 2**20  # pixels of a block: there are several in the mosaic
VOXEL = {"axes": "ZYX", "spacing": (0.284, 0.127, 0.127)}


def _split(folder: Path) -> Parts:
    """The split of the data set."""
    with (folder / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = [(r["split"], _pair(folder, r["name"])) for r in rows]
    return *([p for s, p in pairs if s == part] for part in ("train", "test")), {}  # type: ignore[return-value]


def _first_four(folder: Path) -> Parts:
    """Sorted by name, the first four train and the last two test."""
    pairs = [_pair(folder, f.stem) for f in sorted((folder / "images").iterdir())]
    return pairs[:4], pairs[4:], {}


def _two_volumes(folder: Path) -> Parts:
    """Train on one volume, test on the other."""
    first, second = (_pair(folder, name) for name in ("ovule_1135", "ovule_1136"))
    return [first], [second], VOXEL


def _slabs(folder: Path) -> Parts:
    """Train on z 0-39, test on z 48-63 of one volume."""
    image, labels = _pair(folder, "sample_patch")
    return [(image[:40], labels[:40])], [(image[48:], labels[48:])], {"axes": "ZYX"}


SETS: dict[str, tuple[Callable[[Path], Parts], str]] = {
    "dsb2018_fluo": (_split, "bright"),
    "dsb2018_colour": (_split, "dark"),
    "dsb2018_brightfield": (_first_four, "dark"),
    "usiigaci_phase": (_first_four, "bright"),
    "nuclei3d_ovule": (_two_volumes, "bright"),
    "cells3d_ovule": (_slabs, "cells"),
}


def _pair(folder: Path, name: str) -> Pair:
    files = (next((folder / part).glob(f"{name}.*")) for part in ("images", "masks"))
    image, labels = (read_tiff(f) if f.suffix == ".tif" else imread(f) for f in files)
    return image, labels


def run_benchmark(name: str, args: argparse.Namespace) -> None:
    """Train on one data set and print the metrics on the held-out images."""
    read, polarity = SETS[name]
    train, test, image_options = read(args.data / name)
    images, labels = map(list, zip(*train, strict=True))
    config = TrainConfig(
        epochs=100_000,
        minutes=args.minutes,
        batch_size=args.batch or (2 if image_options else 4),
        labels_are="objects",
    )
    if args.cpu:
        schedule.perf_counter = lambda: process_time() / args.threads
    segmenter = Segmenter(_spec(args), device=args.device)
    segmenter.fit(images, labels, config, **image_options)
    provenance = segmenter.trained.provenance
    print(f"\n### {name}, {args.model} on {provenance['device']}")
    print(
        f"{provenance['seconds'] / 60:.1f} minutes of training, {len(segmenter.history)} steps, "
        f"{provenance['images_seen']} patches, "
        f"predicted in tiles of {segmenter.trained.tile_size}, "
        f"median diameter {segmenter.trained.object_size:.0f} pixels; "
        f"{provenance.get('sizes', '')}"
    )
    start = perf_counter()
    predicted = [segmenter.predict(image, **image_options) for image, _ in test]
    seconds = (perf_counter() - start) / sum(p.size for p in predicted) * 1e6
    truth = [labels for _, labels in test]
    _print_metrics(args.model, predicted, truth)
    baseline = [otsu_watershed(image, polarity) for image, _ in test]
    _print_metrics("Otsu + watershed", baseline, truth)
    print(f"prediction: {seconds:.2f} s per megapixel", flush=True)
    if args.mosaic:
        compare_mosaic(segmenter, test)
    if args.blocks:
        compare_blocks(segmenter, test)
    segmenter.save(args.output / f"{name}-{args.model.replace(':', '-')}.segkit")


def _spec(args: argparse.Namespace) -> ModelSpec:
    name, encoder, objects = [*args.model.split(":"), "", ""][:3]
    return ModelSpec(name, encoder=encoder or None, objects=objects or None)


def _print_metrics(name: str, predicted: list[np.ndarray], truth: list[np.ndarray]) -> None:
    report = evaluate(predicted, truth, kind="instance", labels_are="objects")
    print(
        f"{name:<28} F1 {report.f1[0.5]:.3f}  mean AP {report.mean_ap:.3f}  PQ {report.pq:.3f}  "
        f"({report.truth_objects} true, {report.predicted_objects} predicted)",
        flush=True,
    )


def compare_mosaic(segmenter: Segmenter, pairs: list[Pair]) -> None:
    """Compare tiled with untiled prediction, two tile offsets, and the mosaic with its crops."""
    crops, image, truth = _mosaic(pairs)
    tiled = segmenter.predict(image)
    untiled = segmenter.predict(image, TileConfig(tile_size=2048, overlap=0))
    _print_agreement("tiled and untiled", tiled, untiled)
    shifted = segmenter.predict(image[96:, 96:])
    _print_agreement("tiles at two offsets", clear_border(tiled[96:, 96:]), clear_border(shifted))
    padded = [tuple(map(_padded, crop)) for crop in crops]
    single = [segmenter.predict(crop) for crop, _ in padded] * 64
    _print_metrics("single crops", single[:64], [labels for _, labels in (padded * 64)[:64]])
    _print_metrics("their mosaic, tiled", [tiled], [truth])
    _print_metrics("their mosaic, untiled", [untiled], [truth])


def compare_blocks(segmenter: Segmenter, pairs: list[Pair]) -> None:
    """Compare the mosaic predicted in memory with the same in small blocks, into a folder."""
    _, image, truth = _mosaic(pairs)
    whole = segmenter.predict(image)
    with TemporaryDirectory() as folder, patch.object(object_blocks, "BLOCK", BLOCK):
        blocks = np.asarray(segmenter.predict(image, out=Path(folder, "blocks.zarr")))
    _print_agreement("by blocks and in memory", blocks, whole)
    print(f"{(blocks != whole).sum()} pixels differ")
    _print_metrics("in memory", [whole], [truth])
    _print_metrics("by blocks", [blocks], [truth])


def _mosaic(pairs: list[Pair]) -> tuple[list[Pair], np.ndarray, np.ndarray]:
    """Crops of images, 64 of them side by side, and their ids."""
    crops = [_scaled_crop(*pair) for pair in pairs if min(pair[1].shape) >= CROP]
    many = (crops * 64)[:64]
    return crops, *[_join([crop[i] for crop in many]) for i in (0, 1)]


def _print_agreement(what: str, one: np.ndarray, other: np.ndarray) -> None:
    report = evaluate(one, other, kind="instance", labels_are="objects")
    print(
        f"{what}: {report.f1[0.9]:.2%} of the objects the same at an IoU of 0.9, "
        f"{report.f1[0.5]:.2%} at 0.5 ({report.predicted_objects} and {report.truth_objects})",
        flush=True,
    )


def _scaled_crop(image: np.ndarray, labels: np.ndarray) -> Pair:
    """A crop, scaled to the same intensity range in all images."""
    low, high = np.percentile(image, [0.5, 99.5])
    scaled = ((image[:CROP, :CROP] - low) / (high - low)).clip(0, 1).astype(np.float32)
    return scaled, labels[:CROP, :CROP]


def _join(crops: list[np.ndarray]) -> np.ndarray:
    """Eight rows of eight crops with a dark gap between them, and unique ids."""
    if crops[0].dtype.kind in "iu":
        crops = [np.where(c > 0, c.astype(np.int64) + 10_000 * n, 0) for n, c in enumerate(crops)]
    crops = [_padded(crop) for crop in crops]
    rows = [np.concatenate(crops[8 * r : 8 * r + 8], axis=1) for r in range(8)]
    return np.concatenate(rows, axis=0)


def _padded(crop: np.ndarray) -> np.ndarray:
    margin = [(GAP // 2,) * 2] * 2
    return np.pad(crop, margin + [(0, 0)] * (crop.ndim - 2))


def main() -> None:
    """Run on the named data sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", choices=list(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--model", default="unet::boundary", help="name[:encoder[:objects]]")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, help="patches in a step")
    parser.add_argument("--cpu", action="store_true", help="count minutes of CPU time")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--mosaic", action="store_true", help="compare tiled and untiled")
    parser.add_argument("--blocks", action="store_true", help="compare memory and a folder")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the models")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    for name in args.sets:
        run_benchmark(name, args)


if __name__ == "__main__":
    main()
