"""The images of a training with their labels, and what each of them is for."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from .arguments import given, require_bool, require_type
from .images.training_pairs import Given, pair_up, require_two_sources
from .images.types import ImageSource
from .io.filenames import AnyPath, shorten
from .io.folders import training_files
from .io.training_files import ImageFile, LabelFile, open_later
from .io.training_roles import Role


@dataclass(frozen=True, eq=False)
class TrainingRow:
    """One image of a training set with its labels.

    Parameters
    ----------
    image : array-like or napari Image layer, dict or list of them
        Any dtype. A dict of names and images, or a list of layers, gives the channels of one
        image; the model asks for them by these names.
    labels : array-like or napari Labels layer
        Its labels, as in `Segmenter.fit`. None: there are none yet, which `Segmenter.fit` takes
        only with the role "leave out".
    role : str
        "train": trained on. "validate": only to score the model while it is trained. "leave out":
        not read at all.
    group : str
        What images share that must not be trained on and validated with at once, such as a
        subject, a slide or a plate. "": the image stands alone.
    name : str
        What messages call the image; "": the name of the layer.
    object_classes : array-like or napari Labels layer, optional
        As in `Segmenter.fit`.
    regions : napari Shapes layer, list of polygons or mask, optional
        As in `Segmenter.fit`.
    """

    image: ImageSource | ImageFile | Mapping[str, ImageSource]
    labels: ImageSource | LabelFile | None
    role: Role = "train"
    group: str = ""
    name: str = ""
    object_classes: Any = None
    regions: Any = None

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            choices = ", ".join(map(repr, get_args(Role)))
            raise ValueError(f"role is {given(self.role)}: choose one of {choices}.")
        require_type("group", self.group, str)
        require_type("name", self.name, str)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images with their labels, each with a role; `Segmenter.fit` takes it in place of arrays.

    Two sets are joined by ``+``. A set does not change: `dataclasses.replace` makes another one.

    Parameters
    ----------
    rows : sequence of TrainingRow
        The images, in the order in which they are read.

    Examples
    --------
    >>> rows = [TrainingRow(a, a_labels), TrainingRow(b, b_labels, role="validate")]
    >>> seg.fit(TrainingSet(rows), config=TrainConfig(epochs=20))
    """

    rows: Sequence[TrainingRow]

    def __post_init__(self) -> None:
        if not isinstance(self.rows, Iterable):
            raise TypeError(f"rows is {given(self.rows)}: give a list of TrainingRow.")
        rows = tuple(self.rows)
        for number, row in enumerate(rows):
            require_type(f"rows[{number}]", row, TrainingRow)
        object.__setattr__(self, "rows", rows)

    @classmethod
    def from_files(
        cls,
        images: AnyPath | Sequence[AnyPath],
        labels: AnyPath | None = None,
        *,
        object_classes: AnyPath | None = None,
        regions: AnyPath | None = None,
        axes: str | None = None,
        spacing: Sequence[float] | None = None,
        fit_masks: bool = False,
    ) -> "TrainingSet":
        """Pair the images and labels of files, which are read when they are needed.

        Groups come from subjects such as sub-01 in names, from folders, or a column group; roles
        from folders such as train, val and test (left out), or a column role.

        Parameters
        ----------
        images : path-like, or list of them
            A file, a folder with its sub-folders (also of both images and labels), a pattern such
            as "img/*.png", or a CSV list with the columns images and masks; instead of images,
            columns such as images:t1 and images:t2 name the channels of each image. A list holds
            image files and label files, which are told apart by words in their names.
        labels : path-like, optional
            A file, folder or pattern; not with a CSV list.
        object_classes : path-like, optional
            As the labels: in each object, the value of its class; in a list the column classes.
        regions : path-like, optional
            As the labels: not 0 where every object is annotated; in a list the column regions.
        axes : str, optional
            As in `Segmenter.fit`.
        spacing : sequence of float, optional
            As in `Segmenter.fit`.
        fit_masks : bool
            Resample masks of another size than their image to it (nearest neighbour). Otherwise
            they are refused when the images are read.

        Returns
        -------
        TrainingSet
            A row for each pair, in the order of their names or of the list.

        Raises
        ------
        ValueError
            If files are missing, or it is not clear which of them belong together.
        """
        require_bool("fit_masks", fit_masks)
        files = training_files(images, labels, classes=object_classes, regions=regions)
        later = open_later(files, axes=axes, spacing=spacing, fit_masks=fit_masks)
        return cls(
            [
                TrainingRow(o.image, o.labels, f.role, f.group, "", o.classes, o.regions)
                for f, o in zip(files, later, strict=True)
            ]
        )

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def __add__(self, other: "TrainingSet") -> "TrainingSet":
        """The rows of both."""
        if not isinstance(other, TrainingSet):
            return NotImplemented
        _say_repeated(self, other)
        return TrainingSet((*self.rows, *other.rows))

    def with_role(self, role: Role) -> tuple[TrainingRow, ...]:
        """Rows of one role.

        Parameters
        ----------
        role : str
            "train", "validate" or "leave out".

        Returns
        -------
        tuple of TrainingRow
            In their order.
        """
        return tuple(row for row in self.rows if row.role == role)


def _say_repeated(first: TrainingSet, second: TrainingSet) -> None:
    """Say which files are in both sets."""
    known = {row.image.paths for row in first.rows if isinstance(row.image, ImageFile)}
    files = [row.image for row in second.rows if isinstance(row.image, ImageFile)]
    names = [file.name for file in files if file.paths in known]
    if names:
        warnings.warn(
            f"{shorten(names)}: in both training sets, and used twice.", UserWarning, stacklevel=3
        )


def as_training_set(
    images: "TrainingSet | Given",
    labels: Given | None,
    *,
    object_classes: object = None,
    regions: object = None,
    validation: tuple[Given, Given] | None = None,
) -> TrainingSet:
    """The set that was given, or one of the arguments of `Segmenter.fit`."""
    if isinstance(images, TrainingSet):
        beside = {
            "labels": labels,
            "object_classes": object_classes,
            "regions": regions,
            "validation": validation,
        }
        _require_alone(images, [name for name, value in beside.items() if value is not None])
        return images
    _require_pair(validation)
    pairs, is_list = pair_up(images, labels), isinstance(labels, list | tuple)
    class_list = _as_list("object_classes", object_classes, len(pairs), is_list)
    region_list = _as_list("regions", regions, len(pairs), is_list)
    rows = [
        TrainingRow(*pair, object_classes=classes, regions=region)
        for pair, classes, region in zip(pairs, class_list, region_list, strict=True)
    ]
    held_out = pair_up(*validation) if validation is not None else ()
    return TrainingSet([*rows, *(TrainingRow(*pair, role="validate") for pair in held_out)])


def _require_alone(rows: TrainingSet, beside: Sequence[str]) -> None:
    if beside:
        raise ValueError(
            f"{' and '.join(beside)} cannot be given beside a TrainingSet, whose rows hold them: "
            "leave it out, and give other arguments by name, such as config=TrainConfig()."
        )
    if not rows.with_role("train"):
        found = f"holds {len(rows)} rows, none" if len(rows) else "is empty: add rows, at least one"
        raise ValueError(
            f"The training set {found} of the role 'train': add images that are trained on."
        )
    for number, row in enumerate(rows.rows):
        if row.role != "leave out" and row.labels is None:
            raise ValueError(f"rows[{number}] has no labels: give them, or the role 'leave out'.")
        if row.role != "leave out" and not isinstance(row.image, ImageFile):
            names = f"rows[{number}].image", f"rows[{number}].labels"
            require_two_sources(row.image, row.labels, names)


def _require_pair(validation: object) -> None:
    if validation is not None and not (isinstance(validation, tuple) and len(validation) == 2):
        raise ValueError(
            f"validation is {given(validation)} and not a pair: give (images, labels), or lists of "
            "both."
        )


def _as_list(name: str, values: Any, count: int, is_list: bool) -> list[Any]:
    """An option with one entry per image, None where it was not given."""
    if values is None or not is_list:
        return [values] * count
    if not isinstance(values, list | tuple):
        raise ValueError(
            f"{name} is not a list, but there are {count} labels: give a list with one entry "
            "for each of them; an entry may be None."
        )
    if len(values) != count:
        raise ValueError(
            f"{name} holds {len(values)} entries for {count} labels: give one for each of "
            "them; an entry may be None."
        )
    return list(values)
