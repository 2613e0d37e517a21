"""What a training of so many minutes is worth on real data, and what the tiles add.

    python benchmarks/figures.py --data FOLDER [--minutes 10] [isbi2012_em | dsb2018_fluo ...]

Everything goes through the public interface: two torch threads, random weights, seed 0, the sets'
own splits. Prints one table a set, and the agreement of tiled with untiled labels.
"""

import argparse
import csv
import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from imageio.v3 import imread

from napari_segkit import Segmenter, TileConfig, TrainConfig, evaluate

Pairs = tuple[list[np.ndarray], list[np.ndarray]]


def isbi2012_em(folder: Path) -> tuple[Pairs, Pairs, dict[str, Any]]:
    """Membranes: train on slices 0-19, test on 20-23; every pixel is decided."""
    files = sorted((folder / "images").glob("*.png"))
    pairs = [(imread(f), imread(folder / "masks" / f.name)) for f in files]
    return _split(pairs, [i < 20 for i in range(len(pairs))], {"unlabelled": None})


def dsb2018_fluo(folder: Path) -> tuple[Pairs, Pairs, dict[str, Any]]:
    """Nuclei against background: the set's own split; ids are taken as one class."""
    with (folder / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = []
    for row in rows:
        image, mask = (next((folder / d).glob(f"{row['name']}.*")) for d in ("images", "masks"))
        pairs.append((imread(image), imread(mask)))
    choice = {"unlabelled": None, "labels_are": "objects"}
    return _split(pairs, [row["split"] == "train" for row in rows], choice)


SETS: dict[str, Callable[[Path], tuple[Pairs, Pairs, dict[str, Any]]]] = {
    "isbi2012_em": isbi2012_em,
    "dsb2018_fluo": dsb2018_fluo,
}


def _split(pairs: list[Any], train: list[bool], choice: dict[str, Any]) -> Any:
    parts = [
        [p for p, t in zip(pairs, train, strict=True) if t is wanted] for wanted in (True, False)
    ]
    return *(tuple(map(list, zip(*part, strict=True))) for part in parts), choice


def measure(name: str, folder: Path, minutes: float) -> None:
    """Train on one set, test on what was held out, and print the figures."""
    (images, labels), (held_out, truth), choice = SETS[name](folder)
    config = TrainConfig(epochs=100_000, minutes=minutes, **choice)
    segmenter = Segmenter().fit(images, labels, config)
    made = segmenter.trained.provenance
    print(f"\n### {name}: {made['seconds'] / 60:.1f} minutes, {made['images_seen']} patches seen\n")
    began = perf_counter()
    found = [segmenter.predict(i) for i in held_out]
    megapixels = sum(f.size for f in found) / 1e6
    print(evaluate(found, truth, **choice).table().to_string(index=False))
    print(f"\nprediction: {(perf_counter() - began) / megapixels:.2f} s per megapixel")
    agreement(segmenter, held_out)
    intensities(segmenter, held_out)
    segmenter.save(f"{name}.segkit")


def agreement(segmenter: Segmenter, images: list[np.ndarray]) -> None:
    """Share of labels that are the same with one tile over the whole image (a mosaic of four)."""
    mosaic = _mosaic(images)
    tiled = segmenter.predict(mosaic)
    whole = segmenter.predict(mosaic, TileConfig(tile_size=_above(max(mosaic.shape[:2]))))
    print(f"tiled equals untiled: {(tiled == whole).mean():.4%} of {mosaic.shape[:2]}")


def intensities(segmenter: Segmenter, images: list[np.ndarray]) -> None:
    """Share of labels that stay when a test image's intensities are halved or doubled."""
    image = images[0].astype(np.float32)
    plain = segmenter.predict(image)
    for factor in (0.5, 2):
        same = (segmenter.predict(image * factor) == plain).mean()
        print(f"intensities times {factor}: {same:.4%} of the labels unchanged")


def _mosaic(images: list[np.ndarray]) -> np.ndarray:
    largest = max(i.shape[:2] for i in images)
    four = [i for i in images if i.shape[:2] == largest]
    four = (four * 4)[:4]
    return np.concatenate([np.concatenate(four[:2], 1), np.concatenate(four[2:], 1)], 0)


def _above(length: int) -> int:
    return (length // 32 + 4) * 32


def main() -> None:
    """Measure the sets that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {given.threads} threads")
    for name in given.sets:
        measure(name, given.data / name, given.minutes)


if __name__ == "__main__":
    main()
