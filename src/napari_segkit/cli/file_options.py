"""What commands on image files share: options, the device, one file after the other."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from .options import numbers
from .terminal import MISTAKES, say, sentence

FORMATS = ("tif", "nii.gz", "nii", "png", "npy")


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


def add_output(parser: ArgumentParser, *more: str, about: str = "") -> None:
    """Add what says where results are written, and as what.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    more : str
        Formats beside the usual ones.
    about : str
        What the help says of them.
    """
    parser.add_argument("-o", "--output", required=True,
                        help="file (.tif, .nii, .nii.gz, .png, .npy) or folder")  # fmt: skip
    parser.add_argument("--format", choices=(*FORMATS, *more),
                        help="of files written to a folder (default nii.gz for NIfTI images, tif "
                             f"for others){about}")  # fmt: skip


def plan_files(
    images: Sequence[str],
    output: str,
    suffix: str | None,
    *,
    inputs: Iterable[Path] = (),
    probabilities: bool = False,
) -> list[tuple[Path, Path]]:
    """Name the label files that belong to image files; nothing that is read is written over.

    Parameters
    ----------
    images : sequence of str
        Files and folders.
    output, suffix
        As in `batch.plan`; of several images the output is a folder.
    inputs : iterable of Path
        What is read beside the images.
    probabilities : bool
        Whether probabilities are written beside the labels.

    Returns
    -------
    list of tuple
        Image file and label file.

    Raises
    ------
    ValueError
        If a file would take the place of one that is read, or of another one's result.
    """
    from napari_segkit.jobs.files import maps_beside, plan

    if len(images) > 1:
        Path(output).mkdir(parents=True, exist_ok=True)
    jobs = [job for image in images for job in plan(image, output, suffix)]
    first: dict[Path, Path] = {}
    for source, target in jobs:
        if (other := first.setdefault(target, source)) != source:
            raise ValueError(
                f"{other} and {source} would both be written to {target}: give them different "
                "names, or take them one after the other."
            )
    beside = [maps_beside(target) for target in first] if probabilities else []
    require_spared([*first, *beside], [*first.values(), *inputs])
    return jobs


def require_spared(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over what is read, whether or not files may be replaced.

    Parameters
    ----------
    targets, inputs : iterable of Path
        What is written, and what is read.

    Raises
    ------
    ValueError
        If a file is both.
    """
    read = {path.resolve() for path in inputs}
    for target in targets:
        if target.resolve() in read:
            raise ValueError(
                f"{target} is read, and the result would be written over it: choose another name "
                "or folder for the result."
            )


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
