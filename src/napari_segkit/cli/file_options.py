"""Options and loops shared by commands on image files."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_segkit.steps import Job, Step, Writer, drain

from .options import numbers, threads
from .signals import finish_first, interrupt, on_signals
from .terminal import (
    SMALLER,
    USER_ERRORS,
    error_line,
    in_options,
    print_files,
    print_warnings,
    progress_lines,
    say,
    show_progress,
)

if TYPE_CHECKING:
    from argparse import _ActionsContainer

    from napari_segkit.io.image_files import ImageFiles
    from napari_segkit.io.name_pairs import Pairs
    from napari_segkit.jobs.existing_results import ExistingResults
    from napari_segkit.project.project import Project
    from napari_segkit.training_set import TrainingSet

T = TypeVar("T")
J = TypeVar("J", bound=tuple[*tuple["ImageFiles", ...], Path])

FORMATS = ("tif", "nii.gz", "nii", "png", "npy")
LIST = "CSV list with the columns images and masks"


def add_common(parser: "_ActionsContainer") -> None:
    """Add axes, spacing, device and threads."""
    add_axes(parser)
    add_device(parser)


def add_device(parser: "_ActionsContainer") -> None:
    """Add device and threads."""
    parser.add_argument("--device", default="auto",
                        help="auto, cpu, cuda, cuda:1 or mps (default auto)")  # fmt: skip
    parser.add_argument("--threads", type=threads, metavar="NUMBER",
                        help="CPU threads that torch may use (default: as torch "
                             "chooses)")  # fmt: skip


def add_axes(parser: "_ActionsContainer") -> None:
    """Add axes and spacing."""
    parser.add_argument("--axes", help="one letter of TCZYX for each dimension, such as YXC")
    parser.add_argument("--spacing", type=numbers, metavar="Z,Y,X",
                        help="world units between pixels, such as 2,0.5,0.5")  # fmt: skip


def add_overwrite(parser: "_ActionsContainer") -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_show_pairs(parser: "_ActionsContainer") -> None:
    parser.add_argument("--show-pairs", action="store_true",
                        help="only print which files belong together, all of them, and "
                             "stop")  # fmt: skip


def require_output(args: Namespace) -> None:
    """Refuse a command without -o, which only --show-pairs can do without."""
    if args.output is None and not args.show_pairs:
        raise ValueError("Where to write is missing: add -o and a name, or --show-pairs.")


def add_output(
    parser: ArgumentParser,
    *formats: str,
    format_help: str = "",
    folders: str = "",
    required: bool = True,
) -> None:
    """Add output, format, and what to do with existing files.

    `formats` are further ones, `format_help` their help, `folders` endings of results in folders.
    """
    parser.add_argument("-o", "--output", required=required,
                        help=f"file (.tif, .nii, .nii.gz, .png, .npy{folders}) or folder, also a "
                             "new one, such as results/")  # fmt: skip
    parser.add_argument("--format", choices=(*FORMATS, *formats),
                        help="of files written to a folder (default nii.gz for NIfTI, DICOM and "
                             f"other volumes, tif for others){format_help}")  # fmt: skip
    existing = parser.add_mutually_exclusive_group()
    add_overwrite(existing)
    existing.add_argument("--skip-existing", action="store_true",
                          help="leave out images whose results are all there, to go on where a "
                               "run was stopped")  # fmt: skip


def one_place(first: str, others: Sequence[str]) -> str | None:
    """The second file, folder or pattern; more are what the shell made of a pattern."""
    if len(others) > 1:
        raise ValueError(
            f"{first}, {others[0]} and {len(others) - 1} more were given instead of two files, "
            "folders or patterns: put patterns in quotes, such as 'img/*.png' 'mask/*.png'."
        )
    return others[0] if others else None


def find_inputs(given: Sequence[str], output: str) -> list["ImageFiles"]:
    """Images of files, folders, patterns, lists and projects, as `find_files` gives them."""
    from napari_segkit.jobs.batch.inputs import find_files, say_labels, without_repeats
    from napari_segkit.project.paths import is_project

    found: list[ImageFiles] = []
    with print_warnings():
        for path in given:
            if is_project(path):
                found += [image for image, _ in project_files(open_project(path).training_set)]
            else:
                found += find_files([path], output)
        return say_labels(without_repeats(found))


def open_project(folder: str | Path) -> "Project":
    """Open a project, with what is missing or has changed as notes."""
    from napari_segkit.project.project import Project

    with print_warnings():
        return Project.open(folder)


def project_files(training_set: "TrainingSet") -> list[tuple["ImageFiles", "ImageFiles | None"]]:
    """The files of the images, and how they are read, and of the labels of a training set."""
    from napari_segkit.io.training_files import ImageFile, LabelFile

    return [
        (
            replace(row.image.files, axes=row.image.axes, spacing=row.image.spacing),
            row.labels.files if isinstance(row.labels, LabelFile) else None,
        )
        for row in training_set.rows
        if isinstance(row.image, ImageFile)
    ]


def holds_several(given: Sequence[str]) -> bool:
    """Whether these are several images, so that a broken one does not stop the others."""
    from napari_segkit.io import image_files

    return len(given) > 1 or image_files.holds_several(given[0])


def model_file(args: Namespace, inputs: Iterable[Path]) -> Path:
    """The model file to write, none of the inputs."""
    from napari_segkit.io.filenames import MODEL, stem
    from napari_segkit.io.output_paths import check_output_path, require_inputs_kept
    from napari_segkit.jobs.output_files import is_output_folder

    file = named_model(args.output)
    if file.suffix.lower() != MODEL:
        proposed = file.with_name(f"{stem(file)}{MODEL}")
        raise ValueError(f"{file} is no name of a model: choose {proposed}.")
    require_inputs_kept([file], inputs)
    in_folder = is_output_folder(args.output)
    return check_output_path(file, overwrite=args.overwrite, new_folder=in_folder)


def named_model(output: str) -> Path:
    """The model file of an output: in a folder, and .segkit if nothing else is said."""
    from napari_segkit.io.filenames import MODEL, stem
    from napari_segkit.io.output_paths import model_path
    from napari_segkit.jobs.output_files import is_output_folder

    file = Path(output) / f"model{MODEL}" if is_output_folder(output) else Path(output)
    return model_path(file) if stem(file) == file.name else file


def say_pairs(pairs: "Pairs", given: str) -> None:
    """Say which files of folders or a list belong together; `given` is one of those."""
    from napari_segkit.io.folders import describe_pairs

    if Path(given) not in (pairs[0][0].path, pairs[0][1].path):
        say(describe_pairs(pairs))


def print_pairs(pairs: "Pairs") -> int:
    """Print all pairs, for --show-pairs; gives the exit status."""
    for pair in pairs:
        print(*(" ".join(map(str, files.paths)) for files in pair), sep="\t")
    return 0


def set_up_device(args: Namespace) -> None:
    """Set the threads, and say which device is used."""
    from napari_segkit.devices import describe, gpu_problem, use_threads

    if args.threads:
        use_threads(args.threads)
    say(f"On {describe(args.device)}.")
    if args.device == "auto" and (problem := gpu_problem()):
        say(problem)


def in_turn(works: Sequence[Generator[Step, None, T]]) -> Generator[Step, None, list[T]]:
    """Run each to its end: one alone yields its own steps, of several each is one step."""
    if len(works) == 1:
        return [(yield from works[0])]
    results = []
    for work in works:
        results.append(drain(work))
        yield Step(len(results), len(works))
    return results


def run_job(job: Job[T], writer: Writer[T, Sequence[Path]], text: str) -> T:
    """Run a job, with `text` before its progress; write its result and print the files."""
    result = drain(show_progress(job.steps, lambda _: text))
    writer.prepare(result)
    write_and_print(writer, result)
    return result


def write_and_print(writer: Writer[T, Sequence[Path]], result: T) -> None:
    """Write a result, all of its files even if a signal comes, and print the files."""
    with finish_first():
        print_files(writer.write(result))


def for_each_file(
    work: Callable[..., object],
    jobs: Sequence[tuple[*tuple["ImageFiles", ...], Path]],
    *,
    several: bool,
    existing: "ExistingResults | None" = None,
    less_memory: str = SMALLER,
) -> int:
    """Call `work` with the files of each job, the last one new, with its warnings as notes.

    Of several, go on after errors. Jobs whose results are among the `existing` are left out. Gives
    the exit status: 1 if a file failed.
    """
    left, _ = left_jobs(jobs, existing)
    do = work if existing is None else _only_own(work, existing)
    failed = 0
    with on_signals(interrupt), progress_lines(parts=0) as show:
        for number, job in enumerate(left, 1):
            failed += not _is_done(do, job, several=several, less_memory=less_memory)
            if several:
                show("files", Step(number, len(left)))
    if failed:
        say(f"{failed} of {len(left)} files failed.")
    return min(failed, 1)


def left_jobs(jobs: Sequence[J], existing: "ExistingResults | None") -> tuple[list[J], list[J]]:
    """The jobs whose results are not there yet, and the others, of which it says how many."""
    from napari_segkit.jobs.existing_results import skipped_text, split_existing

    if existing is None:
        return list(jobs), []
    left, done = split_existing(jobs, existing)
    if done:
        text, note = skipped_text(done, len(jobs), existing)
        say(f"{text}\nNote: {in_options(note)}" if note else text)
    return left, done


def _only_own(work: Callable[..., object], existing: "ExistingResults") -> Callable[..., object]:
    """Do the work of a job unless files of its result were made in another way."""

    def do(*job: *tuple[*tuple["ImageFiles", ...], Path]) -> None:
        existing.require_own(job[-1])
        work(*job)

    return do


def _is_done(
    work: Callable[..., object],
    job: tuple[*tuple["ImageFiles", ...], Path],
    *,
    several: bool,
    less_memory: str,
) -> bool:
    """Do the work of one job; an error of one of several is said."""
    from napari_segkit.jobs.output_files import new_folders

    try:
        with print_warnings(), new_folders(job[-1]):
            work(*job)
    except USER_ERRORS as error:
        if not several:
            raise
        say(f"{job[0].name}: {error_line(error, less_memory)}")
        return False
    return True
