"""Strokes and steps that a person needs for an IoU: with Live, and with a training for each round.

    python benchmarks/live.py [--data FOLDER] [--model PRESET] [--target 0.9] [SET ...]

A simulated person puts a stroke on the largest error of the prediction, of its true class, one in
each round. Live: one training goes on, and the prediction is that of a snapshot after some steps.
Anew: each round is a training from random weights on all strokes. One image of each set: the coins
of scikit-image, or the first one of a data set. No window; steps, not seconds, are compared.
"""

import argparse
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from semantic import SETS
from skimage import data, filters, segmentation

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.models.presets import preset
from napari_segkit.steps import Step, Waiting
from napari_segkit.trained_model import TrainedModel
from napari_segkit.training.commands import AddLabels, Snapshot
from napari_segkit.training.events import TrainStep

LENGTH, WIDTH = 16, 2  # of a stroke, to each side of its middle, in pixels
Labels = NDArray[np.uint8]
Box = tuple[slice, ...]
Round = tuple[int, TrainedModel]  # steps so far, and the model


def coins() -> tuple[NDArray[np.uint8], Labels]:
    """The coins and their truth, by a watershed of the edges."""
    image = data.coins()
    markers = np.zeros(image.shape, np.int32)
    markers[image < 30], markers[image > 150] = 1, 2
    found = segmentation.watershed(filters.sobel(image), markers) == 2
    return image, ndimage.binary_fill_holes(found).astype(np.uint8) + 1


def read(name: str, folder: Path) -> tuple[NDArray[np.generic], Labels]:
    """The first image of a set, and its classes from 1 on."""
    if name == "coins":
        return coins()
    (images, labels), _, choice = SETS[name](folder / name)
    truth = labels[0] > 0 if choice.get("labels_are") == "objects" else labels[0]
    return images[0], np.unique(truth, return_inverse=True)[1].reshape(truth.shape) + 1


def stroke(truth: Labels, predicted: Labels, labels: Labels) -> Box:
    """Put a stroke on the largest error that is not labelled; returns its box."""
    wrong = np.where((predicted != truth) & (labels == 0), truth, 0)
    parts, _ = ndimage.label(wrong > 0)
    largest = parts == np.bincount(parts[parts > 0]).argmax()
    depth = ndimage.distance_transform_edt(largest)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    box = (
        slice(max(0, y - WIDTH), y + WIDTH + 1),
        slice(max(0, x - LENGTH), x + LENGTH + 1),
    )
    labels[box][truth[box] == truth[y, x]] = truth[y, x]
    return box


def live(
    spec: ModelSpec,
    config: TrainConfig,
    image: NDArray[np.generic],
    labels: Labels,
    steps: int,
    boxes: list[Box],
) -> Iterator[Round]:
    """One training that goes on, which is sent the last of the boxes of strokes."""
    training = Segmenter(spec).train_epochs(image, labels.copy(), config.live())
    while True:
        done = _after(training, steps)
        yield done.done, training.send(Snapshot()).model  # type: ignore[attr-defined]
        start = tuple(side.start for side in boxes[-1])
        training.send(AddLabels(0, start, labels[boxes[-1]].copy()))


def _after(training: Generator[Step, object, object], steps: int) -> Step:
    """The last of so many steps, or the first that waits."""
    for step in training:
        if isinstance(step, Waiting) or (isinstance(step, TrainStep) and step.done % steps == 0):
            return step
    raise RuntimeError("The training ended.")


def anew(
    spec: ModelSpec, config: TrainConfig, image: NDArray[np.generic], labels: Labels, steps: int
) -> Iterator[Round]:
    """A training from random weights in each round."""
    done = 0
    while True:
        whole = replace(config, epochs=steps, steps_per_epoch=1)
        segmenter = Segmenter(spec).fit(image, labels, whole)
        done += len(segmenter.history)
        assert segmenter.trained is not None
        yield done, segmenter.trained


def iou_of(predicted: Labels, truth: Labels) -> float:
    """Mean IoU of the classes."""
    classes = np.unique(truth)
    both = [(predicted == c) & (truth == c) for c in classes]
    either = [(predicted == c) | (truth == c) for c in classes]
    return float(np.mean([b.sum() / e.sum() for b, e in zip(both, either, strict=True)]))


def run_benchmark(name: str, how: str, args: argparse.Namespace) -> None:
    """Strokes and steps to the target on one image."""
    chosen = preset(args.model)
    image, truth = read(name, args.data)
    labels = np.zeros(truth.shape, np.uint8)
    for value in np.unique(truth):
        stroke(truth, np.where(truth == value, 0, truth), labels)
    boxes: list[Box] = []
    given = chosen.spec, chosen.config, image, labels
    rounds = live(*given, args.steps, boxes) if how == "live" else anew(*given, args.steps_anew)
    began, strokes = process_time(), len(np.unique(truth))
    for _ in range(args.rounds):
        done, model = next(rounds)
        reader = Segmenter(chosen.spec)
        reader.restore(model)
        predicted = reader.predict(image)
        reached = iou_of(predicted, truth)
        print(f"{name}  {how}: {strokes} strokes, {done} steps, mean IoU {reached:.3f}", flush=True)
        if reached >= args.target:
            break
        boxes.append(stroke(truth, predicted, labels))
        strokes += 1
    print(f"{name}  {how}: {process_time() - began:.0f} s of CPU time", flush=True)


def main() -> None:
    """Run on the coins, or on the sets named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["coins"])
    parser.add_argument("--data", type=Path, default=Path(), help="folder of the data sets")
    parser.add_argument("--model", default="fast on CPU", help="name of a preset")
    parser.add_argument("--how", choices=("live", "anew"), nargs="*", default=["live", "anew"])
    parser.add_argument("--target", type=float, default=0.9)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10, help="between two strokes of Live")
    parser.add_argument("--steps-anew", type=int, default=100, help="of each training anew")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name in args.sets:
        for how in args.how:
            run_benchmark(name, how, args)


if __name__ == "__main__":
    main()
