"""Brush strokes needed to label an image with and without superpixels, by simulation.

    python benchmarks/superpixels.py --data FOLDER [--size 12]

The image starts as background. Each stroke is the longest straight line through the innermost point
of the largest wrong component, with a brush as wide as the component there, at most 10 pixels. With
superpixels, a stroke labels all superpixels it touches; where that would do more harm than good, it
paints with the brush.
"""

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from imageio.v3 import imread
from scipy import ndimage
from skimage.draw import disk, line

from napari_segkit import SuperpixelConfig, superpixels

MAX_BRUSH = 10  # pixels
GOAL = 0.95
MAX_STROKES = 5000
Stroke = tuple[np.ndarray, np.ndarray]


def iou(labels: np.ndarray, truth: np.ndarray) -> float:
    return (labels & truth).sum() / (labels | truth).sum()


def stroke(wrong: np.ndarray) -> tuple[Stroke, int]:
    """The next stroke and its brush width."""
    components, _ = ndimage.label(wrong)
    component = components == 1 + np.argmax(np.bincount(components.ravel())[1:])
    depth = ndimage.distance_transform_edt(np.pad(component, 1))[1:-1, 1:-1]
    centre = np.unravel_index(depth.argmax(), depth.shape)
    chords = [
        _chord(component, centre, angle) for angle in np.linspace(0, np.pi, 16, endpoint=False)
    ]
    return max(chords, key=lambda chord: len(chord[0])), int(min(2 * depth.max(), MAX_BRUSH))


def _chord(component: np.ndarray, centre: tuple[int, ...], angle: float) -> Stroke:
    step = np.array([np.sin(angle), np.cos(angle)])
    ends = []
    for sign in (1, -1):
        length = 0
        while _inside(component, np.round(centre + sign * (length + 1) * step).astype(int)):
            length += 1
        ends.append(np.round(centre + sign * length * step).astype(int))
    return line(*ends[0], *ends[1])


def _inside(component: np.ndarray, place: np.ndarray) -> bool:
    return bool((place >= 0).all() and (place < component.shape).all() and component[tuple(place)])


def brush_mask(path: Stroke, width: int, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels that a stroke covers."""
    covered = np.zeros(shape, bool)
    for y, x in zip(*path, strict=True):
        covered[disk((y, x), max(width / 2, 0.75), shape=shape)] = True
    return covered


def strokes(truth: np.ndarray, regions: np.ndarray | None) -> dict[float, int]:
    """Number of strokes needed for each IoU."""
    labels, needed = np.zeros_like(truth), {}
    for count in range(1, MAX_STROKES):
        path, width = stroke(labels != truth)
        class_ = truth[path][0]
        covered = brush_mask(path, width, truth.shape)
        if regions is not None:
            touched = np.isin(regions, np.unique(regions[path]))
            covered = max((covered, touched), key=_gain(labels, truth, class_))
        labels[covered] = class_
        for goal in (0.8, 0.9, GOAL):
            if goal not in needed and iou(labels, truth) >= goal:
                needed[goal] = count
        if GOAL in needed:
            break
    return needed


def _gain(labels: np.ndarray, truth: np.ndarray, class_: bool) -> Callable[[np.ndarray], int]:
    def gain(covered: np.ndarray) -> int:
        changed = covered & (labels != class_)
        return int((truth[changed] == class_).sum() - (truth[changed] != class_).sum())

    return gain


def main() -> None:
    """Label the test images of dsb2018_colour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--size", type=float, nargs="*", default=[6, 9, 12, 16])
    parser.add_argument("--images", type=int, default=3)
    args = parser.parse_args()
    folder = args.data / "dsb2018_colour"
    with (folder / "split.csv").open() as file:
        names = [row["name"] for row in csv.DictReader(file) if row["split"] == "test"]
    for name in names[: args.images]:
        image, ids = (imread(next((folder / d).glob(f"{name}.*"))) for d in ("images", "masks"))
        image, truth = image[..., :3], ids > 0
        print(f"{name[:12]} {truth.shape}, brush only: {strokes(truth, None)}", flush=True)
        for size in args.size:
            regions = superpixels(image, SuperpixelConfig(size=size))
            print(f"  superpixels of {size:g}: {strokes(truth, regions)}", flush=True)


if __name__ == "__main__":
    main()
