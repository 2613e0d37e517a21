"""Dice of a network trained on scribbles over that of one trained on dense labels.

    python benchmarks/scribbles.py --data FOLDER [--minutes 5] [--fraction 0.01] [sets ...]

Random strokes are drawn inside each class, in every training image, until a fraction of its pixels
is labelled. Default U-Net, random weights; minutes are CPU time of the threads, divided by their
number, so that other work does not count.
"""

import argparse
from pathlib import Path
from time import process_time

import numpy as np
import torch
from peers.strokes import strokes as draw
from semantic import LABELS, SETS

from napari_segkit import Segmenter, TrainConfig, evaluate
from napari_segkit.training import schedule


def dice(train: tuple, test: tuple, options: dict, args: argparse.Namespace) -> tuple[float, str]:
    """Mean Dice on the test images, and how the training went."""
    config = TrainConfig(epochs=None, minutes=args.minutes, validation=args.validation, **options)
    segmenter = Segmenter(device="cpu").fit(*train, config)
    predicted = [segmenter.predict(image) for image in test[0]]
    held_out = segmenter.held_out.about if segmenter.held_out else "nothing is held out"
    return float(
        evaluate(predicted, test[1]).mean_dice
    ), f"{len(segmenter.history)} steps, {held_out}"


def run_benchmark(name: str, args: argparse.Namespace) -> None:
    """Train on dense labels and on scribbles of one data set."""
    (images, labels), (held_out, truth), choice = SETS[name](args.data / name)
    options = {k: v for k, v in choice.items() if k in LABELS}
    if options.get("labels_are") == "objects":
        labels, truth = ([(a > 0).astype(np.uint8) for a in part] for part in (labels, truth))
    values = np.unique(labels[0])
    classes, truth = ([np.searchsorted(values, a) for a in part] for part in (labels, truth))
    strokes = [
        next(draw(a, [args.fraction], seed, "proportional")) for seed, a in enumerate(classes)
    ]
    dense = [(a + 1).astype(np.uint8) for a in classes]
    test = held_out, [a + 1 for a in truth]
    scores = {}
    for kind, painted in (("dense", dense), ("scribbles", strokes)):
        scores[kind], about = dice((images, painted), test, {"labels_are": "classes"}, args)
        share = np.mean([(a > 0).mean() for a in painted])
        print(
            f"{name}  {kind} ({share:.2%} labelled): mean Dice {scores[kind]:.4f}, {about}",
            flush=True,
        )
    print(f"{name}  ratio {scores['scribbles'] / scores['dense']:.3f}", flush=True)


def main() -> None:
    """Run on two data sets, or on those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["dsb2018_fluo", "isbi2012_em"])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--fraction", type=float, default=0.01)
    parser.add_argument(
        "--validation", default="auto", type=lambda text: None if text == "None" else text
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    schedule.perf_counter = lambda: process_time() / args.threads
    for name in args.sets:
        run_benchmark(name, args)


if __name__ == "__main__":
    main()
