"""Objects after the same minutes of training beside Cellpose 3 and StarDist, all from scratch."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial

Steps = Generator[str | None, None, Arrays]
Pairs = list[tuple[np.ndarray, np.ndarray]]
VALIDATION = 5  # every fifth training image, where a method asks for some


def listed(arrays: Arrays, name: str) -> list[np.ndarray]:
    """Arrays that `numbered` has put apart."""
    return [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}_")]


def numbered(name: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}_{number:04}": array for number, array in enumerate(arrays)}


def segkit(arrays: Arrays, minutes: float) -> Steps:
    from dataclasses import replace

    import torch  # noqa: F401 - loaded before the clock starts

    from napari_segkit import Segmenter
    from napari_segkit.models.presets import preset

    chosen = preset("touching cells or nuclei")
    config = replace(chosen.config, epochs=None, minutes=minutes, labels_are="objects")
    images, labels = listed(arrays, "image"), listed(arrays, "labels")
    yield None
    segmenter = Segmenter(chosen.spec, device="cpu").fit(images, labels, config)
    yield "train"
    found = [segmenter.predict(image) for image in listed(arrays, "test")]
    yield "predict"
    return numbered("found", found)


def cellpose(arrays: Arrays, minutes: float) -> Steps:
    """The cyto architecture, with the rate that its command takes by default for a training."""
    from cellpose.models import CellposeModel
    from cellpose.train import train_seg

    images, labels = listed(arrays, "image"), listed(arrays, "labels")
    shared = {
        "train_data": images,
        "train_labels": labels,
        "channels": [0, 0],
        "SGD": True,
        "learning_rate": 0.2,
        "weight_decay": 1e-5,
        "min_train_masks": 1,
        "load_files": False,
    }

    def train(epochs: int, folder: str) -> tuple[CellposeModel, float]:
        model, start = CellposeModel(gpu=False, pretrained_model=False), perf_counter()
        train_seg(model.net, n_epochs=epochs, save_path=folder, **shared)
        return model, perf_counter() - start

    with TemporaryDirectory() as folder:
        one, three = (train(epochs, folder)[1] for epochs in (1, 3))
        epoch = max((three - one) / 2, 1e-3)
        epochs = max(1, int((60 * minutes - (one - epoch)) / epoch))  # flows come first
        yield None
        model, _ = train(epochs, folder)
    yield "train"
    size = float(model.net.diam_labels.item())
    found = [model.eval(i, channels=[0, 0], diameter=size)[0] for i in listed(arrays, "test")]
    yield "predict"
    return numbered("found", found)


def stardist(arrays: Arrays, minutes: float) -> Steps:
    """Its 2D network with the settings of its example, and thresholds from held-out images."""
    from csbdeep.utils import normalize
    from stardist.models import Config2D, StarDist2D

    images = [normalize(image, 1, 99.8) for image in listed(arrays, "image")]
    pairs = list(zip(images, listed(arrays, "labels"), strict=True))
    held_out, rest = pairs[::VALIDATION], [p for i, p in enumerate(pairs) if i % VALIDATION]
    config = Config2D(
        n_rays=32, grid=(2, 2), n_channel_in=1, train_batch_size=4, train_tensorboard=False
    )
    with TemporaryDirectory() as folder:
        model = StarDist2D(config, name="peer", basedir=folder)
        model.prepare_for_training()
        model.callbacks.append(_time_limit(60 * minutes))
        yield None
        parts = (tuple(map(list, zip(*part, strict=True))) for part in (rest, held_out))
        train, validation = parts
        model.train(
            *train, validation_data=validation, augmenter=_turned, epochs=400, steps_per_epoch=20
        )
        yield "train"
        model.optimize_thresholds(*validation)
        yield None
        tests = [normalize(image, 1, 99.8) for image in listed(arrays, "test")]
        found = [model.predict_instances(image)[0] for image in tests]
        yield "predict"
    return numbered("found", found)


def _time_limit(seconds: float) -> Any:
    """Ends a training of Keras."""
    from tensorflow.keras.callbacks import Callback

    class TimeLimit(Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.end = perf_counter() + seconds

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if perf_counter() > self.end:
                self.model.stop_training = True

    return TimeLimit()


def _turned(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flips, quarter turns and brightness, as in StarDist's example."""
    turns, flip = np.random.randint(4), np.random.randint(2)
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if flip:
        image, labels = image[::-1], labels[::-1]
    return image * np.random.uniform(0.6, 2) + np.random.uniform(-0.2, 0.2), labels


def split(sources: Sources, name: str) -> tuple[Pairs, Pairs]:
    """The split of the data set, or the first four of six images."""
    found = sources.images
    if name == "usiigaci_phase":
        stems = found.stems(name)
        parts = stems[:4], stems[4:]
    else:
        parts = found.stems(name, "train"), found.stems(name, "test")
    return tuple([found.pair(name, stem) for stem in part] for part in parts)


def trials(read: Callable[[], tuple[Pairs, Pairs]]) -> list[Trial]:
    train, test = read()
    inputs = numbered("image", [image for image, _ in train])
    inputs |= numbered("labels", [labels for _, labels in train])
    inputs |= numbered("test", [image for image, _ in test])
    return [Trial(inputs, numbered("truth", [labels for _, labels in test]))]


def objects(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    from napari_segkit import evaluate

    truth = listed(trial.truth, "truth")
    found = {}
    for name, arrays in results.items():
        labels = [each.astype(np.int32) for each in listed(arrays, "found")]
        report = evaluate(labels, truth, kind="instance", labels_are="objects")
        found[name] = {"F1": report.f1[0.5], "mean AP": report.mean_ap}
    return found


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
            max(sources.threads),
            objects,
            warm_up=False,
            repeats=1,
            skipped=sources.images.lacks(name),
        )


GROUP = Group(
    "Objects after a training",
    "the preset *touching cells or nuclei*, Cellpose 3 (cyto architecture, SGD at its command's "
    "rate of 0.2, as many epochs as fit into the minutes) and StarDist (32 rays, grid of 2, "
    "thresholds chosen on a fifth of the training images), all from scratch. F1 at an IoU of 0.5 "
    "and mean AP (IoU 0.5 to 0.95) over all test images. Seconds of training and of "
    "predicting all of them.",
    cases,
    {"F1": "higher", "mean AP": "higher"},
    trainings=True,
)
