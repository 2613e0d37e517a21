"""What each random change of the patches is worth at equal steps, and what it costs.

    python benchmarks/augmentation.py --data FOLDER [--steps 250] [--seeds 0 1] [--images 2] [sets ...]

A light U-Net (MobileNetV2 encoder, random weights), batches of 4 patches of 128 pixels. Prints the
mean IoU on the test images for each change, and without --data the time that each takes.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from semantic import LABELS, SETS

from napari_segkit import (
    AugmentConfig,
    ModelSpec,
    Segmenter,
    TileConfig,
    TrainConfig,
    augmented_patches,
    evaluate,
)

NOTHING = AugmentConfig(
    horizontal_flip=False,
    vertical_flip=False,
    depth_flip=False,
    quarter_turns=False,
    brightness=0,
    contrast=0,
)
TURNED = AugmentConfig(brightness=0, contrast=0)
COLOURED = replace(TURNED, brightness=0.1, contrast=0.25)
CHANGES = {
    "rotation": {"rotation": 180},
    "scale": {"scale": 0.25},
    "elastic": {"elastic": 12},
    "gamma": {"gamma": 0.5},
    "noise": {"noise": 0.1},
    "blur": {"blur": 1},
}
VARIANTS = {
    "none": AugmentConfig(False),
    "flips, quarter turns": TURNED,
    "and brightness, contrast": COLOURED,
    **{f"and {name}": replace(COLOURED, **change) for name, change in CHANGES.items()},
}
COSTS = CHANGES | {"bias field": {"bias_field": 0.3}}


def score(name: str, augment: AugmentConfig, seed: int, args: argparse.Namespace) -> float:
    """Mean IoU on the test images after a training of so many steps."""
    (images, labels), (held_out, truth), choice = SETS[name](args.data / name)
    options = {k: v for k, v in choice.items() if k in LABELS}
    config = TrainConfig(
        epochs=args.steps // 10, tile=TileConfig(128), seed=seed, augment=augment, **options
    )
    few = slice(None, None, max(1, len(images) // args.images) if args.images else 1)
    segmenter = Segmenter(ModelSpec("unet", encoder="mobilenet_v2"), device="cpu")
    segmenter.fit(images[few][: args.images], labels[few][: args.images], config)
    predicted = [segmenter.predict(image) for image in held_out]
    return float(evaluate(predicted, truth, **options).mean_iou)


def print_costs() -> None:
    """Print milliseconds of CPU time for a patch that is changed."""
    for shape in ((256, 256), (64, 64, 64)):
        image = np.random.default_rng(0).random((1, *shape), np.float32)
        labels = np.zeros(shape, np.int16)
        print(f"\npatches of {shape}, ms per patch, of which half are changed")
        variants = {"default": AugmentConfig()}
        variants |= {name: replace(NOTHING, **change) for name, change in COSTS.items()}
        for name, config in {"nothing": NOTHING, **variants}.items():
            augmented_patches(image, labels, config, count=2)
            start = process_time()
            augmented_patches(image, labels, config, count=60)
            print(f"{name:12s} {(process_time() - start) / 60 * 1e3:.2f}")


def main() -> None:
    """Run on the named data sets, or print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["isbi2012_em", "dsb2018_fluo"])
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--images", type=int, help="train on so many images only")
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), help="names of changes")
    args = parser.parse_args()
    if args.data is None:
        print_costs()
        return
    for name in args.sets:
        for variant in args.only:
            start = perf_counter()
            scores = [score(name, VARIANTS[variant], seed, args) for seed in args.seeds]
            values = "  ".join(f"{s:.4f}" for s in scores)
            seconds = perf_counter() - start
            print(
                f"{name}  {variant}: {np.mean(scores):.4f} ({values}), {seconds:.0f} s", flush=True
            )


if __name__ == "__main__":
    main()
