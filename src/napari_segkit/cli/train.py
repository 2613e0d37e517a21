"""What ``segkit train`` says of its images and steps, and how no training is lost."""

from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import choose_ndim, kind_of

from .terminal import MISTAKES, say, sentence

LOOKED_AT = 20  # images whose objects are looked at one by one before training

if TYPE_CHECKING:
    from napari_segkit.io.folders import TrainingFiles
    from napari_segkit.segmenter import Segmenter


def add_objects(parser: ArgumentParser) -> None:
    """Add the options that say more of objects than labels do.

    Parameters
    ----------
    parser : ArgumentParser
        Of ``segkit train``.
    """
    parser.add_argument("--object-classes", metavar="PATH",
                        help="file or folder like the labels: in each object, the value of its "
                             "class; in a CSV list, the column classes")  # fmt: skip
    parser.add_argument("--regions", metavar="PATH",
                        help="file or folder like the labels: not 0 where every object is "
                             "labelled; in a CSV list, the column regions")  # fmt: skip


def require_learned(files: Sequence["TrainingFiles"], spec: ModelSpec) -> None:
    """Refuse files about objects where none are learned.

    Parameters
    ----------
    files : sequence of TrainingFiles
        All that is learned from.
    spec : ModelSpec
        The model.

    Raises
    ------
    ValueError
        If it is to give classes only.
    """
    if kind_of(spec) == "semantic" and any(f.classes or f.regions for f in files):
        raise ValueError(
            f"Classes of objects and complete regions are for objects, and {spec.name} is to learn "
            "classes only: leave them out, or add --objects distance."
        )


def save(segmenter: "Segmenter", output: Path) -> None:
    """Save a model; where that fails, in the temporary folder, so that its training is not lost.

    Parameters
    ----------
    segmenter : Segmenter
        Trained.
    output : Path
        Where to.

    Raises
    ------
    OSError
        If it could not be saved there; the message says where it is instead.
    """
    try:
        segmenter.save(output)
    except MISTAKES as problem:
        with suppress(OSError):
            spare = Path(mkdtemp(prefix="segkit-")) / output.name
            segmenter.save(spare)
            problem = OSError(f"{sentence(problem)} The model was saved as {spare} instead.")
        raise problem from None


def say_counts(given: dict[str, Any], spec: ModelSpec, config: TrainConfig) -> None:
    """Say what there is to learn from: pixels of each class, or objects.

    Parameters
    ----------
    given : dict
        As `read_training` gives it.
    spec : ModelSpec
        Which model is to learn.
    config : TrainConfig
        Says what the labels mean.

    Raises
    ------
    LabelsError
        If the labels cannot be read so.
    """
    if kind_of(spec) == "semantic":
        _say_pixels(given, config)
    else:
        _say_objects(given, spec, config)


def _say_pixels(given: dict[str, Any], config: TrainConfig) -> None:
    from napari_segkit.images.label_stats import label_stats_of, read_classes

    values, _ = read_classes(
        given["labels"],
        unlabelled=config.unlabelled,
        labels_are=config.labels_are,
        images=given["images"],
    )
    found = label_stats_of(values, config.unlabelled)
    say(f"Images: {len(values)}. Labelled pixels of each class:")
    for value, count in found.counts.items():
        say(f"  {value}: {count}")
    say(f"  not labelled: {found.unlabelled} (unlabelled={config.unlabelled})")


def _say_objects(given: dict[str, Any], spec: ModelSpec, config: TrainConfig) -> None:
    import numpy as np

    from napari_segkit.images.labels import IGNORE
    from napari_segkit.instances.diameters import (
        diameters,
        each_frame,
        learned_lengths,
        occurrences,
    )
    from napari_segkit.instances.label_ids import training_objects
    from napari_segkit.models.instance.object_scales import sizes_text

    images, labels, more = given["images"], given["labels"], dict(given)
    del more["images"], more["labels"]
    ndim = min(choose_ndim(spec, image.axes) for image in images)
    found = training_objects(images, labels, config, ndim=ndim, **more)
    pairs = zip(found.ids, images, strict=True)
    present = np.concatenate([occurrences(*pair) for pair in pairs])
    counts = np.bincount(found.class_of[present], minlength=len(found.classes))
    sizes = [
        diameters(frame, image.spacing[-ndim:])
        for ids, image in zip(found.ids, images, strict=True)
        for frame in each_frame(ids, image, ndim)
    ]
    say(f"Images: {len(images)}. Objects of each class:")
    for each, number in zip(found.classes[1:], counts[1:], strict=True):
        say(f"  {each.name}: {number}")
    say(f"  typical diameter: {np.median(np.concatenate(sizes)):.1f} pixels")
    edges = [
        learned_lengths(ids, image, ndim, config.voxel_size)
        for ids, image in zip(found.ids, images, strict=True)
    ]
    if fitted := sizes_text(spec, np.concatenate(edges)):
        say(f"  chosen by their sizes: {fitted}")
    left_out = sum(int((ids == IGNORE).sum()) for ids in found.ids)
    say(f"  not annotated: {left_out} pixels")
    _note_odd(given, spec, config, ndim)


def _note_odd(given: dict[str, Any], spec: ModelSpec, config: TrainConfig, ndim: int) -> None:
    """Say what looks wrong with the objects of the first images."""
    from napari_segkit.images.labels import LabelsError
    from napari_segkit.instances.instance_stats import instance_stats

    names = {"images": "image"}
    for number in range(min(LOOKED_AT, len(given["images"]))):
        one = {names.get(name, name): read[number] for name, read in given.items()}
        how: Any = {"unlabelled": config.unlabelled, "labels_are": config.labels_are}
        found = instance_stats(**one, **how, how=spec.objects, ndim=ndim)
        if found.notes:
            note = LabelsError(" ".join(found.notes), found.remedies)
            say(f"Note: {one['image'].name}: {sentence(note)}")


def describe(step: Any) -> str:
    """What is said of a step beside its number.

    Parameters
    ----------
    step : Step
        One that tells its loss, or one of the work before.
    """
    if not hasattr(step, "loss"):
        return "features"
    minutes, seconds = divmod(int(step.seconds), 60)
    return f"{minutes}:{seconds:02d}  epoch {step.epoch}  loss {step.loss:.4f}  step"
