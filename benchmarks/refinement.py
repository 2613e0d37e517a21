"""IoU and Dice before and after refinement, on held-out images.

    python benchmarks/refinement.py predict --data FOLDER --output FOLDER [sets ...]
    python benchmarks/refinement.py table --data FOLDER --output FOLDER [sets ...]

`predict` trains a U-Net for --minutes and the pixel classifier on each data set and stores the
probabilities of the held-out images; `table` smooths them with several methods and prints the mean
IoU and Dice of each. --sweep prints the CRF over a grid of its parameters instead.
"""

import argparse
import platform
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from semantic import LABELS, SETS

from napari_segkit import (
    CRFConfig,
    ModelSpec,
    MRFConfig,
    Segmenter,
    SuperpixelConfig,
    TrainConfig,
    evaluate,
    smooth,
)
from napari_segkit.training import schedule

import torch  # isort: skip

NAMES = ("dsb2018_fluo", "dsb2018_colour", "isbi2012_em", "coco_stuff", "mri_mni152")
MODELS = ("pixels", "unet")
STRONG = CRFConfig(
    smoothness_weight=3,
    smoothness_sigma=3,
    appearance_weight=10,
    appearance_sigma=20,
    intensity_sigma=0.05,
)
METHODS = {
    "CRF": CRFConfig(),
    "CRF, strong": STRONG,
    "CRF, strong, intensities alone": replace(STRONG, smoothness_weight=0),
    "MRF": MRFConfig(),
    "MRF, weight 1": MRFConfig(weight=1),
    "MRF, contrast": MRFConfig(intensity_sigma=0.1),
    "superpixels": SuperpixelConfig(),
}
GRID = {
    "smoothness_weight": (0.0, 1.0),
    "smoothness_sigma": (1.0, 3.0),
    "appearance_weight": (1.0, 3.0, 10.0),
    "appearance_sigma": (3.0, 8.0, 20.0),
    "intensity_sigma": (0.05, 0.15),
}


def predict(name: str, model: str, args: argparse.Namespace) -> None:
    """Train on one data set and store the probabilities of the held-out images."""
    (images, labels), (held_out, _), choice = SETS[name](args.data / name)
    label_options, image_options = _split_options(choice)
    if args.cpu:
        schedule.perf_counter = lambda: process_time() / args.threads
    config = TrainConfig(epochs=100_000, minutes=args.minutes, **label_options)
    start = perf_counter()
    spec = ModelSpec(model, dims="2D")
    segmenter = Segmenter(spec, device="cpu").fit(images, labels, config, **image_options)
    provenance = segmenter.trained.provenance
    print(
        f"{name}, {model}: {provenance['seconds'] / 60:.1f} minutes, {perf_counter() - start:.0f} s"
    )
    maps = [
        segmenter.predict_proba(image, **image_options).astype(np.float16) for image in held_out
    ]
    values = np.array([c.value for c in segmenter.classes])
    arrays = {f"map{i}": m for i, m in enumerate(maps)}
    np.savez_compressed(args.output / f"{name}-{model}.npz", values=values, **arrays)


def _split_options(choice: dict) -> tuple[dict, dict]:
    label_options = {k: v for k, v in choice.items() if k in LABELS}
    return label_options, {k: v for k, v in choice.items() if k not in LABELS}


def table(name: str, model: str, args: argparse.Namespace) -> None:
    """Smooth the probabilities of one data set with each method and print the metrics."""
    _, (held_out, truth), choice = SETS[name](args.data / name)
    label_options, image_options = _split_options(choice)
    file = np.load(args.output / f"{name}-{model}.npz")
    maps = [file[f"map{i}"].astype(np.float32) for i in range(len(held_out))]
    maps = [m / m.sum(axis=0) for m in maps]
    if "axes" in image_options:
        axes = image_options["axes"].replace("Z", "T")  # slice by slice, as in training
        image_options = {"axes": axes}
    methods = {"none": None, **METHODS} if not args.sweep else dict(_sweep())
    for method, config in methods.items():
        start = perf_counter()
        after = maps
        if config is not None:
            after = [
                smooth(m, i, config, **image_options) for m, i in zip(maps, held_out, strict=True)
            ]
        seconds = perf_counter() - start
        labels = [file["values"][m.argmax(axis=0)] for m in after]
        report = evaluate(labels, truth, **label_options)
        pixels = sum(label.size for label in labels) / 1e6
        print(
            f"{name:<16}{model:<8}{method:<44}"
            f"IoU {report.mean_iou:.4f}  Dice {report.mean_dice:.4f}  "
            f"{seconds / pixels:.2f} s per megapixel",
            flush=True,
        )


def _sweep():
    yield "none", None
    for values in product(*GRID.values()):
        fields = dict(zip(GRID, values, strict=True))
        if not fields["smoothness_weight"] and fields["smoothness_sigma"] != 1:
            continue
        yield " ".join(f"{v:g}" for v in values), CRFConfig(**fields)


def main() -> None:
    """Run on the named data sets, or on all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["predict", "table"])
    parser.add_argument("sets", nargs="*", default=list(NAMES))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--output", type=Path, required=True, help="folder of the probabilities")
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--cpu", action="store_true", help="count minutes of CPU time")
    parser.add_argument("--sweep", action="store_true", help="a grid of the CRF's parameters")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    for name, model in product(args.sets, args.models):
        (predict if args.what == "predict" else table)(name, model, args)


if __name__ == "__main__":
    main()
