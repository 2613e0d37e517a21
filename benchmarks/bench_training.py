"""Time a training step of the default U-Net beside a bare loop of smp and torch.

    python benchmarks/bench_training.py [--steps 20] [--threads 2] [--precision auto] [--augment]

Both loops train alike: batches of 4 patches of 256 x 256 pixels, cross-entropy and Dice, AdamW. The
bare one is in float32 with the usual memory layout. Their steps alternate in one process; prints
the medians and their ratio. The first three steps of each are not counted.
"""

import argparse
import warnings
from collections.abc import Generator
from statistics import median
from time import perf_counter

import numpy as np

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.devices import use_threads

import segmentation_models_pytorch as smp  # isort: skip
import torch  # isort: skip
from torch.nn import functional as F  # isort: skip

WARM_UP, BATCH, EDGE = 3, 4, 256


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Noise with blobs in two classes, a tenth of it labelled."""
    random = np.random.default_rng(0)
    coarse = random.integers(1, 3, (32, 32)).repeat(32, 0).repeat(32, 1)
    image = (random.normal(size=coarse.shape) + coarse).astype(np.float32)
    return image, np.where(random.random(coarse.shape) < 0.1, coarse, 0)


def our_steps(config: TrainConfig, device: str) -> Generator[object, None, object]:
    """Steps of `Segmenter.train_epochs`."""
    return Segmenter(ModelSpec("unet"), device=device).train_epochs(*scene(), config)


def bare_steps(device: str) -> Generator[None, None, None]:
    """Steps of a plain loop, whose patches are cut by NumPy."""
    torch.manual_seed(0)
    network = smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=2)
    network.to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    dice = smp.losses.DiceLoss("multiclass", ignore_index=-1)
    (image, labels), random = scene(), np.random.default_rng(0)
    while True:
        starts = random.integers(0, len(image) - EDGE, (BATCH, 2))
        windows = [(slice(y, y + EDGE), slice(x, x + EDGE)) for y, x in starts]
        images = torch.from_numpy(np.stack([image[w][None] for w in windows])).to(device)
        target = torch.from_numpy(np.stack([labels[w] - 1 for w in windows])).to(device)
        logits = network(images)
        loss = F.cross_entropy(logits, target, ignore_index=-1) + dice(logits, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
        yield


def main() -> None:
    """Alternate the steps of both loops and print their times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--augment", action="store_true", help="augment our patches, too")
    args = parser.parse_args()
    use_threads(args.threads)
    warnings.simplefilter("ignore")
    config = TrainConfig(
        epochs=args.steps + WARM_UP,
        steps_per_epoch=2,
        precision=args.precision,
        augment=args.augment,
        validation=None,
    )
    loops = {"ours": our_steps(config, args.device), "bare": bare_steps(args.device)}
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(args.steps + WARM_UP):
        for name, loop in loops.items():
            began = perf_counter()
            step = next(loop)
            times[name].append(perf_counter() - began)
            if name == "ours":
                precision = step.precision
    loops["ours"].close()
    ours, bare = (median(times[name][WARM_UP:]) for name in loops)
    print(f"{precision}, {torch.backends.cpu.get_cpu_capability()}, {args.threads} threads")
    print(f"ours {ours:.3f} s, bare {bare:.3f} s, ratio {ours / bare:.2f}")


if __name__ == "__main__":
    main()
