"""What a training of so many minutes is worth where objects are to be found.

    python benchmarks/objects.py --data FOLDER --model NAME[:encoder[:objects]] SET ...

Everything goes through the public interface: random weights, seed 0, patches as they are by
default (256 pixels, 64 voxels), the sets' own splits. Prints F1 at an IoU of 0.5, mean AP
(TP / (TP + FP + FN), IoU 0.5 to 0.95) and panoptic quality over the images held out, beside Otsu's
threshold with a distance watershed of scikit-image.
--mosaic compares tiles with the whole on a mosaic of 2048 x 2048 pixels. On a machine with other
work, --cpu counts the time of both threads, halved, instead of the clock's.
"""

import argparse
import csv
import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from imageio.v3 import imread
from skimage.segmentation import clear_border
from tifffile import imread as read_tiff

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, evaluate
from napari_segkit.training import loop

import torch  # isort: skip
from otsu import otsu_watershed  # isort: skip

Pair = tuple[np.ndarray, np.ndarray]
Parts = tuple[list[Pair], list[Pair], dict[str, Any]]
CELL, GAP = 240, 16  # pixels: 64 pieces of images make a mosaic of 2048 x 2048
VOXEL = {"axes": "ZYX", "spacing": (0.284, 0.127, 0.127)}


def _split(folder: Path) -> Parts:
    """Train and test as the set's own list says; alpha is left out."""
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


def measure(name: str, given: argparse.Namespace) -> None:
    """Train on one set, test on what was held out, and print the figures."""
    read, polarity = SETS[name]
    train, test, place = read(given.data / name)
    images, labels = map(list, zip(*train, strict=True))
    config = TrainConfig(
        epochs=100_000,
        minutes=given.minutes,
        batch_size=given.batch or (2 if place else 4),
        labels_are="objects",
    )
    if given.cpu:
        loop.perf_counter = lambda: process_time() / given.threads
    segmenter = Segmenter(_spec(given), device=given.device)
    segmenter.fit(images, labels, config, **place)
    made = segmenter.trained.provenance
    print(f"\n### {name}, {given.model} on {made['device']}")
    print(
        f"{made['seconds'] / 60:.1f} minutes in the loop, {len(segmenter.history)} steps, "
        f"{made['images_seen']} patches, predicted in tiles of {segmenter.trained.tile_size}, "
        f"objects typically {segmenter.trained.object_size:.0f} pixels wide; "
        f"{made.get('sizes', '')}"
    )
    began = perf_counter()
    found = [segmenter.predict(image, **place) for image, _ in test]
    seconds = (perf_counter() - began) / sum(f.size for f in found) * 1e6
    truth = [labels for _, labels in test]
    _say(given.model, found, truth)
    _say("Otsu + watershed", [otsu_watershed(image, polarity) for image, _ in test], truth)
    print(f"prediction: {seconds:.2f} s per megapixel", flush=True)
    if given.mosaic:
        mosaic(segmenter, test)
    segmenter.save(given.output / f"{name}-{given.model.replace(':', '-')}.segkit")


def _spec(given: argparse.Namespace) -> ModelSpec:
    name, encoder, objects = [*given.model.split(":"), "", ""][:3]
    return ModelSpec(name, encoder=encoder or None, objects=objects or None)


def _say(who: str, found: list[np.ndarray], truth: list[np.ndarray]) -> None:
    report = evaluate(found, truth, kind="instance", labels_are="objects")
    print(
        f"{who:<28} F1 {report.f1[0.5]:.3f}  mean AP {report.mean_ap:.3f}  PQ {report.pq:.3f}  "
        f"({report.truth_objects} true, {report.predicted_objects} found)",
        flush=True,
    )


def mosaic(segmenter: Segmenter, pairs: list[Pair]) -> None:
    """Tiles against the whole, two offsets of the tiles, and tiles against piece by piece."""
    cells = [_cell(*pair) for pair in pairs if min(pair[1].shape) >= CELL]
    many = (cells * 64)[:64]
    image, truth = (_tiled([cell[i] for cell in many]) for i in (0, 1))
    tiled = segmenter.predict(image)
    whole = segmenter.predict(image, TileConfig(tile_size=2048, overlap=0))
    _agree("tiles and the whole", tiled, whole)
    shifted = segmenter.predict(image[96:, 96:])
    _agree("tiles at two offsets", clear_border(tiled[96:, 96:]), clear_border(shifted))
    framed = [tuple(map(_framed, cell)) for cell in cells]
    alone = [segmenter.predict(piece) for piece, _ in framed] * 64
    _say("its pieces one by one", alone[:64], [labels for _, labels in (framed * 64)[:64]])
    _say("their mosaic, in tiles", [tiled], [truth])
    _say("their mosaic, whole", [whole], [truth])


def _agree(what: str, one: np.ndarray, other: np.ndarray) -> None:
    report = evaluate(one, other, kind="instance", labels_are="objects")
    print(
        f"{what}: {report.f1[0.9]:.2%} of the objects the same at an IoU of 0.9, "
        f"{report.f1[0.5]:.2%} at 0.5 ({report.predicted_objects} and {report.truth_objects})",
        flush=True,
    )


def _cell(image: np.ndarray, labels: np.ndarray) -> Pair:
    """A piece of an image, as bright as the other images' are."""
    low, high = np.percentile(image, [0.5, 99.5])
    scaled = ((image[:CELL, :CELL] - low) / (high - low)).clip(0, 1).astype(np.float32)
    return scaled, labels[:CELL, :CELL]


def _tiled(cells: list[np.ndarray]) -> np.ndarray:
    """Eight rows of eight with a dark gap between them; ids stay apart."""
    if cells[0].dtype.kind in "iu":
        cells = [np.where(c > 0, c.astype(np.int64) + 10_000 * n, 0) for n, c in enumerate(cells)]
    cells = [_framed(cell) for cell in cells]
    rows = [np.concatenate(cells[8 * r : 8 * r + 8], axis=1) for r in range(8)]
    return np.concatenate(rows, axis=0)


def _framed(cell: np.ndarray) -> np.ndarray:
    margin = [(GAP // 2,) * 2] * 2
    return np.pad(cell, margin + [(0, 0)] * (cell.ndim - 2))


def main() -> None:
    """Measure the sets that were named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", choices=list(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--model", default="unet::boundary", help="name[:encoder[:objects]]")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, help="patches in a step")
    parser.add_argument("--cpu", action="store_true", help="minutes of the processor")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--mosaic", action="store_true", help="tiles against the whole")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the models")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {given.threads} threads")
    for name in given.sets:
        measure(name, given)


if __name__ == "__main__":
    main()
