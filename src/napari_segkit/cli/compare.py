"""``segkit compare``: compare models or predictions, or train several methods and compare them."""

from argparse import ArgumentParser, Namespace
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_segkit.config import EvaluateConfig, ModelSpec, RefineConfig, Smoother, TrainConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.steps import Failure, Step, drain

from .file_options import LIST, add_device, add_overwrite, one_place, set_up_device
from .options import add_options, names, read_options
from .refine_options import refine_config
from .signals import finish_first, interrupt, on_signals
from .terminal import error_line, print_files, print_warnings, say, show_progress
from .training_run import save_model

if TYPE_CHECKING:
    from typing import BinaryIO

    from napari_segkit.comparison.comparison import Comparison
    from napari_segkit.training_set import TrainingSet

LESS_MEMORY = "compare fewer or smaller images, or give a smaller --batch-size with --train"
TABLE, METRICS, PAGE = "comparison.csv", "metrics.csv", "comparison.html"
OF_EVALUATION = set(config_fields(EvaluateConfig))


def add_arguments(parser: ArgumentParser) -> None:
    parser.usage = (
        "%(prog)s MODEL|PREDICTIONS ... --truth TRUTH [--images IMAGES] [-o FOLDER] [options]\n"
        "       %(prog)s IMAGES [LABELS] --train METHOD,METHOD --minutes N -o FOLDER [options]"
    )
    parser.add_argument("compared", nargs="+",
                        help="model files, and files or folders of predictions, also as "
                             f"NAME=PATH; with --train the training set: images and labels, or "
                             f"{LIST}")  # fmt: skip
    parser.add_argument("--truth", metavar="PATH", help="file, folder or pattern of the truth")
    parser.add_argument("--images", metavar="PATH",
                        help="the images that models predict: file, folder, pattern, or "
                             f"{LIST} in place of --truth")  # fmt: skip
    parser.add_argument("--axes", help="of the images: one letter of TCZYX for each dimension")
    parser.add_argument("-o", "--output", metavar="FOLDER",
                        help=f"write the table ({TABLE}), the metrics of every image ({METRICS}), "
                             f"one page with pictures ({PAGE}), and trained models into this "
                             "folder")  # fmt: skip
    add_overwrite(parser)
    add_device(parser)
    add_options(parser.add_argument_group("metrics"), EvaluateConfig(), suppress=True)
    _add_refine(parser)
    _add_training(parser)


def _add_refine(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "refinement", "Each model is compared without any refinement, and with this one."
    )
    parser.set_defaults(clean=None)
    group.add_argument("--refine", choices=get_args(Smoother),
                       help="how probabilities are smoothed (default: as the model says, "
                            "once)")  # fmt: skip
    for method in get_args(Smoother):
        add_options(group, getattr(RefineConfig(), method), prefix=f"{method}_", suppress=True)


def _add_training(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "training", "With --train: each method is trained in turn, with the same settings."
    )
    group.add_argument("--train", type=names, metavar="METHOD,METHOD",
                       help="methods, such as unet,segnet,pixels; segkit models lists "
                            "them")  # fmt: skip
    own = set(config_fields(ModelSpec)) - {"name"}
    add_options(group, ModelSpec(), only=own, names={"options": "option"}, suppress=True)
    further = _training_fields() - OF_EVALUATION
    add_options(group, TrainConfig(), only=further, suppress=True)


def _training_fields() -> set[str]:
    """All settings of a training, those of its nested configurations too."""
    from napari_segkit.config import AugmentConfig, TileConfig

    nested = (AugmentConfig, TileConfig)
    return set(config_fields(TrainConfig)).union(*map(config_fields, nested))


def run(args: Namespace) -> int:
    from napari_segkit.comparison.compare import comparisons
    from napari_segkit.project.record import command_line

    config = read_options(args, EvaluateConfig())
    refine = refine_config(args, RefineConfig(), ())
    outputs = _outputs(args)
    set_up_device(args)
    if args.train:
        compared, truth, images, config, failed = _trained(args, config)
    else:
        compared, failed = _named(args.compared), 0
        truth, images = _truth(args)
    with on_signals(interrupt), print_warnings():
        steps = comparisons(
            compared,
            truth,
            images,
            config,
            refine=refine,
            device=args.device,
            command=command_line("segkit", *args.words),
        )
        comparison = drain(show_progress(steps, _text))
    print(comparison)
    if outputs:
        with print_warnings(), finish_first():
            _write(comparison, Path(args.output), overwrite=args.overwrite)
    return failed


def _text(step: Step) -> str:
    return f"{step.part} failed" if isinstance(step, Failure) else getattr(step, "text", "")


def _named(given: list[str]) -> dict[str, Path]:
    """Models and predictions by the names that were given, or those of their files."""
    from napari_segkit.io.filenames import stem

    named: dict[str, Path] = {}
    for text in given:
        name, _, path = text.partition("=")
        is_named = bool(path) and not Path(text).exists()
        file = Path(path if is_named else text)
        name = name if is_named else stem(file)
        if name in named:
            raise ValueError(
                f"{named[name]} and {file} would both be called {name}: give them names, such as "
                f"a={named[name]} b={file}."
            )
        named[name] = file
    return named


def _truth(args: Namespace) -> "tuple[str | TrainingSet, str | None]":
    """The truth and the images that were given: files, or a set read with --axes or of a list."""
    from napari_segkit.training_set import TrainingSet

    is_set = args.images is not None and (args.axes or args.truth is None)
    if is_set:
        with print_warnings():
            return TrainingSet.from_files(args.images, args.truth, axes=args.axes), None
    if args.truth is None:
        raise ValueError(
            "What to compare with is missing: add --truth and a file or folder, or --images and a "
            "CSV list of images and masks."
        )
    return args.truth, args.images


def _trained(
    args: Namespace, config: EvaluateConfig
) -> "tuple[Mapping[str, Path], str | TrainingSet, str | None, EvaluateConfig, int]":
    """Train the methods and save their models; what they are compared on, and the exit status.

    Without --truth that is the training set itself, of which what they learned from does not count.
    """
    from napari_segkit.comparison.trainings import specs_of, trainings
    from napari_segkit.training_set import TrainingSet

    if args.output is None:
        raise ValueError("Where to write the models is missing: add -o and a folder.")
    settings = _settings(args)
    specs = specs_of(args.train, read_options(args, ModelSpec()))
    folder = Path(args.output)
    labels = one_place(args.compared[0], args.compared[1:])
    with print_warnings():
        training_set = TrainingSet.from_files(args.compared[0], labels, axes=args.axes)
    with on_signals(interrupt), print_warnings():
        steps = trainings(specs, training_set, settings, args.device)
        files, failed = _save_each(steps, folder, overwrite=args.overwrite)
    if "unlabelled" not in args:
        config = replace(config, unlabelled=settings.unlabelled)
    if "labels_are" not in args:
        config = replace(config, labels_are=settings.labels_are)
    has_test = args.truth is not None or args.images is not None
    truth, images = _truth(args) if has_test else (training_set, None)
    return files, truth, images, config, failed


def _settings(args: Namespace) -> TrainConfig:
    """How each is trained; minutes take the place of epochs, as of `segkit train --preset`."""
    others = OF_EVALUATION - {"unlabelled", "labels_are"}
    given = {name: value for name, value in vars(args).items() if name not in others}
    config = read_options(Namespace(**given), TrainConfig())
    if config.minutes is not None and "epochs" not in args:
        config = replace(config, epochs=None)
    return config


def _save_each(
    steps: Generator[Step, object, object], folder: Path, *, overwrite: bool
) -> tuple[dict[str, Path], int]:
    """Run trainings, save each model when it is trained, and say which failed."""
    from napari_segkit.comparison.trainings import TrainedStep
    from napari_segkit.jobs.output_files import new_folders

    files: dict[str, Path] = {}
    failed = 0
    for step in show_progress(steps, _text):
        if isinstance(step, Failure):
            say(f"{step.part}: {error_line(step.error, LESS_MEMORY)}")
            failed = 1
        elif isinstance(step, TrainedStep):
            file = folder / f"{step.segmenter.spec.name}.segkit"
            with new_folders(file), finish_first():
                files[step.name] = save_model(step.segmenter, file, overwrite=overwrite)
            print_files([files[step.name]])
    return files, failed


def _outputs(args: Namespace) -> list[Path]:
    """The files that will be written, checked before any work."""
    from napari_segkit.io.output_paths import check_output_path, require_inputs_kept

    if args.output is None:
        return []
    models = [f"{name}.segkit" for name in args.train or ()]
    files = [Path(args.output) / name for name in (TABLE, METRICS, PAGE, *models)]
    for file in files:
        check_output_path(file, overwrite=args.overwrite, new_folder=True)
    require_inputs_kept(files, _inputs(args))
    return files


def _inputs(args: Namespace) -> Iterator[Path]:
    """What is read."""
    yield from (Path(path) for path in (args.truth, args.images) if path)
    yield from map(Path, args.compared if args.train else _named(args.compared).values())


def _write(comparison: "Comparison", folder: Path, *, overwrite: bool) -> None:
    """Write the tables and the page."""
    from napari_segkit.io.replace_file import write_together
    from napari_segkit.jobs.output_files import new_folders

    texts = {
        folder / TABLE: comparison.table().to_csv(index=False),
        folder / METRICS: comparison.metrics().to_csv(index=False),
        folder / PAGE: comparison.page(),
    }
    contents = {file: partial(_write_text, text=text) for file, text in texts.items()}
    with new_folders(folder / TABLE):
        write_together(contents, overwrite=overwrite)
    print_files(texts)


def _write_text(file: "BinaryIO", text: str) -> None:
    file.write(text.encode())
