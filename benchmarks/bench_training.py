"""Time a training step beside a bare loop of smp and torch.

    python benchmarks/bench_training.py [--steps 20] [--threads 2] [--precision auto] [--augment]
        [--cpu]
    python benchmarks/bench_training.py --photographs FOLDER [--batch 8]

Two processes that train alike take steps in turn; prints the medians and their ratio. The bare loop
is in float32 with the usual memory layout. The first three steps of each are not counted. By
default: the default U-Net, batches of 4 patches of 256 x 256 pixels, cross-entropy and Dice, AdamW.
On a busy machine, --cpu measures the CPU time of all threads, divided by their number.

With --photographs: the recipe of the classic tutorials on the photographs of `coco_stuff`, with
files of masks of other sizes and one grey photograph. U-Net with ResNet-50, images and masks read
with Pillow and resized to 320 x 320, both flips, binary cross-entropy and Dice, Adam.
"""

import argparse
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
from PIL import Image

from napari_segkit import ModelSpec, Segmenter, TrainConfig, TrainingSet
from napari_segkit.devices import use_threads
from napari_segkit.models.presets import preset
from napari_segkit.training.events import TrainStep

import segmentation_models_pytorch as smp  # isort: skip
import torch  # isort: skip
from torch.nn import functional as F  # isort: skip

WARM_UP, BATCH, EDGE, SMALL = 3, 4, 256, 320
Steps = Iterator[object]


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Noise with blobs in two classes, a tenth of it labelled."""
    random = np.random.default_rng(0)
    coarse = random.integers(1, 3, (32, 32)).repeat(32, 0).repeat(32, 1)
    image = (random.normal(size=coarse.shape) + coarse).astype(np.float32)
    return image, np.where(random.random(coarse.shape) < 0.1, coarse, 0)


def our_patches(args: argparse.Namespace) -> Steps:
    """Steps of `Segmenter.train_epochs` on patches."""
    config = TrainConfig(
        epochs=args.steps + WARM_UP,
        steps_per_epoch=2,
        precision=args.precision,
        augment=args.augment,
        validation=None,
    )
    return Segmenter(ModelSpec("unet"), device=args.device).train_epochs(*scene(), config)


def bare_patches(args: argparse.Namespace) -> Steps:
    """Steps of a plain loop, whose patches are cut by NumPy."""
    network = smp.Unet("resnet18", encoder_weights=None, in_channels=1, classes=2)
    dice = smp.losses.DiceLoss("multiclass", ignore_index=-1)
    (image, labels), random = scene(), np.random.default_rng(0)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            starts = random.integers(0, len(image) - EDGE, (BATCH, 2))
            windows = [(slice(y, y + EDGE), slice(x, x + EDGE)) for y, x in starts]
            images = np.stack([image[w][None] for w in windows])
            target = np.stack([labels[w] - 1 for w in windows])
            yield torch.from_numpy(images), torch.from_numpy(target)

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, target, ignore_index=-1) + dice(logits, target)

    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    return bare_steps(network, optimiser, loss, batches(), args.device)


def our_photographs(args: argparse.Namespace) -> Steps:
    """Steps of the preset on files."""
    recipe = preset("Classic tutorial")
    config = replace(
        recipe.config,
        epochs=args.steps + WARM_UP,
        batch_size=args.batch,
        precision=args.precision,
        validation=None,
    )
    folder = args.folder
    photographs = TrainingSet.from_files(folder / "images", folder / "masks", fit_masks=True)
    return Segmenter(recipe.spec, device=args.device).train_epochs(photographs, config=config)


def bare_photographs(args: argparse.Namespace) -> Steps:
    """Steps of a plain loop over a data loader."""
    loader = torch.utils.data.DataLoader(Photographs(args.folder), args.batch, shuffle=True)
    network = smp.Unet("resnet50", encoder_weights=None, in_channels=3, classes=1)
    dice = smp.losses.DiceLoss("binary")

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(logits, target) + dice(logits, target)

    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    batches = (batch for _ in range(100_000) for batch in loader)
    return bare_steps(network, optimiser, loss, batches, args.device)


class Photographs(torch.utils.data.Dataset):
    """Photographs and masks of files, resized, both flips at random."""

    def __init__(self, folder: Path) -> None:
        self.images, self.masks = (sorted((folder / n).iterdir()) for n in ("images", "masks"))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        size = (SMALL, SMALL)
        image = (
            Image.open(self.images[index]).convert("RGB").resize(size, Image.Resampling.BILINEAR)
        )
        mask = Image.open(self.masks[index]).convert("L").resize(size, Image.NEAREST)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
        target = torch.from_numpy(np.array(mask) > 0)[None].float()
        flips = [axis for axis in (-2, -1) if torch.rand(()) < 0.5]
        return pixels.flip(flips), target.flip(flips)


def bare_steps(
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_of: torch.nn.Module,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    device: str,
) -> Generator[None, None, None]:
    """Steps of a plain loop."""
    network.to(device).train()
    for images, target in batches:
        loss = loss_of(network(images.to(device)), target.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
        yield


def write_photographs(source: Path, folder: Path) -> None:
    """Photographs with one mask each, every other one of half the size; the first one is grey."""
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number, file in enumerate(sorted((source / "images").glob("*.jpg"))):
        image, mask = Image.open(file), Image.open(source / "masks" / f"{file.stem}.png")
        things = Image.fromarray(np.where(np.asarray(mask) <= 90, 255, 0).astype(np.uint8))
        halved = (things.width // 2, things.height // 2) if number % 2 else things.size
        (image if number else image.convert("L")).save(folder / "images" / file.name)
        things.resize(halved, Image.NEAREST).save(folder / "masks" / f"{file.stem}.png")


def serve(loop: str, args: argparse.Namespace, pipe: Connection) -> None:
    """Take a step whenever asked, and answer with its seconds."""
    warnings.simplefilter("ignore")
    use_threads(args.threads)
    torch.manual_seed(0)
    clock = (lambda: process_time() / args.threads) if args.cpu else perf_counter
    with closing(LOOPS[loop](args)) as steps:
        while pipe.recv():
            began = clock()
            step = next(steps)
            while loop.startswith("our") and not isinstance(step, TrainStep):
                began = clock()
                step = next(steps)
            pipe.send((clock() - began, getattr(step, "precision", "")))


LOOPS = {f.__name__: f for f in (our_patches, bare_patches, our_photographs, bare_photographs)}


def compare(what: str, args: argparse.Namespace) -> None:
    """Alternate the steps of both loops and print their times."""
    context, pipes = get_context("spawn"), {}
    for loop in (f"our_{what}", f"bare_{what}"):
        pipes[loop], other = context.Pipe()
        context.Process(target=partial(serve, loop, args, other), daemon=True).start()
    times: dict[str, list[float]] = {loop: [] for loop in pipes}
    precision = ""
    for _ in range(args.steps + WARM_UP):
        for loop, pipe in pipes.items():
            pipe.send(True)
            seconds, used = pipe.recv()
            times[loop].append(seconds)
            precision = used or precision
    ours, bare = (median(each[WARM_UP:]) for each in times.values())
    print(f"{precision}, {torch.backends.cpu.get_cpu_capability()}, {args.threads} threads")
    print(f"{what}: ours {ours:.3f} s, bare {bare:.3f} s, ratio {ours / bare:.2f}")


def main() -> None:
    """Compare on patches, or on photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help="folder coco_stuff")
    parser.add_argument("--batch", type=int, default=8, help="photographs in a batch")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu", action="store_true", help="count CPU time")
    parser.add_argument("--augment", action="store_true", help="augment our patches, too")
    args = parser.parse_args()
    if args.photographs is None:
        compare("patches", args)
        return
    with TemporaryDirectory() as folder:
        args.folder = Path(folder)
        write_photographs(args.photographs, args.folder)
        compare("photographs", args)


if __name__ == "__main__":
    main()
