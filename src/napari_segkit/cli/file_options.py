"""Options and loops shared by commands on image files."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from napari_segkit.steps import Job, Writer, drain

from .options import numbers
from .terminal import USER_ERRORS, error_line, print_warnings, say, show_progress

T = TypeVar("T")

FORMATS = ("tif", "nii.gz", "nii", "png", "npy")
LIST = "CSV list with the columns images and masks"


def add_common(parser: ArgumentParser) -> None:
    """Add axes, spacing, device, threads and overwrite."""
    add_axes(parser)
    parser.add_argument("--device", default="auto",
                        help="auto, cpu, cuda, cuda:1 or mps (default auto)")  # fmt: skip
    parser.add_argument("--threads", type=int, help="CPU threads that torch may use")
    add_overwrite(parser)


def add_axes(parser: ArgumentParser) -> None:
    """Add axes and spacing."""
    parser.add_argument("--axes", help="one letter of TCZYX for each dimension, such as YXC")
    parser.add_argument("--spacing", type=numbers, metavar="Z,Y,X",
                        help="world units between pixels, such as 2,0.5,0.5")  # fmt: skip


def add_overwrite(parser: ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_output(parser: ArgumentParser, *formats: str, format_help: str = "") -> None:
    """Add output and format; `formats` are further ones, `format_help` their help."""
    parser.add_argument("-o", "--output", required=True,
                        help="file (.tif, .nii, .nii.gz, .png, .npy) or folder")  # fmt: skip
    parser.add_argument("--format", choices=(*FORMATS, *formats),
                        help="of files written to a folder (default nii.gz for NIfTI, DICOM and "
                             f"other volumes, tif for others){format_help}")  # fmt: skip


def plan_files(
    images: Sequence[str],
    output: str,
    suffix: str | None,
    *,
    inputs: Iterable[Path] = (),
    probabilities: bool = False,
) -> list[tuple[Path, Path]]:
    """Pair image files with label files; ValueError if one replaces an input or another result.

    `inputs` are read besides the images; with `probabilities`, their files are checked as well.
    """
    from napari_segkit.jobs.output_files import plan_outputs, probabilities_file

    if len(images) > 1:
        Path(output).mkdir(parents=True, exist_ok=True)
    pairs = [pair for image in images for pair in plan_outputs(image, output, suffix)]
    source_of: dict[Path, Path] = {}
    for source, target in pairs:
        if (other := source_of.setdefault(target, source)) != source:
            raise ValueError(
                f"{other} and {source} would both be written to {target}: give them different "
                "names, or process them one at a time."
            )
    targets = list(source_of)
    targets += map(probabilities_file, source_of) if probabilities else ()
    check_inputs_kept(targets, [*source_of.values(), *inputs])
    return pairs


def check_inputs_kept(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to replace an input file, even with --overwrite."""
    read = {path.resolve() for path in inputs}
    for target in targets:
        if target.resolve() in read:
            raise ValueError(
                f"{target} is an input, and the result would replace it: choose another name "
                "or folder for the result."
            )


def say_pairs(pairs: Sequence[tuple[Path, Path]], given: str) -> None:
    """Say which files of folders or a list belong together; `given` is one of those."""
    from napari_segkit.io.folders import describe_pairs

    if Path(given) not in pairs[0]:
        say(describe_pairs(pairs))


def set_up_device(args: Namespace) -> None:
    """Set the threads, and say which device is used."""
    from napari_segkit.devices import describe, gpu_problem, use_threads

    if args.threads:
        use_threads(args.threads)
    say(f"On {describe(args.device)}.")
    if args.device == "auto" and (problem := gpu_problem()):
        say(problem)


def run_job(job: Job[T], writer: Writer[T, Sequence[Path]], text: str) -> T:
    """Run a job, with `text` before its progress; write its result and print the files."""
    result = drain(show_progress(job.steps, lambda _: text))
    writer.prepare(result)
    print(*writer.write(result), sep="\n")
    return result


def for_each_file(
    work: Callable[..., object], jobs: Sequence[tuple[Path, ...]], *, folder: bool
) -> int:
    """Call `work` with the files of each job, with its warnings as notes.

    In a folder, go on after errors. Gives the exit status: 1 if a file failed.
    """
    failed = 0
    for job in jobs:
        try:
            with print_warnings():
                work(*job)
        except USER_ERRORS as error:
            if not folder:
                raise
            say(f"{job[0].name}: {error_line(error)}")
            failed += 1
    if failed:
        say(f"{failed} of {len(jobs)} files failed.")
    return min(failed, 1)
