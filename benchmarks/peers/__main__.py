"""Run SegKit and its peers in turn, and write docs/benchmarks.md.

    python -m benchmarks.peers [ROWS ...] [--data FOLDER] [--match TEXT]

ROWS are groups of rows; without any, all that need no training. Each row replaces its former result
on this machine in benchmarks/results. `make peers` sets up the peers first.
"""

import argparse
from pathlib import Path
from time import perf_counter

from . import machine, page, results
from .case import Case, Sources
from .groups import GROUPS
from .images import Images
from .processes import ROOT, Workers
from .runner import measure

DATA = ROOT.parent / "shared/data"


def main() -> None:
    args = arguments()
    images = Images(args.data if args.data.is_dir() else None)
    sources = Sources(images, tuple(args.threads), args.minutes, args.seeds, args.scribbles)
    file = args.results / f"{args.machine or machine.slug(machine.describe())}.jsonl"
    found = results.Results.read(file) if file.exists() else results.Results({})
    found.machine = machine.describe()
    for group in args.rows or [n for n, g in GROUPS.items() if args.trainings or not g.trainings]:
        run_group(group, sources, found, file, args)
    if args.page.exists():
        page.update(args.page, results.read_all(args.results), GROUPS)


def run_group(
    group: str, sources: Sources, found: results.Results, file: Path, args: argparse.Namespace
) -> None:
    """Run the rows of a group, and keep each as soon as it is there."""
    cases = list(GROUPS[group].cases(sources))
    workers = Workers(args.peers)
    try:
        for case in cases:
            if args.match in case.name:
                start = perf_counter()
                row = measure(case, workers, args.repeats)
                found.put(group, case.name, row)
                found.write(file)
                print(f"{group}: {about(case, row)} [{perf_counter() - start:.0f} s]", flush=True)
    finally:
        workers.close()


def about(case: Case, row: results.Row) -> str:
    """A line for the terminal."""
    if "skipped" in row:
        return f"{case.name}: skipped, {row['skipped']}"
    sides = [
        f"{name} {record.get('missing') or page.seconds(record)} "
        + ", ".join(f"{m} {page.quality_text(record, m)}" for m in record.get("quality", {}))
        for name, record in row["sides"].items()
    ]
    return f"{case.name}: {'; '.join(sides)}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="ROWS", help=", ".join(GROUPS))
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--match", default="", help="only rows with this text in their name")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trainings", action="store_true", help="rows that train networks, too")
    parser.add_argument("--minutes", type=float, default=10, help="of each training: CPU time")
    parser.add_argument("--seeds", type=int, default=1, help="of simulated strokes")
    parser.add_argument("--scribbles", type=Path, help="FOLDER/set/stem_1.png in place of them")
    parser.add_argument("--peers", type=Path, default=ROOT / ".peers", help="their environment")
    parser.add_argument("--machine", help="name of the file of results, instead of the processor's")
    parser.add_argument("--results", type=Path, default=results.FOLDER)
    parser.add_argument("--page", type=Path, default=ROOT / "docs/benchmarks.md")
    args = parser.parse_args()
    if unknown := [row for row in args.rows if row not in GROUPS]:
        parser.error(f"there are no rows named {', '.join(unknown)}; choose of {', '.join(GROUPS)}")
    if args.scribbles and not args.scribbles.is_dir():
        parser.error(f"there is no folder {args.scribbles} for --scribbles")
    return args


if __name__ == "__main__":
    main()
