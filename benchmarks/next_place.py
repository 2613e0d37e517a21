"""Strokes where a model is most uncertain, against strokes at random, by simulation.

    python benchmarks/next_place.py --data FOLDER [--sets isbi2012_em ...] [--seeds 3]

The pixel classifier begins with a stroke of each class in one training image. Then it is trained
anew after each further stroke: a short line through the middle of a window, whose pixels get their
true classes. Windows are chosen by `next_place` or at random. The IoU, the mean of both classes, is
that of two test images.
"""

import argparse
from pathlib import Path

import numpy as np
from semantic import SETS

from napari_segkit import PredictConfig, Segmenter, TrainConfig, evaluate, next_place
from napari_segkit.steps import drain

LENGTH, WIDTH = 24, 3  # pixels of a stroke
LOOKED_AT = 4  # strokes between two tests
NAMES = ["isbi2012_em", "dsb2018_fluo", "dsb2018_colour"]
Window = tuple[slice, ...]
Pair = tuple[np.ndarray, np.ndarray]
CONFIG = TrainConfig(validation=None)


def stroke_at(y: int, x: int) -> Window:
    """The pixels of a stroke around a place."""
    return (
        slice(max(0, y - WIDTH // 2), y + WIDTH // 2 + 1),
        slice(max(0, x - LENGTH // 2), x + LENGTH // 2),
    )


def random_window(shape: tuple[int, ...], random: np.random.Generator, size: int) -> Window:
    """A window anywhere."""
    starts = [int(random.integers(0, max(1, n - size + 1))) for n in shape]
    return tuple(slice(s, s + size) for s in starts)


def uncertain_window(
    segmenter: Segmenter, image: np.ndarray, labels: np.ndarray, size: int
) -> Window:
    """The window where the model is most uncertain."""
    steps = segmenter.predict_tiles(image, config=PredictConfig(uncertainty="entropy"))
    return next_place(drain(steps).uncertainty, labels, size)


def first_labels(truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A stroke of each class, where it has room."""
    labels = np.zeros(truth.shape, np.uint8)
    for value in (1, 2):
        places = np.argwhere(truth == value)
        stroke = stroke_at(*places[random.integers(len(places))])
        labels[stroke] = np.where(truth[stroke] == value, value, labels[stroke])
    return labels


def score(segmenter: Segmenter, tests: list[Pair]) -> float:
    """Mean IoU of the classes over all test images."""
    found = [segmenter.predict(image) for image, _ in tests]
    return float(evaluate(found, [truth for _, truth in tests]).mean_iou)


def curve(
    pair: Pair, tests: list[Pair], seed: int, args: argparse.Namespace, *, is_random: bool
) -> list[float]:
    """IoU after every few strokes."""
    (image, truth), random = pair, np.random.default_rng(seed)
    labels, scores = first_labels(truth, random), []
    segmenter = Segmenter("pixels").fit(image, labels, CONFIG)
    for count in range(1, args.strokes + 1):
        window = (
            random_window(truth.shape, random, args.size)
            if is_random
            else uncertain_window(segmenter, image, labels, args.size)
        )
        stroke = stroke_at(*[(side.start + side.stop) // 2 for side in window])
        labels[stroke] = truth[stroke]
        segmenter.fit(image, labels, CONFIG)
        if count % LOOKED_AT == 0:
            scores.append(score(segmenter, tests))
    return scores


def run(name: str, args: argparse.Namespace) -> None:
    """Print the mean and spread of the IoU over seeds, each with an image of its own."""
    train, test, _ = SETS[name](args.data / name)
    pairs, tests = (
        [(image, 1 + (mask > 0).astype(np.uint8)) for image, mask in zip(*part, strict=True)]
        for part in (train, test)
    )
    tests = tests[:: max(1, len(tests) // 2)][:2]
    for is_random in (True, False):
        curves = [
            curve(pairs[s * len(pairs) // args.seeds], tests, s, args, is_random=is_random)
            for s in range(args.seeds)
        ]
        mean, spread = (f(curves, axis=0).round(3).tolist() for f in (np.mean, np.std))
        print(name, "at random" if is_random else "next_place", mean, "+-", spread)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=NAMES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=32, help="of the window")
    parser.add_argument("--strokes", type=int, default=16)
    args = parser.parse_args()
    for name in args.sets:
        run(name, args)


if __name__ == "__main__":
    main()
