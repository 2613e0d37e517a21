"""What a training of so many minutes is worth on real data, and what the tiles add.

    python benchmarks/figures.py --data FOLDER [--model unet:resnet18] [--minutes 10] [sets ...]

Everything goes through the public interface: two torch threads, random weights, seed 0, the sets'
own splits. Prints one table a set; --agreement adds that of tiled with untiled labels. On a machine
with other work, --cpu counts the time of both threads, halved, instead of the clock's.
"""

import argparse
import csv
import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import nibabel
import numpy as np
from imageio.v3 import imread
from tifffile import imread as read_tiff

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, evaluate
from napari_segkit.models.presets import preset
from napari_segkit.training import loop

import torch  # isort: skip

Pairs = tuple[list[np.ndarray], list[np.ndarray]]
Parts = tuple[Pairs, Pairs, dict[str, Any]]
Spacing = tuple[float, float, float]


def isbi2012_em(folder: Path) -> Parts:
    """Membranes: train on slices 0-19, test on 20-23; every pixel is decided."""
    files = sorted((folder / "images").glob("*.png"))
    pairs = [(imread(f), imread(folder / "masks" / f.name)) for f in files]
    return _split(pairs, [i < 20 for i in range(len(pairs))], {"unlabelled": None})


def dsb2018(folder: Path) -> Parts:
    """Nuclei against background: the set's own split; ids are taken as one class."""
    with (folder / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = []
    for row in rows:
        image, mask = (next((folder / d).glob(f"{row['name']}.*")) for d in ("images", "masks"))
        pairs.append((_colour(imread(image)), imread(mask)))
    choice = {"unlabelled": None, "labels_are": "objects"}
    return _split(pairs, [row["split"] == "train" for row in rows], choice)


def coco_stuff(folder: Path) -> Parts:
    """Photographs: the left two thirds of each train, the right third tests."""
    files = sorted((folder / "images").glob("*.jpg"))
    train, test = [], []
    for file in files:
        image = imread(file)
        image = image if image.ndim == 3 else np.stack([image] * 3, axis=-1)
        labels = imread(folder / "masks" / f"{file.stem}.png")
        left = np.arange(labels.shape[1]) < labels.shape[1] * 2 // 3
        train.append((image, np.where(left, labels, 255).astype(labels.dtype)))
        test.append((image, np.where(left, 255, labels).astype(labels.dtype)))
    parts = (tuple(map(list, zip(*part, strict=True))) for part in (train, test))
    return *parts, {"unlabelled": 255, "labels_are": "classes"}


def mri_mni152(folder: Path) -> Parts:
    """Tissues of an averaged head: train on z 20-79, test on z 100-159."""
    image, labels = (_volume(folder / part / "t1.nii.gz") for part in ("images", "masks"))
    slabs = slice(20, 80), slice(100, 160)
    train, test = (([image[s]], [labels[s]]) for s in slabs)
    return train, test, {"unlabelled": None, "axes": "ZYX"}


def mri_spinal_sct(folder: Path) -> Parts:
    """Grey and white matter, nine slices of 7.5 mm: train on z 0-5, test on z 6-8."""
    image, labels = (
        _volume(folder / "images/t2s.nii.gz"),
        _volume(folder / "masks_gm_wm/t2s.nii.gz"),
    )
    train, test = (([image[s]], [labels[s]]) for s in (slice(0, 6), slice(6, 9)))
    return train, test, {"unlabelled": None, "axes": "ZYX", "spacing": (7.5, 0.5, 0.5)}


def nuclei3d_ovule(folder: Path) -> Parts:
    """Nuclei against background: train on one volume, test on the other."""
    files = sorted((folder / "images").glob("*.tif"))
    pairs = [(read_tiff(f), read_tiff(folder / "masks" / f.name)) for f in files]
    choice = {"unlabelled": None, "labels_are": "objects"}
    return _split(pairs, [True, False], choice | {"axes": "ZYX", "spacing": (0.284, 0.127, 0.127)})


SETS: dict[str, Callable[[Path], Parts]] = {
    "isbi2012_em": isbi2012_em,
    "dsb2018_fluo": dsb2018,
    "dsb2018_colour": dsb2018,
    "coco_stuff": coco_stuff,
    "mri_mni152": mri_mni152,
    "mri_spinal_sct": mri_spinal_sct,
    "nuclei3d_ovule": nuclei3d_ovule,
}
LABELS = ("unlabelled", "labels_are")


def _volume(file: Path) -> np.ndarray:
    """A NIfTI file as Z Y X."""
    return np.asarray(nibabel.load(file).dataobj).T


def _colour(image: np.ndarray) -> np.ndarray:
    """Without an alpha channel."""
    return image[..., :3] if image.ndim == 3 else image


def _split(pairs: list[Any], train: list[bool], choice: dict[str, Any]) -> Any:
    parts = [
        [p for p, t in zip(pairs, train, strict=True) if t is wanted] for wanted in (True, False)
    ]
    return *(tuple(map(list, zip(*part, strict=True))) for part in parts), choice


def measure(name: str, given: argparse.Namespace) -> None:
    """Train on one set, test on what was held out, and print the figures."""
    (images, labels), (held_out, truth), choice = SETS[name](given.data / name)
    meaning = {k: v for k, v in choice.items() if k in LABELS}
    place = {k: v for k, v in choice.items() if k not in LABELS}
    spec = _spec(given)
    small = (
        preset("volume").config.batch_size if spec.name in ("unet3d", "segresnet", "mednext") else 4
    )
    config = TrainConfig(epochs=100_000, minutes=given.minutes, batch_size=small, **meaning)
    if given.cpu:
        loop.perf_counter = lambda: process_time() / given.threads
    began = perf_counter()
    segmenter = Segmenter(spec, device="cpu").fit(images, labels, config, **place)
    made, seconds = segmenter.trained.provenance, perf_counter() - began
    print(f"\n### {name}, {spec.name} {segmenter.spec.encoder}, {segmenter.trained.ndim}D")
    print(
        f"{made['seconds'] / 60:.1f} minutes in the loop ({seconds / 60:.1f} with all around it), "
        f"{len(segmenter.history)} steps, {made['images_seen']} patches of "
        f"{segmenter.trained.tile_size}\n"
    )
    began = perf_counter()
    found = [segmenter.predict(i, **place) for i in held_out]
    megapixels = sum(f.size for f in found) / 1e6
    print(evaluate(found, truth, **meaning).table().round(4).to_string(index=False))
    print(f"\nprediction: {(perf_counter() - began) / megapixels:.2f} s per megapixel", flush=True)
    if given.agreement:
        agreement(segmenter, held_out)
        intensities(segmenter, held_out)
    segmenter.save(given.output / f"{name}-{spec.name}-{segmenter.trained.ndim}D.segkit")


def _spec(given: argparse.Namespace) -> ModelSpec:
    name, _, encoder = given.model.partition(":")
    return ModelSpec(name, encoder=encoder or None, dims=given.dims)


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
    parser.add_argument("--model", default="unet", help="name, or name:encoder")
    parser.add_argument("--dims", default="auto", help="auto, 2D or 3D")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cpu", action="store_true", help="minutes of the processor")
    parser.add_argument("--agreement", action="store_true", help="of tiled and untiled labels")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the models")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {given.threads} threads")
    for name in given.sets:
        measure(name, given)


if __name__ == "__main__":
    main()
