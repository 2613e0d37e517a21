"""What each default is worth on photographs and other colour images, at equal steps.

    python benchmarks/photographs.py --data FOLDER [--steps 200] [--only NAME ...] [sets ...]

A light U-Net (random weights), batches of 4 patches of 128 pixels, images of half the size.
Photographs are divided into ground, walls and things; columns of each are held out for the test.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
from semantic import coco_stuff, dsb2018
from skimage.transform import resize

from napari_segkit import AugmentConfig, ModelSpec, Segmenter, TileConfig, TrainConfig, evaluate

GROUND = {100, 110, 113, 114, 115, 116, 117, 123, 124, 125, 139, 144, 148, 153}
WALL = {95, 111, 112, 168, 170, 171, 172, 173, 174, 175, 176, 179, 180}
THINGS = {*range(91), 109, 122}
HELD_OUT_COLUMNS = ((0.2, 0.4), (0.65, 0.85))
UNLABELLED = 255

UPRIGHT = AugmentConfig(vertical_flip=False, quarter_turns=False)
PLAIN = AugmentConfig(brightness=0, contrast=0)
VARIANTS = {
    "defaults": {},
    "horizontal flips only": {"augment": UPRIGHT},
    "no flips or turns": {"augment": replace(UPRIGHT, horizontal_flip=False)},
    "no brightness or contrast": {"augment": PLAIN},
    "pixels / 255": {"normalise": "dtype"},
    "values of all training images": {"normalise": "training"},
    "last state, all labels": {"validation": None},
    "ResNet-18": {"encoder": "resnet18"},
    "ResNet-50": {"encoder": "resnet50"},
    "whole images": {"resize": 128},
    "whole images, horizontal flips only": {"resize": 128, "augment": UPRIGHT},
    "whole images, pixels / 255": {"resize": 128, "normalise": "dtype"},
    "no context: patches of 64": {"tile": TileConfig(64)},
    "batches of 8": {"batch_size": 8},
}
Items = tuple[list[np.ndarray], list[np.ndarray]]


def photographs(folder: Path) -> tuple[Items, Items]:
    """Photographs with three classes; some columns of each are held out."""
    (images, left), (_, right), _ = coco_stuff(folder)
    labels = [np.where(a == UNLABELLED, b, a) for a, b in zip(left, right, strict=True)]
    labels = [_three_classes(a) for a in labels]
    held_out = [_held_out(a.shape) for a in labels]
    train = [np.where(h, UNLABELLED, a) for a, h in zip(labels, held_out, strict=True)]
    test = [np.where(h, a, UNLABELLED) for a, h in zip(labels, held_out, strict=True)]
    return _half((images, train)), _half((images, test))


def stained_tissue(folder: Path) -> tuple[Items, Items]:
    """Nuclei against background."""
    train, test, _ = dsb2018(folder)
    return _half(_classes(train)), _half(_classes(test))


SETS = {"coco_stuff": photographs, "dsb2018_colour": stained_tissue}


def _three_classes(labels: np.ndarray) -> np.ndarray:
    classes = np.full(256, UNLABELLED, np.uint8)
    for value, members in enumerate((GROUND, WALL, THINGS)):
        classes[list(members)] = value
    return classes[labels]


def _held_out(shape: tuple[int, ...]) -> np.ndarray:
    column = np.arange(shape[1]) / shape[1]
    within = [(low <= column) & (column < high) for low, high in HELD_OUT_COLUMNS]
    return np.broadcast_to(np.any(within, axis=0), shape)


def _classes(items: Items) -> Items:
    images, labels = items
    return images, [(a > 0).astype(np.uint8) for a in labels]


def _half(items: Items) -> Items:
    images, labels = items
    return [_halved(i, 1) for i in images], [_halved(a, 0) for a in labels]


def _halved(array: np.ndarray, order: int) -> np.ndarray:
    shape = (array.shape[0] // 2, array.shape[1] // 2, *array.shape[2:])
    smooth = order > 0
    resized = resize(array, shape, order=order, anti_aliasing=smooth, preserve_range=True)
    return resized.round().astype(array.dtype)


def score(train: Items, test: Items, changes: dict, steps: int, seed: int) -> tuple[float, float]:
    """Mean IoU on the test pixels, and the share of them that is right."""
    settings = dict(changes)
    spec = ModelSpec("unet", encoder=settings.pop("encoder", "mobilenet_v2"))
    options = {"tile": TileConfig(128), "unlabelled": UNLABELLED, "labels_are": "classes"}
    config = TrainConfig(epochs=steps // 10, seed=seed, **(options | settings))
    segmenter = Segmenter(spec, device="cpu").fit(*train, config)
    predicted = [segmenter.predict(image) for image in test[0]]
    result = evaluate(predicted, test[1], unlabelled=UNLABELLED)
    right = sum((p == t).sum() for p, t in zip(predicted, test[1], strict=True))
    return float(result.mean_iou), float(right / sum((t != UNLABELLED).sum() for t in test[1]))


def main() -> None:
    """Run on both data sets, or on those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), help="names of changes")
    args = parser.parse_args()
    parts = {name: SETS[name](args.data / name) for name in args.sets}
    for variant in args.only:
        for name, (train, test) in parts.items():
            for seed in args.seeds:
                start = process_time()
                iou, right = score(train, test, VARIANTS[variant], args.steps, seed)
                seconds = process_time() - start
                print(
                    f"{name}  {variant}, seed {seed}: mean IoU {iou:.4f}, "
                    f"{right:.2%} right, {seconds:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
