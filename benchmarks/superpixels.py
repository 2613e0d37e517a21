"""How many strokes label an image, with superpixels and without: a simulated person.

    python benchmarks/superpixels.py --data FOLDER [--size 12]

All is background at first. The person goes to the largest wrong piece, to the point that lies
deepest in it, and draws the longest straight stroke through that point that stays in the piece.
The brush is as wide as the piece is there, 10 pixels at most. With superpixels a stroke gives its
class to all that it touches; where that would do more harm than good, the brush is taken instead.
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

WIDEST = 10  # pixels of the brush
GOAL = 0.95
MOST = 5000  # strokes
Stroke = tuple[np.ndarray, np.ndarray]


def iou(painted: np.ndarray, truth: np.ndarray) -> float:
    return (painted & truth).sum() / (painted | truth).sum()


def stroke(wrong: np.ndarray) -> tuple[Stroke, int]:
    """Through the deepest point of the largest wrong piece, and how wide the brush is."""
    pieces, _ = ndimage.label(wrong)
    piece = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    depth = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
    middle = np.unravel_index(depth.argmax(), depth.shape)
    chords = [_chord(piece, middle, angle) for angle in np.linspace(0, np.pi, 16, endpoint=False)]
    return max(chords, key=lambda chord: len(chord[0])), int(min(2 * depth.max(), WIDEST))


def _chord(piece: np.ndarray, middle: tuple[int, ...], angle: float) -> Stroke:
    step = np.array([np.sin(angle), np.cos(angle)])
    ends = []
    for sign in (1, -1):
        length = 0
        while _inside(piece, np.round(middle + sign * (length + 1) * step).astype(int)):
            length += 1
        ends.append(np.round(middle + sign * length * step).astype(int))
    return line(*ends[0], *ends[1])


def _inside(piece: np.ndarray, place: np.ndarray) -> bool:
    return bool((place >= 0).all() and (place < piece.shape).all() and piece[tuple(place)])


def brushed(path: Stroke, width: int, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels that a brush covers."""
    covered = np.zeros(shape, bool)
    for y, x in zip(*path, strict=True):
        covered[disk((y, x), max(width / 2, 0.75), shape=shape)] = True
    return covered


def strokes(truth: np.ndarray, regions: np.ndarray | None) -> dict[float, int]:
    """How many strokes it takes to each IoU."""
    painted, needed = np.zeros_like(truth), {}
    for count in range(1, MOST):
        path, width = stroke(painted != truth)
        class_ = truth[path][0]
        covered = brushed(path, width, truth.shape)
        if regions is not None:
            whole = np.isin(regions, np.unique(regions[path]))
            covered = max((covered, whole), key=_gain(painted, truth, class_))
        painted[covered] = class_
        for goal in (0.8, 0.9, GOAL):
            if goal not in needed and iou(painted, truth) >= goal:
                needed[goal] = count
        if GOAL in needed:
            break
    return needed


def _gain(painted: np.ndarray, truth: np.ndarray, class_: bool) -> Callable[[np.ndarray], int]:
    def gain(covered: np.ndarray) -> int:
        changed = covered & (painted != class_)
        return int((truth[changed] == class_).sum() - (truth[changed] != class_).sum())

    return gain


def main() -> None:
    """Label the test images of dsb2018_colour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--size", type=float, nargs="*", default=[6, 9, 12, 16])
    parser.add_argument("--images", type=int, default=3)
    given = parser.parse_args()
    folder = given.data / "dsb2018_colour"
    with (folder / "split.csv").open() as file:
        names = [row["name"] for row in csv.DictReader(file) if row["split"] == "test"]
    for name in names[: given.images]:
        image, ids = (imread(next((folder / d).glob(f"{name}.*"))) for d in ("images", "masks"))
        image, truth = image[..., :3], ids > 0
        print(f"{name[:12]} {truth.shape}, brush alone: {strokes(truth, None)}", flush=True)
        for size in given.size:
            regions = superpixels(image, SuperpixelConfig(size=size))
            print(f"  superpixels of {size:g}: {strokes(truth, regions)}", flush=True)


if __name__ == "__main__":
    main()
