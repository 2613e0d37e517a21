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
    parser: ArgumentParser, *formats: str, format_help: str = "", required: bool = True
) -> None:
    """Add output, format, and what to do with existing files.

    `formats` are further ones, `format_help` their help.
    """
    parser.add_argument("-o", "--output", required=required,
                        help="file (.tif, .nii, .nii.gz, .png, .npy) or folder, also a new one, "
                             "such as results/")  # fmt: skip
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
    """Images of files, folders, patterns and lists, each once, without those among the results.

    Says which look like labels, because they would be taken as images.
    """
    from napari_segkit.io.filenames import LISTS, shorten
    from napari_segkit.io.folders import listed_images
    from napari_segkit.io.image_files import find_images
    from napari_segkit.io.name_words import is_label
    from napari_segkit.project.paths import is_project

    found: list[ImageFiles] = []
    for path in map(Path, given):
        if is_project(path):
            found += [image for image, _ in project_files(open_project(path).training_set)]
            continue
        is_list = path.suffix.lower() in LISTS and path.is_file()
        found += listed_images(path) if is_list else find_images(path, without=Path(output))
    images = list({tuple(p.absolute() for p in image.paths): image for image in found}.values())
    labels = [image.name for image in images if is_label(image)]
    if 0 < len(labels) < len(images):
        say(
            f"Note: {len(labels)} of {len(images)} files have names of labels and are taken as "
            f"images: {shorten(labels)}. A pattern in quotes chooses the images alone."
        )
    return images


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


def plan_files(
    given: Sequence[str],
    images: Sequence["ImageFiles"],
    output: str,
    suffix: str | None,
    files_of: Callable[[Path], Sequence[Path]],
    *,
    inputs: Iterable[Path] = (),
) -> list[tuple["ImageFiles", Path]]:
    """Pair images with label files; ValueError if a file replaces an input or another result.

    `given` are the files, folders or patterns of the images. `files_of` are all files of the result
    with these labels. `inputs` are read besides the images.
    """
    from napari_segkit.io.output_paths import require_inputs_kept
    from napari_segkit.jobs.output_files import plan_outputs

    pairs = plan_outputs(given, images, output, suffix)
    source_of: dict[Path, Path] = {}
    for source, target in pairs:
        for file in files_of(target):
            if (other := source_of.setdefault(file, source.path)) != source.path:
                raise ValueError(
                    f"{other} and {source.path} would both be written to {file}: give them "
                    "different names, or process them one at a time."
                )
    require_inputs_kept(source_of, [*(p for image in images for p in image.paths), *inputs])
    return pairs


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
    left = jobs if existing is None else _left(jobs, existing)
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


def _left(
    jobs: Sequence[tuple[*tuple["ImageFiles", ...], Path]], existing: "ExistingResults"
) -> list[tuple[*tuple["ImageFiles", ...], Path]]:
    """The jobs whose results are not there yet; says how many are, and which differ."""
    from napari_segkit.io.filenames import shorten

    done = [job[-1] for job in jobs if existing.is_done(job[-1])]
    if done:
        say(f"{len(done)} of {len(jobs)} results exist and are skipped.")
    if others := [str(target) for target in done if existing.made_otherwise(target)]:
        say(
            f"Note: {len(others)} of these were made by another model or with other settings: "
            f"{shorten(others)}. They stay as they are; --overwrite makes all anew."
        )
    skipped = set(done)
    return [job for job in jobs if job[-1] not in skipped]


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
