"""The pixel classifier on strokes beside a random forest and napari-convpaint."""

from collections.abc import Callable, Generator, Iterator, Mapping
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial

Steps = Generator[str | None, None, Arrays]
RowOf = tuple[str, str, Callable[[], Iterator[Trial]]]  # name, why it cannot run, trials
Pairs = list[tuple[np.ndarray, np.ndarray]]  # images, and classes from 0, -1 where unknown
SHARES = (0.0025, 0.01, 0.025)
ABOVE = {"dsb2018_fluo": 0, "dsb2018_colour": 0, "isbi2012_em": 127}  # masks of class 1
SLAB = slice(100, 116)  # slices of a head


def segkit(arrays: Arrays) -> Steps:
    _get_ready("segkit")
    fit = _fit(arrays["image"], arrays["strokes"])
    yield None
    segmenter = fit()
    yield "train"
    labels = segmenter.predict(arrays["image"])
    yield "predict"
    return {"labels": labels}


def _fit(image: np.ndarray, strokes: np.ndarray) -> Callable[[], Any]:
    import torch  # noqa: F401 - loaded before the clock starts

    from napari_segkit import ModelSpec, Segmenter, TrainConfig

    axes = "YXC" if image.shape[-1] == 3 else "ZYX"[-image.ndim :]
    segmenter = Segmenter(ModelSpec("pixels", dims=f"{strokes.ndim}D"), device="cpu")
    config = TrainConfig(unlabelled=0, labels_are="classes")
    return partial(segmenter.fit, image, strokes, config, axes=axes)


def forest(arrays: Arrays, threads: int) -> Steps:
    from skimage.feature import multiscale_basic_features
    from sklearn.ensemble import RandomForestClassifier

    image, strokes = arrays["image"], arrays["strokes"]
    channels = -1 if image.ndim > strokes.ndim else None
    yield None
    features = multiscale_basic_features(
        image, sigma_min=1, sigma_max=16, channel_axis=channels, workers=threads
    )
    classifier = RandomForestClassifier(100, n_jobs=threads, random_state=0)
    classifier.fit(features[strokes > 0], strokes[strokes > 0])
    yield "train"
    labels = classifier.predict(features.reshape(-1, features.shape[-1]))
    yield "predict"
    return {"labels": labels.reshape(strokes.shape)}


def convpaint(arrays: Arrays) -> Steps:
    from napari_convpaint.convpaint_model import ConvpaintModel

    _get_ready("convpaint")
    image, strokes = arrays["image"], arrays["strokes"].astype(np.int32)
    model = ConvpaintModel(alias="gaussian")
    if image.ndim > strokes.ndim:
        model.set_param("channel_mode", "rgb")
        image = np.moveaxis(image, -1, 0)
    yield None
    model.train(image, strokes)
    yield "train"
    labels = model.segment(image)
    yield "predict"
    return {"labels": np.asarray(labels).reshape(strokes.shape)}


@cache
def _get_ready(name: str) -> None:
    """Train on a tiny image once in a process: the first call loads libraries."""
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (64, 64), np.uint8)
    strokes = 1 + (image > 127).astype(np.uint8)
    if name == "segkit":
        _fit(image, strokes)()
        return
    from napari_convpaint.convpaint_model import ConvpaintModel

    ConvpaintModel(alias="gaussian").train(image, strokes.astype(np.int32))


def sides(threads: int) -> tuple[Side, ...]:
    here = "benchmarks.peers.rows.pixels"
    convpaint = ("napari-convpaint", "catboost")
    return (
        Side(OWN, f"{here}:segkit", ("napari-segkit", "torch"), own=True),
        Side("forest", f"{here}:forest", ("scikit-learn", "scikit-image"), {"threads": threads}),
        Side("napari-convpaint", f"{here}:convpaint", convpaint),
    )


def sets(sources: Sources) -> Iterator[tuple[str, str, Callable[[], Pairs]]]:
    """Name, why it cannot be used, and pairs."""
    found = sources.images

    def masked(name: str) -> Pairs:
        from benchmarks.peers.images import spread

        pairs = [found.pair(name, stem) for stem in spread(found.stems(name), 3)]
        return [(image, (labels > ABOVE[name]).astype(np.int16)) for image, labels in pairs]

    def sample(name: str) -> Pairs:
        from benchmarks.peers.images import sample

        image, truth = sample(name)
        return [(image, truth.astype(np.int16))]

    def head() -> Pairs:
        image, labels = found.volume("mri_mni152", "images/t1.nii.gz", "masks/t1.nii.gz")
        return [(image[SLAB], labels[SLAB].astype(np.int16))]

    def photographs() -> Pairs:
        from benchmarks.peers.images import spread

        pairs = [found.pair("coco_stuff", stem) for stem in found.stems("coco_stuff")]
        colour = [(image, numbered(labels)) for image, labels in pairs if image.ndim == 3]
        return spread(colour, 3)

    yield "coins (sample)", "", partial(sample, "coins")
    yield "stained glands (sample)", "", partial(sample, "ihc")
    for name in ABOVE:
        yield name, found.lacks(name), partial(masked, name)
    yield "mri_mni152, 3D", found.lacks("mri_mni152"), head
    yield "coco_stuff", found.lacks("coco_stuff"), photographs


def numbered(labels: np.ndarray) -> np.ndarray:
    """Classes of one image from 0; -1 where 255 says that it is unknown."""
    values = np.unique(labels[labels != 255])
    return np.where(labels == 255, -1, np.searchsorted(values, labels)).astype(np.int16)


def trials(pairs: Callable[[], Pairs], share: float, budget: str, seeds: int) -> Iterator[Trial]:
    from benchmarks.peers.strokes import strokes

    for image, truth in pairs():
        for seed in range(seeds):
            nested = strokes(truth, SHARES, seed, budget)
            labels = dict(zip(SHARES, nested, strict=True))[share]
            inputs = {"image": image, "strokes": labels}
            yield Trial(inputs, {"classes": truth}, truth.size / 1e6)


def drawn(sources: Sources, name: str, share: float) -> Iterator[Trial]:
    """Strokes of files ``set/stem_per cent.png``: 0 is unlabelled, class c is c + 1."""
    from imageio.v3 import imread

    for file in scribbles(sources, name, share):
        image, labels = sources.images.pair(name, file.stem.rpartition("_")[0])
        truth, strokes = (labels > ABOVE[name]).astype(np.int16), imread(file)
        if strokes.shape != truth.shape or strokes.max() > 2:
            raise ValueError(f"{file} has to be of shape {truth.shape} and have values of 0 to 2.")
        yield Trial({"image": image, "strokes": strokes}, {"classes": truth}, truth.size / 1e6)


def scribbles(sources: Sources, name: str, share: float) -> list[Path]:
    return sorted((Path(sources.scribbles or "") / name).glob(f"*_{100 * share:g}.png"))


def mean_iou(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    """Of the classes of the truth, over the pixels without a stroke."""
    truth = trial.truth["classes"]
    asked = (truth >= 0) & (trial.inputs["strokes"] == 0)
    expected = truth[asked] + 1
    found = {}
    for name, arrays in results.items():
        labels = arrays["labels"][asked]
        ious = [
            ((labels == c) & (expected == c)).sum() / ((labels == c) | (expected == c)).sum()
            for c in np.unique(expected)
        ]
        found[name] = {"mean IoU": float(np.mean(ious))}
    return found


def cases(sources: Sources) -> Iterator[Case]:
    threads = max(sources.threads)
    rows = simulated_rows(sources) if sources.scribbles is None else drawn_rows(sources)
    for name, skipped, read in rows:
        yield Case(
            name,
            read,
            sides(threads),
            threads,
            mean_iou,
            warm_up=False,
            repeats=1,
            skipped=skipped,
        )


def simulated_rows(sources: Sources) -> Iterator[RowOf]:
    from benchmarks.peers.strokes import BUDGETS

    for (name, skipped, pairs), budget, share in product(sets(sources), BUDGETS, SHARES):
        read = partial(trials, pairs, share, budget, sources.seeds)
        yield f"{name}, {share:.2%}, {budget}", skipped, read


def drawn_rows(sources: Sources) -> Iterator[RowOf]:
    for name, share in product(ABOVE, SHARES):
        skipped = sources.images.lacks(name)
        if not (skipped or scribbles(sources, name, share)):
            skipped = f"the folder of --scribbles has no {name}/*_{100 * share:g}.png"
        yield f"{name}, {share:.2%}, scribbles", skipped, partial(drawn, sources, name, share)


GROUP = Group(
    "Pixel classifier on strokes",
    "strokes are drawn inside the classes of an image until a share of its pixels has one; each "
    "method trains on them and labels the other pixels, of which the mean IoU is. Equal: the same "
    "number of pixels for each class, of at most half of its own; proportional: the same share; "
    "scribbles: files of a folder in place of ours. Means over at most three images, or one slab "
    "of a head. Forest: scikit-image's "
    "`multiscale_basic_features` (sigma 1 to 16), scikit-learn's forest of 100 trees. "
    "napari-convpaint: its Gaussian features and defaults, volumes plane by plane; its default "
    "features need weights from the network. Seconds are for training (with features) and "
    "prediction; SegKit and the forest keep the features of training for the prediction.",
    cases,
    {"mean IoU": "higher"},
    "s per megapixel",
)
