"""What ``segkit train`` says of its images and steps, and how no training is lost."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from napari_segkit.config import TrainConfig

from .terminal import MISTAKES, say, sentence

if TYPE_CHECKING:
    from napari_segkit.data.images import Image
    from napari_segkit.segmenter import Segmenter


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


def say_counts(images: Sequence["Image"], labels: Sequence[Any], config: TrainConfig) -> None:
    """Say how many pixels of each class there are to learn from.

    Parameters
    ----------
    images : sequence of Image
        The training images.
    labels : sequence of array-like
        Their labels.
    config : TrainConfig
        Says which value is not learned.
    """
    from napari_segkit.data.labels import read_all
    from napari_segkit.data.survey import survey_values

    values, _ = read_all(
        labels, unlabelled=config.unlabelled, labels_are=config.labels_are, images=images
    )
    found = survey_values(values, config.unlabelled)
    say(f"Images: {len(images)}. Labelled pixels of each class:")
    for value, count in found.counts.items():
        say(f"  {value}: {count}")
    say(f"  not labelled: {found.unlabelled} (unlabelled={config.unlabelled})")


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
