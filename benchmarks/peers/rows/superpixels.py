"""Superpixels beside scikit-image's own calls with the same settings."""

from collections.abc import Callable, Generator, Iterator, Mapping

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial

Steps = Generator[str | None, None, Arrays]
SIZE, COMPACTNESS = 12.0, 0.1  # SegKit's defaults
ROWS = (
    ("slic", "grey", 512),
    ("slic", "RGB", 512),
    ("slic", "grey", 1024),
    ("slic", "grey", 2048),
    ("watershed", "grey", 512),
    ("watershed", "RGB", 512),
    ("watershed", "grey", 1024),
    ("watershed", "grey", 2048),
    ("felzenszwalb", "grey", 512),
    ("felzenszwalb", "RGB", 512),
    ("quickshift", "RGB", 512),
)


def segkit(arrays: Arrays, method: str) -> Steps:
    from napari_segkit import SuperpixelConfig, superpixels

    image = arrays["image"]
    yield None
    config = SuperpixelConfig(method=method, size=SIZE, compactness=COMPACTNESS)
    labels = superpixels(image, config, axes="YXC"[: image.ndim])
    yield "all"
    return {"labels": labels}


def scikit_image(arrays: Arrays, method: str) -> Steps:
    import skimage.segmentation  # noqa: F401 - loaded before the clock starts

    image = arrays["image"]
    channels = -1 if image.ndim == 3 else None
    yield None
    labels = CALLS[method](image, channels)
    yield "all"
    return {"labels": labels}


def _slic(image: np.ndarray, channels: int | None) -> np.ndarray:
    from skimage.segmentation import slic

    count = round(image.shape[0] * image.shape[1] / SIZE**2)
    shared = {"compactness": COMPACTNESS, "convert2lab": False, "channel_axis": channels}
    return slic(image, n_segments=count, **shared)


def _watershed(image: np.ndarray, channels: int | None) -> np.ndarray:
    from skimage.color import rgb2gray
    from skimage.filters import sobel
    from skimage.segmentation import watershed

    grey = rgb2gray(image) if channels else image / np.float32(255)
    count = round(grey.size / SIZE**2)
    return watershed(sobel(grey), markers=count, compactness=0.3 * COMPACTNESS / SIZE)


def _felzenszwalb(image: np.ndarray, channels: int | None) -> np.ndarray:
    from skimage.segmentation import felzenszwalb

    smallest = round(SIZE**2 / 4)
    scale = 13 * COMPACTNESS * SIZE
    return felzenszwalb(image, scale=scale, min_size=smallest, channel_axis=channels) + 1


def _quickshift(image: np.ndarray, channels: int | None) -> np.ndarray:
    from skimage.segmentation import quickshift

    return quickshift(
        image / np.float32(255),
        ratio=0.5 * SIZE / COMPACTNESS,
        kernel_size=0.2 * SIZE,
        max_dist=0.4 * SIZE,
        convert2lab=False,
    )


CALLS: dict[str, Callable[[np.ndarray, int | None], np.ndarray]] = {
    "slic": _slic,
    "watershed": _watershed,
    "felzenszwalb": _felzenszwalb,
    "quickshift": _quickshift,
}


def achievable(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    """Accuracy if each superpixel had the class of most of its pixels, and the mean width."""
    truth = trial.truth["classes"].ravel().astype(np.int64)
    found = {}
    for name, arrays in results.items():
        labels = np.unique(arrays["labels"], return_inverse=True)[1].ravel()
        counts = np.bincount(labels * (truth.max() + 1) + truth)
        counts = np.pad(counts, (0, -len(counts) % (truth.max() + 1)))
        best = counts.reshape(-1, truth.max() + 1).max(axis=1).sum()
        width = (labels.size / (labels.max() + 1)) ** 0.5
        found[name] = {"accuracy": best / labels.size, "width": width}
    return found


def trials(colours: str, edge: int) -> list[Trial]:
    from benchmarks.peers.images import fit, sample

    image, truth = sample("ihc" if colours == "RGB" else "coins")
    shape = (edge, edge)
    return [Trial({"image": fit(image, shape)}, {"classes": fit(truth, shape)}, edge**2 / 1e6)]


def cases(sources: Sources) -> Iterator[Case]:
    here = "benchmarks.peers.rows.superpixels"
    threads = max(sources.threads)
    for method, colours, edge in ROWS:
        options = {"method": method}
        own = Side(OWN, f"{here}:segkit", ("napari-segkit", "scikit-image"), options, own=True)
        peer = Side("scikit-image", f"{here}:scikit_image", ("scikit-image",), options, own=True)
        yield Case(
            f"{method}, {edge} x {edge} {colours}",
            lambda colours=colours, edge=edge: trials(colours, edge),
            (own, peer),
            threads,
            achievable,
        )


GROUP = Group(
    "Superpixels",
    "`superpixels` and scikit-image's own calls with the same settings (superpixels of 12 "
    "pixels), in one environment. Coins (grey) and stained glands (RGB), samples of SegKit, "
    "mirrored to the size. Accuracy: if each superpixel had the class of most of its pixels. "
    "SegKit also scales intensities and makes superpixels connected.",
    cases,
    {"accuracy": "higher", "width": "none"},
    "s per megapixel",
)
