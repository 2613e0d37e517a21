"""The pixel classifier compared with a random forest on scribbles, image by image.

    python benchmarks/bench_pixels.py --data FOLDER [--repeats 3] [dsb2018_fluo | ...]

Random strokes are drawn inside each class until a fraction of its pixels is labelled; each method
is trained on them and labels the rest of the same image. The baseline, like ilastik, is
scikit-image's `multiscale_basic_features` (intensity, edges, texture, sigma 1 to 16) with
scikit-learn's random forest of 100 trees. Both run in turn, on the same threads; seconds are
medians over the repeats, means over the images; IoU is over the unlabelled pixels. In 3D our scales
begin at half a pixel.
"""

import argparse
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import nibabel
import numpy as np
import torch
from imageio.v3 import imread
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from napari_segkit import ModelSpec, Segmenter, TrainConfig, evaluate
from napari_segkit.models.pixels.feature_cache import CACHE

FRACTIONS = (0.0025, 0.01, 0.025)
IMAGES = 4
SLABS = (20, 100)  # first slices of two slabs of 16
SPECS = {
    "2D": ModelSpec("pixels", dims="2D"),
    "3D": ModelSpec("pixels", dims="3D"),
}

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Result:
    """Labels of every pixel, seconds to train and to predict."""

    labels: np.ndarray
    train: float
    predict: float


def masked_images(folder: Path, foreground: Callable[[np.ndarray], np.ndarray]) -> list[Pair]:
    """A few images spread over a data set, with 0 and 1 as ground truth."""
    files = sorted((folder / "images").iterdir())
    files = files[:: max(1, len(files) // IMAGES)][:IMAGES]
    truths = [imread(next((folder / "masks").glob(f"{f.stem}.*"))) for f in files]
    return [(imread(f), foreground(t).astype(int)) for f, t in zip(files, truths, strict=True)]


def slabs(folder: Path) -> list[Pair]:
    """Slabs of a volume, as Z Y X."""
    image, truth = (
        np.asarray(nibabel.load(next((folder / part).iterdir())).dataobj).T
        for part in ("images", "masks")
    )
    parts = [slice(z, z + 16) for z in SLABS]
    return [(np.ascontiguousarray(image[p]), truth[p].astype(int)) for p in parts]


SETS: dict[str, Callable[[Path], list[Pair]]] = {
    "dsb2018_fluo": lambda folder: masked_images(folder, lambda t: t > 0),
    "dsb2018_colour": lambda folder: masked_images(folder, lambda t: t > 0),
    "isbi2012_em": lambda folder: masked_images(folder, lambda t: t > 127),
    "mri_mni152": slabs,
}


def scribble(truth: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Strokes of three pixels' width inside each class: 0 is unlabelled, class c becomes c + 1."""
    random = np.random.default_rng(seed)
    labels = np.zeros(truth.shape, np.uint8)
    for value in np.unique(truth):
        inside = truth == value
        places, wanted = np.argwhere(inside), max(1, round(fraction * inside.sum()))
        while (left := wanted - int((labels == value + 1).sum())) > 0:
            start = places[random.integers(len(places))]
            stroke(labels, inside, start, value + 1, left, random)
    return labels


def stroke(
    labels: np.ndarray,
    inside: np.ndarray,
    start: np.ndarray,
    value: int,
    left: int,
    random: np.random.Generator,
) -> None:
    """Paint a slowly turning path in one slice that ends where its class ends."""
    plane, allowed = labels[tuple(start[:-2])], inside[tuple(start[:-2])]
    (y, x), angle = start[-2:].astype(float), random.uniform(0, 2 * np.pi)
    for _ in range(random.integers(5, 40)):
        row, column = round(y), round(x)
        within = 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]
        if left <= 0 or not within or not allowed[row, column]:
            return
        brush = np.s_[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        fresh = np.argwhere(allowed[brush] & (plane[brush] != value))[:left]
        plane[brush][tuple(fresh.T)] = value
        left -= len(fresh)
        angle += random.normal(0, 0.3)
        y, x = y + np.sin(angle), x + np.cos(angle)


def pixel_classifier(image: np.ndarray, labels: np.ndarray) -> Result:
    """This package, with an empty feature cache."""
    CACHE.clear()
    axes = "YXC" if image.shape[-1] == 3 else "ZYX"[-image.ndim :]
    start_time = perf_counter()
    config = TrainConfig(unlabelled=0, labels_are="classes")
    segmenter = Segmenter(SPECS[f"{labels.ndim}D"], device="cpu").fit(
        image, labels, config, axes=axes
    )
    trained = perf_counter()
    predicted = segmenter.predict(image)
    return Result(predicted, trained - start_time, perf_counter() - trained)


def random_forest(image: np.ndarray, labels: np.ndarray) -> Result:
    """The baseline; computing features counts as training, as in this package."""
    start_time = perf_counter()
    channel = -1 if image.shape[-1] == 3 else None
    features = multiscale_basic_features(image, sigma_min=1, sigma_max=16, channel_axis=channel)
    classifier = RandomForestClassifier(100, n_jobs=2, random_state=0)
    classifier.fit(features[labels > 0], labels[labels > 0])
    trained = perf_counter()
    flat = features.reshape(-1, features.shape[-1])
    predicted = classifier.predict(flat).reshape(labels.shape)
    return Result(predicted, trained - start_time, perf_counter() - trained)


def compare(pair: Pair, fraction: float, seed: int, repeats: int) -> np.ndarray:
    """IoU, seconds to train and to predict: of the pixel classifier, then of the forest."""
    image, truth = pair
    labels = scribble(truth, fraction, seed)
    hidden = np.where(labels > 0, 0, truth + 1)
    runs = [(pixel_classifier(image, labels), random_forest(image, labels)) for _ in range(repeats)]
    rows = []
    for side in zip(*runs, strict=True):
        iou = evaluate(side[0].labels, hidden, unlabelled=0).mean_iou
        rows += [iou, median(r.train for r in side), median(r.predict for r in side)]
    return np.array(rows)


def main() -> None:
    """Compare on the named data sets, or on all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", message=".*fewer than 50 labelled pixels")
    print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads\n")
    print("| set | labelled | IoU | IoU (forest) | train + predict (s) | forest (s) | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in args.sets:
        pairs = SETS[name](args.data / name)
        warm_up(pairs[0])
        for part in FRACTIONS:
            rows = [compare(p, part, seed, args.repeats) for seed, p in enumerate(pairs)]
            iou, train, predict, iou_f, train_f, predict_f = np.mean(rows, axis=0)
            ratio = (train + predict) / (train_f + predict_f)
            print(
                f"| {name} | {part:.2%} | {iou:.3f} | {iou_f:.3f} | {train:.2f} + {predict:.2f} | "
                f"{train_f:.2f} + {predict_f:.2f} | {ratio:.2f} |",
                flush=True,
            )


def warm_up(pair: Pair) -> None:
    """Run both once: the first call loads libraries."""
    labels = scribble(pair[1], FRACTIONS[0], 0)
    pixel_classifier(pair[0], labels), random_forest(pair[0], labels)


if __name__ == "__main__":
    main()
