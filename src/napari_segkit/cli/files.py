"""What commands on image files share: options, the device, one file after the other."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .options import numbers
from .terminal import MISTAKES, say, sentence


def add_common(parser: ArgumentParser) -> None:
    """Add what says how images are read and where the work is done.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    add_place(parser)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--threads", type=int, help="CPU threads that torch may use")
    add_overwrite(parser)


def add_place(parser: ArgumentParser) -> None:
    """Add what says how images are read.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    parser.add_argument("--axes", help="one letter of TCZYX for each dimension, such as YXC")
    parser.add_argument("--spacing", type=numbers, metavar="Z,Y,X",
                        help="world units between pixels, such as 2,0.5,0.5")  # fmt: skip


def add_overwrite(parser: ArgumentParser) -> None:
    """Add the option that has files replaced.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    """
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def say_device(args: Namespace) -> None:
    """Take the threads that were asked for, and say where the work is done.

    Parameters
    ----------
    args : Namespace
        Options of a command.
    """
    from napari_segkit.devices import describe, gpu_problem, use_threads

    if args.threads:
        use_threads(args.threads)
    say(f"On {describe(args.device)}.")
    if args.device == "auto" and (problem := gpu_problem()):
        say(problem)


def each_file(work: Callable[..., Any], jobs: Sequence[tuple[Path, ...]], *, folder: bool) -> int:
    """Work on files one after the other; in a folder the others go on where one fails.

    Parameters
    ----------
    work : callable
        What is done with the files of a job.
    jobs : sequence of tuple of Path
        The files of each job, the one it is known by first.
    folder : bool
        They are of a folder.

    Returns
    -------
    int
        Exit status: 1 where a file failed.
    """
    if not folder:
        work(*jobs[0])
        return 0
    failed = 0
    for job in jobs:
        try:
            work(*job)
        except MISTAKES as problem:
            say(f"{job[0].name}: {sentence(problem)}")
            failed += 1
    if failed:
        say(f"{failed} of {len(jobs)} files failed.")
    return min(failed, 1)
