"""Prediction in tiles beside MONAI's sliding window, with the same network."""

from collections.abc import Generator, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial, counted

Steps = Generator[str | None, None, Arrays]
STEPS = 60  # of the training: enough for labels that are not noise
SIZES = (1024, 2048, 4096)
ONCE = 4096  # edge from which each side runs once
WINDOWS = ((256, 1), (256, 4), (512, 1))  # roi and batch of MONAI
LIGHT = {"decoder_channels": (128, 64, 32, 16, 16)}


def segkit(arrays: Arrays) -> Steps:
    segmenter = load(arrays["model"])
    segmenter.predict(arrays["image"][:64, :64])
    yield None
    labels = segmenter.predict(arrays["image"])
    yield "all"
    return {"labels": labels}


def monai(arrays: Arrays, roi: int, batch: int) -> Steps:
    import torch
    from monai.inferers import sliding_window_inference

    model = load(arrays["model"]).ready()
    image = torch.from_numpy(scaled(arrays["image"]))[None, None]
    yield None
    with torch.inference_mode():
        logits = sliding_window_inference(
            image, (roi, roi), batch, model.network, overlap=0.25, mode="gaussian"
        )
    labels = np.asarray(model.values)[logits[0].argmax(0).numpy()]
    yield "all"
    return {"labels": labels}


def scaled(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, [1, 99])
    return ((image - low) / (high - low)).astype(np.float32)


def load(content: np.ndarray) -> Any:
    """The model of a file's bytes."""
    from napari_segkit import Segmenter

    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.segkit"
        file.write_bytes(content.tobytes())
        return Segmenter.load(file, device="cpu")


@cache
def trained() -> np.ndarray:
    """A light U-Net after some steps on the coins of SegKit's sample, as the bytes of its file."""
    from benchmarks.peers.images import sample
    from napari_segkit import ModelSpec, Segmenter, TrainConfig

    spec = ModelSpec("unet", encoder="tu-mobilenetv3_small_100", options=LIGHT)
    config = TrainConfig(epochs=1, steps_per_epoch=STEPS, validation=None, unlabelled=None)
    segmenter = Segmenter(spec, device="cpu").fit(*sample("coins"), config)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.segkit"
        segmenter.save(file)
        return np.frombuffer(file.read_bytes(), np.uint8)


def trials(edge: int) -> list[Trial]:
    from benchmarks.peers.images import fit, sample
    from napari_segkit import TileConfig

    image = fit(sample("coins")[0], (edge, edge))
    whole = load(trained()).predict(image, TileConfig(tile_size=edge, overlap=0))
    return [Trial({"image": image, "model": trained()}, {"labels": whole}, edge**2 / 1e6)]


def agreement(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    """Share of the labels that are those of one tile for the whole image."""
    whole = trial.truth["labels"]
    return {
        name: {"agreement": float((arrays["labels"] == whole).mean())}
        for name, arrays in results.items()
    }


def cases(sources: Sources) -> Iterator[Case]:
    here = "benchmarks.peers.rows.tiles"
    own = Side(OWN, f"{here}:segkit", ("napari-segkit", "torch"), own=True)
    peers = [
        Side(
            f"MONAI, roi {roi}, batch {batch}",
            f"{here}:monai",
            ("monai",),
            {"roi": roi, "batch": batch},
            own=True,
        )
        for roi, batch in WINDOWS
    ]
    for edge in SIZES:
        for threads in sources.threads:
            yield Case(
                f"{edge} x {edge}, {counted(threads)}",
                lambda edge=edge: trials(edge),
                (own, *peers),
                threads,
                agreement,
                warm_up=edge < ONCE,
                repeats=1 if edge >= ONCE else None,
            )


GROUP = Group(
    "Prediction in tiles",
    "`Segmenter.predict` and MONAI's `sliding_window_inference` (a quarter overlap, Gaussian "
    "weights) with the same light U-Net (MobileNetV3-small) in one environment; it is trained for "
    "some steps on the coins of SegKit's sample, mirrored to the size. SegKit reads intensities "
    "and scales them in this time, too. Agreement: labels that are those of a single tile.",
    cases,
    {"agreement": "higher"},
    "s per megapixel",
)
