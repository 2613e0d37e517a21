"""The images of a comparison, each with its truth; files are opened when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, TypeAlias

from napari_segkit.arguments import given
from napari_segkit.evaluation.label_pair import as_labels_list
from napari_segkit.evaluation.metric import LabelSource
from napari_segkit.images.types import ImageSource, is_layer
from napari_segkit.io.filenames import AnyPath
from napari_segkit.io.files import shared_colours
from napari_segkit.io.image_files import ImageFiles, find_images
from napari_segkit.io.training_files import ImageFile, LabelFile, opened
from napari_segkit.io.training_roles import groups_of
from napari_segkit.training_set import TrainingRow, TrainingSet

Labels: TypeAlias = Any  # a LabelSource, or a LabelFile
Truth: TypeAlias = LabelSource | Sequence[LabelSource] | AnyPath | TrainingSet
Images: TypeAlias = ImageSource | Sequence[ImageSource] | AnyPath


@dataclass(frozen=True, eq=False)
class Case:
    """An image that is compared, with its truth."""

    name: str
    truth: Labels
    image: Any = None  # as a row of a training set has it; None: there are only predictions
    group: str = ""

    @property
    def files(self) -> ImageFiles | None:
        """The files of the truth, if it is not in memory."""
        return self.truth.files if isinstance(self.truth, LabelFile) else None

    def open_truth(self) -> Any:
        """The labels to compare with."""
        return opened(self.truth)

    def open_image(self, shape: Sequence[int]) -> Any:
        """The image; the shape of its labels tells which axis of a file is that of channels."""
        return self.image.open(shape) if isinstance(self.image, ImageFile) else self.image


def cases_of(
    truth: Truth, images: Images | None, groups: Sequence[str] | None = None
) -> list[Case]:
    """The images with their truths, in the order in which they were given."""
    if isinstance(truth, TrainingSet):
        _require_no_images(images)
        cases = [_of_row(n, row) for n, row in enumerate(truth.rows) if row.labels is not None]
    elif isinstance(truth, str | PathLike):
        cases = _of_files(truth, images)
    else:
        cases = _in_memory(truth, images)
    if not cases:
        raise ValueError("There is no truth to compare with: give labels for one image or more.")
    return cases if groups is None else _grouped(cases, groups)


def _of_row(number: int, row: TrainingRow) -> Case:
    name = row.name or str(getattr(row.image, "name", "")) or f"image {number + 1}"
    return Case(name, row.labels, row.image, row.group)


def _of_files(truth: AnyPath, images: Images | None) -> list[Case]:
    if images is None:
        files = find_images(truth)
        colours = shared_colours([f.path for f in files])
        groups = groups_of(files)
        return [
            Case(f.name, LabelFile(f, f.path, colours), group=group)
            for f, group in zip(files, groups, strict=True)
        ]
    if not isinstance(images, str | PathLike):
        raise ValueError(
            f"The truth is {given(truth)} and images is {given(images)}: give files or folders of "
            "both, or arrays of both."
        )
    found = TrainingSet.from_files(images, truth)
    return [_of_row(number, row) for number, row in enumerate(found.rows)]


def _in_memory(truth: Any, images: Any) -> list[Case]:
    truths = as_labels_list(truth)
    if truths is None:
        return [_case(0, truth, images)]
    pictures = [None] * len(truths) if images is None else images
    if not isinstance(pictures, list | tuple) or len(pictures) != len(truths):
        raise ValueError(
            f"truth holds {len(truths)} labels and images is {given(images)}: give a list with "
            "the image of each."
        )
    return [_case(n, *each) for n, each in enumerate(zip(truths, pictures, strict=True))]


def _case(number: int, truth: Any, image: Any) -> Case:
    name = next((str(s.name) for s in (image, truth) if is_layer(s)), f"image {number + 1}")
    return Case(name, truth, image)


def _require_no_images(images: object) -> None:
    if images is not None:
        raise ValueError(
            "images cannot be given beside a TrainingSet, whose rows hold them: leave it out."
        )


def _grouped(cases: Sequence[Case], groups: Sequence[str]) -> list[Case]:
    if isinstance(groups, str) or len(groups) != len(cases):
        raise ValueError(
            f"groups is {given(groups)} for {len(cases)} images: give a list with the name of the "
            "group of each, such as its subject."
        )
    return [replace(c, group=str(group)) for c, group in zip(cases, groups, strict=True)]
