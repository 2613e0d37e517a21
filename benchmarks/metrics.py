"""Time and memory of metrics beside a plain `numpy.bincount`; `make peers` has other libraries.

    python benchmarks/metrics.py [--size 4096] [--classes 4] [--volume]

IoU of the classes of one pair of labels, of uint8 and int32, with and without an unlabelled value
in the truth. `numpy.bincount` over blocks of rows has to be told the number of classes and checks
nothing. CPU time is the least of several rounds in which the methods take
turns; memory is what a method takes at most beyond both labels, in a process that gives all memory
back at once. --volume also compares two lazy volumes of 1 GB each, never in memory as a whole.
"""

import argparse
import multiprocessing
import os
import platform
import re
from collections.abc import Callable
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from napari_segkit import evaluate
from napari_segkit.evaluation.confusion import iou

Labels = NDArray[np.uint8] | NDArray[np.int32]
Pair = tuple[Labels, Labels]
UNLABELLED = 255
ROWS = 64  # of a block: their counts stay in the processor's cache


def classes(size: int, count: int, dtype: type, left_out: int | None) -> Pair:
    """A prediction that is shifted against its truth, of patches of 64 x 64 pixels."""
    coarse = np.random.default_rng(0).integers(0, count, (size // 64, size // 64))
    truth = np.kron(coarse, np.ones((64, 64), np.uint8)).astype(dtype)
    prediction = np.roll(truth, 5, axis=1)
    if left_out is not None:
        truth[: size // 4] = left_out
    return prediction, truth


def bincount(pair: Pair, count: int, unlabelled: int | None) -> NDArray[np.float64]:
    prediction, truth = pair
    width = count if unlabelled is None else unlabelled + 1
    counts = np.zeros(width * count, np.int64)
    for row in range(0, len(truth), ROWS):
        cells = truth[row : row + ROWS].astype(np.intp) * count + prediction[row : row + ROWS]
        counts += np.bincount(cells.ravel(), minlength=len(counts))
    return iou(np.pad(counts.reshape(width, count)[:count], ((0, 0), (0, 1))))


def segkit(pair: Pair, count: int, unlabelled: int | None) -> NDArray[np.float64]:
    return np.array([*evaluate(*pair, unlabelled=unlabelled).iou.values()])


Method = Callable[[Pair, int, int | None], NDArray[np.float64]]
METHODS: dict[str, Method] = {
    "numpy.bincount": bincount,
    "SegKit": segkit,
}


def cpu_time(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def peak_memory(method: str, size: int, count: int, dtype: type, left_out: int | None) -> float:
    """Bytes for each pixel beyond both labels."""
    peak = 0
    for edge in (1024, size):  # the first imports modules
        pair = classes(edge, count, dtype, left_out)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
        before = _status("VmRSS")
        METHODS[method](pair, count, left_out)
        peak = _status("VmHWM") - before
    return peak / size**2


def _status(name: str) -> int:
    """Memory of this process in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def compare(
    size: int, count: int, dtype: type, left_out: int | None, rounds: int, pool: Pool
) -> None:
    pair = classes(size, count, dtype, left_out)
    expected = bincount(pair, count, left_out)
    times: dict[str, list[float]] = {name: [] for name in METHODS}
    for _ in range(rounds):
        for name, method in METHODS.items():
            times[name].append(cpu_time(partial(method, pair, count, left_out)))
    for name, method in METHODS.items():
        difference = np.abs(method(pair, count, left_out) - expected).max()
        least = min(times[name])
        memory = pool.apply(peak_memory, (name, size, count, dtype, left_out))
        print(
            f"{np.dtype(dtype).name:6} {left_out!s:>5} {name:15} {1000 * least:8.0f} "
            f"{least / min(times['numpy.bincount']):8.2f} {memory:8.2f} {difference:9.1e}",
            flush=True,
        )


def volumes(count: int) -> None:
    """Compare lazy volumes of 1 GB each, made block by block."""
    import dask.array as da

    def block(block_id: tuple[int, ...], shift: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(block_id[0])
        coarse = rng.integers(0, count, (1, 16, 16), np.uint8)
        return np.roll(np.kron(coarse, np.ones((8, 64, 64), np.uint8)), shift, axis=2)

    chunks = ((8,) * 128, (1024,), (1024,))
    lazy = [
        da.map_blocks(partial(block, shift=shift), chunks=chunks, dtype=np.uint8, meta=np.empty(0))
        for shift in (5, 0)
    ]
    evaluate(*(array[:8] for array in lazy))
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    seconds = cpu_time(lambda: evaluate(*lazy))
    peak = (_status("VmHWM") - before) / 2**20
    print(f"two volumes of {lazy[0].nbytes / 2**30:.1f} GB: {seconds:.1f} s, {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--volume", action="store_true")
    args = parser.parse_args()
    print(f"{platform.platform()}, labels of {args.size} x {args.size}, {args.classes} classes")
    print("dtype  unlab method           CPU ms    ratio   B/pixel difference")
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"  # of the process that measures memory
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for dtype in (np.uint8, np.int32):
            for left_out in (None, UNLABELLED):
                compare(args.size, args.classes, dtype, left_out, args.rounds, pool)
    if args.volume:
        volumes(args.classes)


if __name__ == "__main__":
    main()
