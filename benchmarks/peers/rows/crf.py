"""The fully connected CRF beside pydensecrf2: time, and error beside exact kernels."""

from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from itertools import product

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial, counted

ITERATIONS = 5
CROP = 72  # pixels: the exact kernel has as many rows and columns as a crop has pixels
STRONG = {  # as in the literature on photographs; 13 of 255 grey values
    "smoothness_weight": 3.0,
    "smoothness_sigma": 3.0,
    "appearance_weight": 10.0,
    "appearance_sigma": 80.0,
    "intensity_sigma": 13 / 255,
}
ERROR = STRONG | {"appearance_sigma": 20.0}
DEFAULTS = {
    "smoothness_weight": 1.0,
    "smoothness_sigma": 1.0,
    "appearance_weight": 1.0,
    "appearance_sigma": 3.0,
    "intensity_sigma": 0.1,
}
SETTINGS = {"sigma 80": STRONG, "our defaults": DEFAULTS}
Steps = Generator[str | None, None, Arrays]
Image = tuple[str, int, Callable[[], np.ndarray]]  # name, spatial dimensions, pixels


def segkit(arrays: Arrays, **settings: float) -> Steps:
    from napari_segkit import CRFConfig, smooth

    maps, image = arrays["maps"], arrays["image"]
    axes = {(2, 2): "YX", (2, 3): "YXC", (3, 3): "ZYX"}[maps.ndim - 1, image.ndim]
    yield None
    config = CRFConfig(iterations=ITERATIONS, **settings)
    result = smooth(maps, image, config, axes=axes, device="cpu")
    yield "all"
    return {"marginals": result}


def pydensecrf2(arrays: Arrays, **settings: float) -> Steps:
    from pydensecrf.densecrf import DenseCRF
    from pydensecrf.utils import (
        create_pairwise_bilateral,
        create_pairwise_gaussian,
        unary_from_softmax,
    )

    maps, image = arrays["maps"], arrays["image"]
    shape = maps.shape[1:]
    contrast = tuple(float(settings["intensity_sigma"] * r) for r in arrays["ranges"])
    near, far = ((settings[f"{n}_sigma"],) * len(shape) for n in ("smoothness", "appearance"))
    yield None
    model = DenseCRF(int(np.prod(shape)), len(maps))
    model.setUnaryEnergy(unary_from_softmax(maps))
    energy = create_pairwise_gaussian(near, shape)
    model.addPairwiseEnergy(energy, compat=settings["smoothness_weight"])
    chdim = image.ndim - 1 if image.ndim > len(shape) else -1
    energy = create_pairwise_bilateral(far, contrast, image, chdim=chdim)
    model.addPairwiseEnergy(energy, compat=settings["appearance_weight"])
    result = np.array(model.inference(ITERATIONS)).reshape(maps.shape)
    yield "all"
    return {"marginals": result}


def sides(settings: Mapping[str, float]) -> tuple[Side, Side]:
    here = "benchmarks.peers.rows.crf"
    return (
        Side(OWN, f"{here}:segkit", ("napari-segkit", "torch"), settings, own=True),
        Side("pydensecrf2", f"{here}:pydensecrf2", ("pydensecrf2",), settings),
    )


def ranges(image: np.ndarray, ndim: int) -> np.ndarray:
    """What an intensity sigma is a fraction of: 1st to 99th percentile of each channel."""
    channels = image.reshape(-1, image.shape[-1] if image.ndim > ndim else 1)
    low, high = np.percentile(channels, [1, 99], axis=0)
    return np.where(high > low, high - low, np.ptp(channels, axis=0))


def trial(image: np.ndarray, ndim: int, classes: int) -> Trial:
    maps = noisy_probabilities(image, classes, ndim)
    return Trial({"maps": maps, "image": image, "ranges": ranges(image, ndim)})


def noisy_probabilities(image: np.ndarray, classes: int, ndim: int) -> np.ndarray:
    """Probabilities like those of a weak model: from intensities, with noise."""
    grey = image.mean(axis=-1) if image.ndim > ndim else image.astype(float)
    centres = np.quantile(grey, np.linspace(0, 1, 2 * classes + 1)[1::2])
    width = grey.std() / classes + 1e-6
    logits = np.stack([-0.5 * ((grey - m) / width) ** 2 for m in centres])
    return softmax(logits + np.random.default_rng(0).normal(0, 1, logits.shape)).astype(np.float32)


def softmax(values: np.ndarray) -> np.ndarray:
    values = np.exp(values - values.max(axis=0))
    return values / values.sum(axis=0)


def images(sources: Sources) -> Iterator[Image]:
    """Real images of the sizes in question; what is smaller is mirrored."""
    from benchmarks.peers.images import balls, fit, photograph, to_uint8

    found = sources.images

    def one(name: str, shape: tuple[int, ...]) -> np.ndarray:
        every = [found.pair(name, stem)[0] for stem in found.stems(name)]
        largest = max(every, key=lambda image: image.shape[0] * image.shape[1])
        return to_uint8(fit(largest, shape))

    def grey(shape: tuple[int, ...]) -> np.ndarray:
        return fit(photograph().mean(axis=-1).astype(np.uint8), shape)

    if found.has("dsb2018_fluo"):
        yield "512 x 512 grey, fluorescence", 2, partial(one, "dsb2018_fluo", (512, 512))
    else:
        yield "512 x 512 grey, photograph", 2, partial(grey, (512, 512))
    yield "512 x 512 RGB, photograph", 2, photograph
    if found.has("dsb2018_brightfield"):
        yield "1024 x 1024 grey, brightfield", 2, partial(one, "dsb2018_brightfield", (1024, 1024))
    else:
        yield "1024 x 1024 grey, photograph", 2, partial(grey, (1024, 1024))
    if found.has("nuclei3d_ovule"):
        yield "32 x 256 x 256, nuclei", 3, partial(one, "nuclei3d_ovule", (32, 256, 256))
    else:
        yield "32 x 256 x 256, synthetic", 3, lambda: balls((32, 256, 256))[0]


def same_labels(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    """How many labels of a peer are SegKit's."""
    labels = {name: arrays["marginals"].argmax(0) for name, arrays in results.items()}
    if OWN not in labels:
        return {}
    return {
        name: {"equal labels": float((each == labels[OWN]).mean())}
        for name, each in labels.items()
        if name != OWN
    }


def time_cases(sources: Sources) -> Iterator[Case]:
    combinations = product(images(sources), (2, 5), SETTINGS, sources.threads)
    for (name, ndim, read), classes, settings, threads in combinations:
        yield Case(
            f"{name}, {classes} classes, {settings}, {counted(threads)}",
            lambda read=read, ndim=ndim, classes=classes: [trial(read(), ndim, classes)],
            sides(SETTINGS[settings]),
            threads,
            same_labels,
        )


def exact_mean_field(
    maps: np.ndarray, image: np.ndarray, settings: Mapping[str, float]
) -> np.ndarray:
    """Mean field over every pair of pixels, in float64."""
    shape = maps.shape[1:]
    positions = np.stack(np.indices(shape)).reshape(len(shape), -1).astype(float)
    contrast = settings["intensity_sigma"] * ranges(image, len(shape))
    intensities = image.reshape(positions.shape[1], -1) / contrast
    features = np.concatenate([positions / settings["appearance_sigma"], intensities.T])
    kernel = gaussian_kernel(features, settings["appearance_weight"])
    kernel += gaussian_kernel(
        positions / settings["smoothness_sigma"], settings["smoothness_weight"]
    )
    unary = np.log(maps.reshape(len(maps), -1).astype(float).clip(1e-6))
    marginals = softmax(unary)
    for _ in range(ITERATIONS):
        marginals = softmax(unary + marginals @ kernel)
    return marginals.reshape(maps.shape)


def gaussian_kernel(points: np.ndarray, weight: float) -> np.ndarray:
    square = (points**2).sum(0)
    values = points.T @ (-2 * points)
    values += square[:, None]
    values += square
    np.clip(values, 0, None, out=values)
    values *= -0.5
    np.exp(values, out=values)
    scale = 1 / np.sqrt(values.sum(1))
    values *= weight * scale[:, None]
    values *= scale
    return values


def crops(sources: Sources) -> Iterator[tuple[str, int, Callable[[], list[np.ndarray]]]]:
    """Some crops of each kind of image."""
    from benchmarks.peers.images import balls, photograph, sample, spread, to_uint8

    found = sources.images

    def cut(name: str, count: int, size: int, ndim: int) -> list[np.ndarray]:
        pairs = [found.pair(name, stem) for stem in spread(found.stems(name), count)]
        return [to_uint8(middle(image, size, ndim)) for image, _ in pairs]

    for kind, name in (
        ("fluorescence", "dsb2018_fluo"),
        ("electron microscopy", "isbi2012_em"),
        ("stained tissue, RGB", "dsb2018_colour"),
    ):
        if found.has(name):
            yield kind, 2, partial(cut, name, 2, CROP, 2)
    yield "stained glands (sample), RGB", 2, lambda: [middle(sample("ihc")[0], CROP, 2)]
    yield "photograph, RGB", 2, lambda: [middle(photograph(), CROP, 2)]
    yield "photograph, grey", 2, lambda: [np.uint8(middle(photograph(), CROP, 2).mean(-1))]
    if found.has("nuclei3d_ovule"):
        yield "nuclei, 20 x 20 x 20", 3, partial(cut, "nuclei3d_ovule", 2, 20, 3)
    yield "synthetic, 20 x 20 x 20", 3, lambda: [balls((20, 20, 20))[0]]


def middle(image: np.ndarray, size: int, ndim: int) -> np.ndarray:
    starts = [n // 2 - size // 2 for n in image.shape[:ndim]]
    return np.ascontiguousarray(image[tuple(slice(s, s + size) for s in starts)])


def distance_from_exact(
    settings: Mapping[str, float], trial: Trial, results: Mapping[str, Arrays]
) -> dict[str, dict[str, float]]:
    expected = exact_mean_field(trial.inputs["maps"], trial.inputs["image"], settings)
    return {
        name: {
            "error": float(np.abs(arrays["marginals"] - expected).mean()),
            "equal labels": float((arrays["marginals"].argmax(0) == expected.argmax(0)).mean()),
        }
        for name, arrays in results.items()
    }


def error_cases(sources: Sources) -> Iterator[Case]:
    settings: dict[str, Mapping[str, float]] = {"sigma 20": ERROR, "our defaults": DEFAULTS}
    for (kind, ndim, read), classes, name in product(crops(sources), (2, 4), settings):
        yield Case(
            f"{kind}, {classes} classes, {name}",
            lambda read=read, ndim=ndim, classes=classes: [
                trial(image, ndim, classes) for image in read()
            ],
            sides(settings[name]),
            max(sources.threads),
            partial(distance_from_exact, settings[name]),
            repeats=0,
        )


TIME = Group(
    "CRF, time",
    "`smooth` and pydensecrf2 with the same terms (smoothness weight 3, sigma 3; appearance weight "
    "10, sigma 80 pixels and 13 of 255 grey values; or our gentle defaults), five iterations, "
    "Potts, set-up included. Images smaller than the size are mirrored. Equal labels: how many are "
    "the same on both sides.",
    time_cases,
    {"equal labels": "none"},
)
ERRORS = Group(
    "CRF, error",
    "marginals after five iterations beside those of exact kernels over all pairs of pixels in "
    "float64: mean absolute difference (error), share of equal labels. Crops of 72 x 72 pixels and "
    "20 x 20 x 20 voxels, means over one or two crops.",
    error_cases,
    {"error": "lower", "equal labels": "higher"},
)
