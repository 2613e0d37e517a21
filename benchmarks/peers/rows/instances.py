"""Objects after the same CPU time of training beside Cellpose 3 and StarDist, all from scratch."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial

Steps = Generator[str | None, None, Arrays]
Pairs = list[tuple[np.ndarray, np.ndarray]]
PILOT_EPOCHS = 3
THRESHOLDS = np.arange(10) * 0.05 + 0.5
CELLPOSE = {"SGD": True, "learning_rate": 0.2, "weight_decay": 1e-5, "batch_size": 8}  # its CLI's
STARDIST_STEPS = 10  # of an epoch: with its 100 it would validate once in minutes


def numbered(name: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}_{number:04}": array for number, array in enumerate(arrays)}


def listed(arrays: Arrays, name: str) -> list[np.ndarray]:
    """The arrays of `numbered`."""
    return [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}_")]


def segkit(arrays: Arrays, minutes: float) -> Steps:
    from dataclasses import replace

    from napari_segkit import Segmenter
    from napari_segkit.models.presets import preset
    from napari_segkit.training import schedule

    schedule.perf_counter = process_time  # the limit is CPU time
    chosen = preset("touching cells or nuclei")
    config = replace(chosen.settings(minutes), labels_are="objects")
    images, labels = listed(arrays, "image"), listed(arrays, "labels")
    yield None
    segmenter = Segmenter(chosen.spec, device="cpu").fit(images, labels, config)
    yield "train"
    found = [segmenter.predict(image) for image in listed(arrays, "test")]
    yield "predict"
    return numbered("found", found)


def cellpose(arrays: Arrays, minutes: float) -> Steps:
    """The cyto architecture without weights, at the defaults of its command line."""
    from cellpose.models import CellposeModel
    from cellpose.train import train_seg
    from torch import manual_seed

    images, labels = listed(arrays, "image"), listed(arrays, "labels")
    # one step an epoch: its rate rises over ten epochs, of whatever length
    per_epoch = CELLPOSE["batch_size"]
    shared = {"train_data": images, "train_labels": labels, "nimg_per_epoch": per_epoch}

    def train(epochs: int, folder: str) -> tuple[CellposeModel, float]:
        manual_seed(0)
        model, start = CellposeModel(gpu=False, pretrained_model=False), process_time()
        train_seg(
            model.net, n_epochs=epochs, save_path=folder, channels=[0, 0], **shared, **CELLPOSE
        )
        return model, process_time() - start

    with TemporaryDirectory() as folder:
        once, more = (train(epochs, folder)[1] for epochs in (1, 1 + PILOT_EPOCHS))
        epoch = max((more - once) / PILOT_EPOCHS, 1e-3)
        epochs = max(1, round((60 * minutes - once) / epoch))
        yield None
        model, _ = train(epochs, folder)
    yield "train"
    size = float(model.net.diam_labels)
    found = model.eval(listed(arrays, "test"), channels=[0, 0], diameter=size)[0]
    yield "predict"
    return numbered("found", [np.asarray(each) for each in found])


def stardist(arrays: Arrays, minutes: float) -> Steps:
    """Its 2D network at its defaults; thresholds from the images it validates on."""
    import tensorflow as tf
    from csbdeep.utils import normalize
    from stardist import fill_label_holes
    from stardist.models import StarDist2D

    tf.keras.utils.set_random_seed(0)
    images, tests = ([normalize(x, 1, 99.8) for x in listed(arrays, n)] for n in ("image", "test"))
    labels = [fill_label_holes(each) for each in listed(arrays, "labels")]
    order = np.random.default_rng(42).permutation(len(images))
    held = max(1, round(0.15 * len(images)))  # as in its examples
    train, validation = (
        ([images[i] for i in part], [labels[i] for i in part])
        for part in (order[held:], order[:held])
    )
    with TemporaryDirectory() as folder:
        model = StarDist2D(_stardist_config(train[0]), name="stardist", basedir=folder)
        model.prepare_for_training()
        model.callbacks.append(_time_limit(60 * minutes))
        yield None
        model.train(
            *train,
            validation_data=validation,
            augmenter=_turned,
            epochs=10_000,
            steps_per_epoch=STARDIST_STEPS,
            seed=0,
        )
        yield "train"
        model.optimize_thresholds(*validation)
        yield None
        found = [model.predict_instances(image)[0] for image in tests]
        yield "predict"
    return numbered("found", found)


def _stardist_config(images: list[np.ndarray]) -> Any:
    from stardist.models import Config2D

    patch = min(256, *(min(image.shape[:2]) // 16 * 16 for image in images))
    return Config2D(
        n_rays=32,
        grid=(2, 2),
        n_channel_in=1,
        train_patch_size=(patch, patch),
        train_tensorboard=False,
    )


def _time_limit(seconds: float) -> Any:
    """Ends a training of Keras after this CPU time."""
    from tensorflow.keras.callbacks import Callback

    class TimeLimit(Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.end = process_time() + seconds

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if process_time() > self.end:
                self.model.stop_training = True

    return TimeLimit()


def _turned(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quarter turns, flips and intensities, as in StarDist's example."""
    turns, flip = np.random.randint(4), np.random.randint(2)
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if flip:
        image, labels = image[::-1], labels[::-1]
    image = image * np.random.uniform(0.6, 2) + np.random.uniform(-0.2, 0.2)
    return image + 0.02 * np.random.rand() * np.random.normal(0, 1, image.shape), labels


def split(sources: Sources, name: str) -> tuple[Pairs, Pairs]:
    """The split of the data set, or the first four of six images."""
    found = sources.images
    if name == "usiigaci_phase":
        stems = found.stems(name)
        parts = stems[:4], stems[4:]
    else:
        parts = found.stems(name, "train"), found.stems(name, "test")
    train, test = ([found.pair(name, stem) for stem in part] for part in parts)
    return train, test


def trials(read: Callable[[], tuple[Pairs, Pairs]]) -> list[Trial]:
    train, test = read()
    inputs = numbered("image", [image for image, _ in train])
    inputs |= numbered("labels", [labels.astype(np.int32) for _, labels in train])
    inputs |= numbered("test", [image for image, _ in test])
    return [Trial(inputs, numbered("truth", [labels for _, labels in test]))]


def scores(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    """Of all test images together, by `evaluate`, and mean AP a second time by its definition."""
    from napari_segkit import evaluate

    truth = [labels.astype(np.int32) for labels in listed(trial.truth, "truth")]
    found = {}
    for name, arrays in results.items():
        labels = [each.astype(np.int32) for each in listed(arrays, "found")]
        report = evaluate(labels, truth, kind="instance", labels_are="objects")
        second = mean_ap(labels, truth)
        found[name] = {"F1": report.f1[0.5], "mean AP": report.mean_ap, "again": second}
    return found


def mean_ap(predicted: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    """TP / (TP + FP + FN) of all images, mean over the thresholds, with SciPy's assignment."""
    right, objects = np.zeros(len(THRESHOLDS)), 0
    for one, other in zip(predicted, truth, strict=True):
        overlaps = ious(one, other)
        right += [_matches(overlaps, threshold) for threshold in THRESHOLDS]
        objects += sum(overlaps.shape)
    return float((right / np.maximum(objects - right, 1)).mean())


def ious(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of each object of one image with each of the other."""
    values, first = np.unique(one, return_inverse=True)
    others, second = np.unique(other, return_inverse=True)
    counts = np.zeros((len(values), len(others)))
    np.add.at(counts, (first.ravel(), second.ravel()), 1)
    union = counts.sum(1, keepdims=True) + counts.sum(0) - counts
    return (counts / union)[np.ix_(values > 0, others > 0)]


def _matches(overlaps: np.ndarray, threshold: float) -> int:
    from scipy.optimize import linear_sum_assignment

    good = overlaps >= threshold - 1e-9
    return int(good[linear_sum_assignment(good, maximize=True)].sum())


def cases(sources: Sources) -> Iterator[Case]:
    here = "benchmarks.peers.rows.instances"
    options = {"minutes": sources.minutes}
    sides = (
        Side(OWN, f"{here}:segkit", ("napari-segkit", "torch"), options, own=True),
        Side("Cellpose 3", f"{here}:cellpose", ("cellpose", "torch"), options),
        Side("StarDist", f"{here}:stardist", ("stardist", "tensorflow"), options),
    )
    for name in ("dsb2018_fluo", "usiigaci_phase"):
        yield Case(
            f"{name}, {sources.minutes:g} minutes",
            partial(trials, partial(split, sources, name)),
            sides,
            1,
            scores,
            warm_up=False,
            repeats=1,
            skipped=sources.images.lacks(name),
        )


GROUP = Group(
    "Objects after a training",
    "the preset *touching cells or nuclei*, Cellpose 3 (cyto architecture, SGD at its command's "
    "rate of 0.2, as many epochs as fit into the minutes by a short try) and StarDist (32 rays, "
    "grid of 2, thresholds chosen on the 15 % of the images that it validates on), all from "
    "scratch, for the same minutes of CPU time of one thread. F1 at an IoU of 0.5 and mean AP (IoU "
    "0.5 to 0.95) over all test images; again: mean AP by its definition, with SciPy. Seconds of "
    "training and of predicting all test images.",
    cases,
    {"F1": "higher", "mean AP": "higher", "again": "none"},
    trainings=True,
)
