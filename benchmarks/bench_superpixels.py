"""Time of superpixels beside scikit-image's own calls, alternately, on one thread.

    python benchmarks/bench_superpixels.py [--edges 512 1024 2048] [--methods ...] [--repeats 3]

The image is stained tissue from scikit-image, repeated to the size; the volume is smoothed noise of
32 x 256 x 256. Both make superpixels of 12 pixels with one compactness; the time of scikit-image's
watershed includes the gradient (sobel). Medians of CPU time, and of the ratio of each pair.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import process_time

import numpy as np
from scipy import ndimage
from skimage import color, data, filters, segmentation

from napari_segkit import SuperpixelConfig, superpixels

SIZE, COMPACTNESS = 12, 0.1
METHODS = ("slic", "watershed", "felzenszwalb", "quickshift")


def images(edges: list[int]) -> dict[str, np.ndarray]:
    """Grey and RGB images of each edge, and a volume."""
    tissue = data.immunohistochemistry()
    found = {}
    for edge in edges:
        tiles = -(-edge // len(tissue))
        rgb = np.tile(tissue, (tiles, tiles, 1))[:edge, :edge]
        found[f"grey {edge}"] = (color.rgb2gray(rgb) * 255).astype(np.uint8)
        found[f"RGB {edge}"] = rgb
    noise = np.random.default_rng(0).random((32, 256, 256))
    found["volume"] = ndimage.gaussian_filter(noise, 3).astype(np.float32)
    return found


def theirs(method: str, image: np.ndarray) -> np.ndarray:
    """The call of scikit-image that a user would write."""
    channel_axis = -1 if image.shape[-1] == 3 else None
    shape = image.shape[:-1] if channel_axis else image.shape
    count = round(np.prod([n / SIZE for n in shape]))
    if method == "slic":
        compactness = COMPACTNESS * (1 if channel_axis is None else 100)
        return segmentation.slic(image, count, compactness, channel_axis=channel_axis)
    if method == "watershed":
        grey = image if channel_axis is None else color.rgb2gray(image)
        gradient = filters.sobel(grey / grey.max())
        return segmentation.watershed(gradient, count, compactness=0.3 * COMPACTNESS / SIZE)
    if method == "felzenszwalb":
        scale = 13 * COMPACTNESS * SIZE
        return segmentation.felzenszwalb(image, scale, min_size=36, channel_axis=channel_axis)
    rgb = image if channel_axis else color.gray2rgb(image)
    return segmentation.quickshift(rgb, kernel_size=0.2 * SIZE, max_dist=0.4 * SIZE)


def seconds(call: Callable[[], object]) -> float:
    """CPU time of a call."""
    start = process_time()
    call()
    return process_time() - start


def row(method: str, name: str, image: np.ndarray, repeats: int) -> str:
    """Medians of alternated runs."""
    config = SuperpixelConfig(method, SIZE, COMPACTNESS)
    pairs = [
        (seconds(lambda: superpixels(image, config)), seconds(lambda: theirs(method, image)))
        for _ in range(repeats)
    ]
    ours, other = (median(p[i] for p in pairs) for i in (0, 1))
    ratio = median(a / b for a, b in pairs)
    megapixels = image.size / (3 if image.shape[-1] == 3 else 1) / 1e6
    return (
        f"| {method} | {name} | {ours:.2f} | {ours / megapixels:.2f} | {other:.2f} | {ratio:.2f} |"
    )


def main() -> None:
    """Print a row for each method and image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="*", default=[512, 1024, 2048])
    parser.add_argument("--methods", nargs="*", default=METHODS[:3], choices=METHODS)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    print("| method | image | ours, s | a megapixel | scikit-image, s | ratio |")
    for method in args.methods:
        for name, image in images(args.edges).items():
            if name != "volume" or method in ("slic", "watershed"):
                print(row(method, name, image, args.repeats), flush=True)


if __name__ == "__main__":
    main()
