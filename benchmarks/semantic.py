"""Metrics of semantic models after some minutes of training on real data, and effects of tiling.

    python benchmarks/semantic.py --data FOLDER [--model unet:resnet18] [--minutes 10] [sets ...]

Everything uses the public interface: two torch threads, random weights, seed 0, the splits of the
data sets. Prints one table per data set; --agreement adds the agreement of tiled and untiled
labels. On a busy machine, --cpu measures CPU time of both threads, halved, instead of wall time.
For volumes, --neighbour-slices trains a 2D network on slices with those beside them, --three-axes
on slices along Z, Y and X; then the mean along all three is evaluated, too.
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

from napari_segkit import (
    ModelSpec,
    PredictConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
    evaluate,
)
from napari_segkit.models.presets import VOLUME_IN_3D
from napari_segkit.training import schedule

import torch  # isort: skip

Pairs = tuple[list[np.ndarray], list[np.ndarray]]
Parts = tuple[Pairs, Pairs, dict[str, Any]]
Spacing = tuple[float, float, float]


def isbi2012_em(folder: Path) -> Parts:
    """Membranes: train on slices 0-19, test on 20-23; every pixel is annotated."""
    files = sorted((folder / "images").glob("*.png"))
    pairs = [(imread(f), imread(folder / "masks" / f.name)) for f in files]
    return _split(pairs, [i < 20 for i in range(len(pairs))], {"unlabelled": None})


def dsb2018(folder: Path) -> Parts:
    """Nuclei against background: the split of the data set; all ids become one class."""
    with (folder / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    pairs = []
    for row in rows:
        image, mask = (next((folder / d).glob(f"{row['name']}.*")) for d in ("images", "masks"))
        pairs.append((_without_alpha(imread(image)), imread(mask)))
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
    """Tissues of an average head: train on z 20-79, test on z 100-159."""
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


def _without_alpha(image: np.ndarray) -> np.ndarray:
    """Drop the alpha channel."""
    return image[..., :3] if image.ndim == 3 else image


def _split(pairs: list[Any], train: list[bool], choice: dict[str, Any]) -> Any:
    parts = [
        [p for p, t in zip(pairs, train, strict=True) if t is selected]
        for selected in (True, False)
    ]
    return *(tuple(map(list, zip(*part, strict=True))) for part in parts), choice


def run_benchmark(name: str, args: argparse.Namespace) -> None:
    """Train on one data set and print the metrics on the held-out images."""
    (images, labels), (held_out, truth), choice = SETS[name](args.data / name)
    label_options = {k: v for k, v in choice.items() if k in LABELS}
    image_options = {k: v for k, v in choice.items() if k not in LABELS}
    spec = _spec(args)
    batch_size = (
        VOLUME_IN_3D.config.batch_size if spec.name in ("unet3d", "segresnet", "mednext") else 4
    )
    config = TrainConfig(
        epochs=None,
        minutes=args.minutes,
        batch_size=batch_size,
        tile=TileConfig(tile_size=args.tile_size),
        three_axes=args.three_axes,
        seed=args.seed,
        **label_options,
    )
    if args.cpu:
        schedule.perf_counter = lambda: process_time() / args.threads
    start = perf_counter()
    segmenter = Segmenter(spec, device="cpu").fit(images, labels, config, **image_options)
    provenance, seconds = segmenter.trained.provenance, perf_counter() - start
    print(f"\n### {name}, {spec.name} {segmenter.spec.encoder}, {segmenter.trained.ndim}D")
    print(
        f"{provenance['seconds'] / 60:.1f} minutes of training ({seconds / 60:.1f} in total), "
        f"{len(segmenter.history)} steps, {provenance['images_seen']} patches of "
        f"{segmenter.trained.tile_size}\n"
    )
    for three_axes in (False, True)[: 1 + args.three_axes]:
        settings, start = PredictConfig(three_axes=three_axes), process_time()
        predicted = [segmenter.predict(i, config=settings, **image_options) for i in held_out]
        seconds = (process_time() - start) / (sum(p.size for p in predicted) / 1e6)
        print(evaluate(predicted, truth, **label_options).table().round(4).to_string(index=False))
        name_of = "mean along Z, Y and X" if three_axes else "prediction"
        print(f"\n{name_of}: {seconds:.2f} s of CPU time per megapixel\n", flush=True)
    if args.agreement:
        print_tiling_agreement(segmenter, held_out)
        print_intensity_agreement(segmenter, held_out)
    segmenter.save(args.output / f"{name}-{spec.name}-{segmenter.trained.ndim}D.segkit")


def _spec(args: argparse.Namespace) -> ModelSpec:
    name, _, encoder = args.model.partition(":")
    neighbours = args.neighbour_slices
    return ModelSpec(name, encoder=encoder or None, dims=args.dims, neighbour_slices=neighbours)


def print_tiling_agreement(segmenter: Segmenter, images: list[np.ndarray]) -> None:
    """Share of labels that equal those of one tile over the full image (a mosaic of four)."""
    mosaic = _mosaic(images)
    tiled = segmenter.predict(mosaic)
    whole = segmenter.predict(mosaic, TileConfig(tile_size=_untiled_size(max(mosaic.shape[:2]))))
    print(f"tiled equals untiled: {(tiled == whole).mean():.4%} of {mosaic.shape[:2]}")


def print_intensity_agreement(segmenter: Segmenter, images: list[np.ndarray]) -> None:
    """Share of labels that stay when the intensities of a test image are halved or doubled."""
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


def _untiled_size(length: int) -> int:
    return (length // 32 + 4) * 32


def main() -> None:
    """Run on the named data sets, or on all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--model", default="unet", help="name, or name:encoder")
    parser.add_argument("--dims", default="auto", help="auto, 2D or 3D")
    parser.add_argument("--neighbour-slices", type=int, default=0, help="of a 2D network")
    parser.add_argument("--three-axes", action="store_true", help="slices along Z, Y and X")
    parser.add_argument("--tile-size", type=int, help="of the patches")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cpu", action="store_true", help="count minutes of CPU time")
    parser.add_argument("--agreement", action="store_true", help="of tiled and untiled labels")
    parser.add_argument("--output", type=Path, default=Path(), help="folder for the models")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    for name in args.sets:
        run_benchmark(name, args)


if __name__ == "__main__":
    main()
