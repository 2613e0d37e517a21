"""Options of the commands that train, and the training set and settings that they name."""

from argparse import Namespace
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import AugmentConfig, FeatureConfig, ModelSpec, TrainConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.models import predicts_objects
from napari_segkit.models.presets import PRESETS, preset
from napari_segkit.project.paths import is_project
from napari_segkit.steps import Step
from napari_segkit.training.events import ReadStep

from .file_options import LIST, add_axes, add_show_pairs, open_project
from .options import add_options
from .terminal import display, print_warnings

if TYPE_CHECKING:
    from argparse import ArgumentParser, _ActionsContainer

    from napari_segkit.project.project import Project
    from napari_segkit.training.dataset import LabelledImages
    from napari_segkit.training_set import TrainingSet

LABELS = ("unlabelled", "labels_are", "normalise", "resize", "voxel_size", "tile_size", "overlap")
VALIDATION = ("validation", "validation_fraction", "best_by", "patience", "thresholds")
FEATURES = config_fields(FeatureConfig)
MANY_IMAGES = 100


def add_images(parser: "ArgumentParser") -> None:
    """Add images and labels."""
    parser.add_argument("images", help=f"file, folder with its sub-folders (also of both, such as "
                                        f"c0_img.png and c0_masks.png), pattern in quotes, such "
                                        f"as 'img/*.png', {LIST}, or a project with its "
                                        f"settings, which options override")  # fmt: skip
    parser.add_argument("labels", nargs="*",
                        help="file, folder or pattern; not with a CSV list or a "
                             "project")  # fmt: skip


def add_set(group: "_ActionsContainer") -> None:
    """Add how the training set is read."""
    add_show_pairs(group)
    add_axes(group)
    group.add_argument("--object-classes", metavar="PATH",
                       help="file or folder like the labels: in each object, the value of its "
                            "class; in a CSV list, the column classes")  # fmt: skip
    group.add_argument("--regions", metavar="PATH",
                       help="file or folder like the labels: not 0 where every object is "
                            "annotated; in a CSV list, the column regions")  # fmt: skip
    group.add_argument("--fit-masks", action="store_true",
                       help="resample masks of another size than their image to it (nearest "
                            "neighbour)")  # fmt: skip


def add_model(group: "_ActionsContainer") -> None:
    """Add the method and its options."""
    group.add_argument("--preset", choices=PRESETS, metavar="NAME",
                       help=f"a model with training settings, which further options override: "
                            f"{', '.join(map(repr, PRESETS))}")  # fmt: skip
    names = {"name": "model", "options": "option"}
    own = set(config_fields(ModelSpec))
    add_options(group, ModelSpec(), only=own, names=names, suppress=True)


def add_settings(parser: "ArgumentParser") -> None:
    """Add the settings of a training, group by group."""
    features = parser.add_argument_group("pixel classifier (--model pixels)")
    add_options(features, ModelSpec(), only=FEATURES, suppress=True)
    for title, names in _titles().items():
        add_options(parser.add_argument_group(title), TrainConfig(), only=names, suppress=True)


def _titles() -> dict[str, Collection[str]]:
    """The options of a training by the title of their group."""
    augment = config_fields(AugmentConfig)
    others = {*LABELS, *VALIDATION, *augment}
    training = [name for name in config_fields(TrainConfig) if name not in others]
    return {
        "labels and pixels": LABELS,
        "training": training,
        "validation": VALIDATION,
        "augmentation": augment,
    }


def given_project(args: Namespace, labels: str | None) -> "Project | None":
    """The project that is trained on, if one was given."""
    if not is_project(args.images):
        return None
    given = {
        "LABELS": labels,
        "--object-classes": args.object_classes,
        "--regions": args.regions,
        "--axes": args.axes,
        "--spacing": args.spacing,
        "--fit-masks": args.fit_masks,
    }
    if beside := [name for name, value in given.items() if value]:
        raise ValueError(
            f"{' and '.join(beside)} cannot be given beside the project {args.images}, which holds "
            "its labels and says how its images are read: leave this out."
        )
    return open_project(args.images)


def read_training_set(args: Namespace, labels: str | None) -> "TrainingSet":
    from napari_segkit.training_set import TrainingSet

    with print_warnings():
        return TrainingSet.from_files(
            args.images,
            labels,
            object_classes=args.object_classes,
            regions=args.regions,
            axes=args.axes,
            spacing=args.spacing,
            fit_masks=args.fit_masks or bool(args.preset and preset(args.preset).fit_masks),
        )


def read_images(steps: Generator[Step, object, object]) -> "LabelledImages":
    """Read the training set, with its progress if that takes a while."""
    with display() as show:
        for step in steps:
            if step.total >= MANY_IMAGES:
                show("reading", step)
            if isinstance(step, ReadStep) and step.labelled is not None:
                return step.labelled
    raise AssertionError("a training begins with its images")


def check_kind(training_set: "TrainingSet", spec: ModelSpec) -> None:
    of_objects = any(r.object_classes or r.regions for r in training_set.rows)
    if not predicts_objects(spec) and of_objects:
        raise ValueError(
            f"--object-classes and --regions are for models that predict objects, but "
            f"{spec.name} predicts classes only: leave them out, or add --objects distance."
        )


def inputs(args: Namespace, training_set: "TrainingSet") -> Iterator[Path]:
    """All files that are read."""
    yield Path(args.images)
    if args.start:
        yield Path(args.start)
    if weights := getattr(args, "weights", None):
        yield Path(weights)
    for row in training_set.rows:
        for each in (row.image, row.labels, row.object_classes, row.regions):
            yield from getattr(each, "paths", ())
