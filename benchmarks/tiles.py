"""Tiles: agreement with the untiled prediction, time and memory, beside MONAI's sliding window.

    python benchmarks/tiles.py time --data FOLDER [--sizes 1024 2048] [--batches 1 4]
    python benchmarks/tiles.py families --data FOLDER [--models unet fpn ...] [--steps 300]

Networks are trained for some steps on slices of isbi2012_em; images are mosaics of its slices.
`time` compares a light U-Net, predicted by SegKit and by `sliding_window_inference` (rois of 256
and 512, a quarter overlap, batches of 1 and 4, Gaussian and constant weights), with the raw passes
of SegKit's own tiles: alternated runs, medians. `families` gives agreement and time of tile sizes
and overlaps, relative to the model's own. Times are seconds of wall time and of CPU time (of all
threads). Memory is the peak of a process of its own, less what it held before and the result.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
from imageio.v3 import imread

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.freed_memory import keeping_freed_memory
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.inference.plan import TilePlan, make_plan

import torch  # isort: skip
from monai.inferers import sliding_window_inference  # isort: skip

LIGHT = "unet:tu-mobilenetv3_small_100"
LIGHT_OPTIONS = {"decoder_channels": (128, 64, 32, 16, 16)}
FAMILIES = (
    *("unet", "fpn:resnet18", "deeplabv3plus:resnet18", "segformer:mit_b0", "segnet", "fcn"),
    *("pspnet:resnet18",),
)
TILES = ((256, 64), (256, 96), (512, 32), (512, 64), (512, 96), (512, 128), (768, 128))


def train(args: argparse.Namespace, name: str) -> Segmenter:
    """A model trained for some steps, from a file if it was trained before."""
    file = args.output / f"{name.replace(':', '-')}-{args.steps}.segkit"
    if file.exists():
        return Segmenter.load(file, device="cpu")
    folder = args.data / "isbi2012_em"
    files = sorted((folder / "images").glob("*.png"))[:20]
    pairs = [(imread(f), imread(folder / "masks" / f.name)) for f in files]
    model, _, encoder = name.partition(":")
    spec = ModelSpec(model, encoder=encoder or None, options=LIGHT_OPTIONS if name == LIGHT else {})
    config = TrainConfig(epochs=1, steps_per_epoch=args.steps, unlabelled=None, validation=None)
    segmenter = Segmenter(spec, device="cpu").fit(*map(list, zip(*pairs, strict=True)), config)
    args.output.mkdir(parents=True, exist_ok=True)
    segmenter.save(file)
    return segmenter


def mosaic(data: Path, size: int) -> np.ndarray:
    """Slices side by side, those that are trained on last."""
    files = sorted((data / "isbi2012_em" / "images").glob("*.png"))[::-1]
    slices = [imread(f) for f in files]
    edge = len(slices[0])
    count = -(-size // edge)
    rows = [
        np.concatenate([slices[(r * count + c) % len(slices)] for c in range(count)], 1)
        for r in range(count)
    ]
    return np.concatenate(rows, 0)[:size, :size]


class Case:
    """One image and model, predicted in each way."""

    def __init__(self, segmenter: Segmenter, image: np.ndarray) -> None:
        self.segmenter, self.image = segmenter, image
        self.model = segmenter.ready()
        self.device = torch.device("cpu")
        low, high = (s[0] for s in vars(self.plan().statistics).values())
        self.pixels = torch.from_numpy(((image - low) / (high - low)).astype(np.float32))

    def plan(self, tile: TileConfig | None = None) -> TilePlan:
        image = AxesImage(self.image, "YX")
        return make_plan(self.model, image, tile or TileConfig(), self.device)

    def ours(self, tile: TileConfig | None = None) -> np.ndarray:
        return self.segmenter.predict(self.image, tile)

    def raw(self) -> Callable[[], None]:
        """The passes of the same tiles, and nothing else."""
        plan = self.plan()
        shapes = [(len(b), 1, *plan.grid.extent(b[0])) for b in plan.batches(list(plan.grid))]
        batches = {shape: torch.rand(shape) for shape in shapes}

        @torch.inference_mode()
        def run() -> None:
            with keeping_freed_memory():
                for shape in shapes:
                    plan.network(batches[shape])

        return run

    @torch.inference_mode()
    def monai(self, roi: int, batch: int, mode: str) -> np.ndarray:
        image, network = self.pixels[None, None], self.model.network
        logits = sliding_window_inference(
            image, (roi, roi), batch, network, overlap=0.25, mode=mode
        )
        return self._labels(logits)

    @torch.inference_mode()
    def untiled(self) -> np.ndarray:
        return self._labels(self.model.network(self.pixels[None, None]))

    def _labels(self, logits: torch.Tensor) -> np.ndarray:
        return np.asarray(self.model.values)[logits[0].argmax(0).numpy()]


def alternate(
    cases: dict[str, Callable[[], object]], repeats: int
) -> dict[str, tuple[float, float]]:
    """Medians of wall and CPU seconds of alternated runs, after one that warms up."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name, call in cases.items():
            wall, cpu = perf_counter(), process_time()
            call()
            if repeat:
                seconds[name].append((perf_counter() - wall, process_time() - cpu))
    return {name: tuple(map(median, zip(*runs, strict=True))) for name, runs in seconds.items()}


def run_time(args: argparse.Namespace) -> None:
    """Compare with MONAI at each size."""
    segmenter = train(args, LIGHT)
    for size in args.sizes:
        case = Case(segmenter, mosaic(args.data, size))
        untiled = case.untiled()
        raw = case.raw()
        cases = {"ours": case.ours, "raw passes": raw}
        agreement = {"ours": (case.ours() == untiled).mean(), "raw passes": np.nan}
        for roi in product((256, 512), args.batches, ("gaussian", "constant")):
            name = "MONAI {}, batch {}, {}".format(*roi)
            cases[name] = partial(case.monai, *roi)
            agreement[name] = (case.monai(*roi) == untiled).mean()
        model = case.model
        print(f"\n{size} x {size}, tile {model.tile_size[0]}, overlap {model.overlap[0]}")
        seconds = alternate(cases, args.repeats)
        ours = seconds["ours"]
        print(f"{'':32} {'agreement':>10} {'wall s':>8} {'CPU s':>8} {'ours/it':>8} {'MiB':>7}")
        for name, (wall, cpu) in seconds.items():
            ratio = ours[args.cpu] / (wall, cpu)[args.cpu]
            peak = memory(args, name, size)
            print(
                f"{name:32} {agreement[name]:10.4%} {wall:8.3f} {cpu:8.3f} {ratio:8.3f} {peak:7.0f}"
            )
        best = max(v for k, v in agreement.items() if k.startswith("MONAI"))
        rivals = [k for k, v in agreement.items() if k.startswith("MONAI") and v >= best - 1e-12]
        fastest = min(seconds[k][args.cpu] for k in rivals)
        print(f"ours / the fastest of MONAI's best agreement: {ours[args.cpu] / fastest:.3f}")


def memory(args: argparse.Namespace, name: str, size: int) -> float:
    """Peak MiB of one run in a process of its own."""
    given = ["--data", args.data, "--output", args.output, "--steps", args.steps]
    given += ["--threads", args.threads, "--sizes", size, "--case", name]
    command = [sys.executable, __file__, "memory", *given]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_memory(args: argparse.Namespace) -> None:
    """Print how much more a run needs than the model, the input and the result."""
    case = Case(train(args, LIGHT), mosaic(args.data, args.sizes[0]))
    small = Case(case.segmenter, case.image[:64, :64])
    small.ours()  # loads what every run needs
    if args.case == "ours":
        call = case.ours
    elif args.case == "raw passes":
        call = case.raw()
    else:
        _, roi, _, batch, mode = args.case.replace(",", "").split()
        call = partial(case.monai, int(roi), int(batch), mode)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, of importing, is forgotten
    before = resident("VmRSS")
    result = call()
    print((resident("VmHWM") - before - (0 if result is None else result.nbytes)) / 2**20)


def resident(name: str) -> int:
    """Bytes of memory, now (VmRSS) or at the peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def run_families(args: argparse.Namespace) -> None:
    """Agreement and time of tile sizes and overlaps for each family."""
    size = args.sizes[0]
    image = mosaic(args.data, size)
    for name in args.models:
        segmenter = train(args, name)
        case = Case(segmenter, image)
        untiled = case.ours(TileConfig(tile_size=size, overlap=0))
        print(
            f"\n{name}, {args.steps} steps, {size} x {size}, own tile "
            f"{case.model.tile_size[0]} with {case.model.overlap[0]}",
            flush=True,
        )
        cases, found = {}, {}
        for edge, overlap in args.tiles:
            tile = TileConfig(tile_size=edge, overlap=overlap)
            cases[f"{edge} / {overlap}"] = partial(case.ours, tile)
            found[f"{edge} / {overlap}"] = (case.ours(tile) == untiled).mean()
        seconds = alternate(cases, args.repeats)
        for tile, (wall, cpu) in seconds.items():
            megapixels = image.size / 1e6
            print(f"{tile:10} {found[tile]:10.4%} {wall / megapixels:8.3f} {cpu / megapixels:8.3f}")


def pairs(text: str) -> tuple[int, int]:
    edge, overlap = text.split("/")
    return int(edge), int(overlap)


def main() -> None:
    """Run one of the parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["time", "families", "memory"])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--models", nargs="+", default=FAMILIES, help="name, or name:encoder")
    parser.add_argument("--tiles", type=pairs, nargs="+", default=TILES, help="such as 512/128")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="of MONAI")
    parser.add_argument("--steps", type=int, default=500, help="of the trainings")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="ratios of CPU time, on a busy machine")
    parser.add_argument("--output", type=Path, default=Path("tiles"), help="folder of the models")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.part != "memory":
        print(f"{platform.platform()}, torch {torch.__version__}, {args.threads} threads")
    {"time": run_time, "families": run_families, "memory": run_memory}[args.part](args)


if __name__ == "__main__":
    main()
