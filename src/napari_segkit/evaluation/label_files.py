"""Predictions and truths as files: paired by their names, and read one pair after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_segkit.images.axes_image import SPATIAL, reorient_image
from napari_segkit.images.class_labels import with_classes
from napari_segkit.images.colour_masks import ColourTable
from napari_segkit.io.channel_files import read_image_files
from napari_segkit.io.coco.panoptic_files import find_json, read_panoptic
from napari_segkit.io.file_geometry import file_geometry, files_apart
from napari_segkit.io.filenames import LISTS, AnyPath
from napari_segkit.io.files import NO_COLOURS, file_orientation, read_labels, shared_colours
from napari_segkit.io.folders import pair_files
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.label_classes import read_classes
from napari_segkit.io.name_pairs import EVALUATION, Pairs
from napari_segkit.io.training_roles import groups_of

from .label_pair import LabelPair
from .left_out import TrainedOn
from .metric import LabelTable
from .same_place import require_same_place


@dataclass(frozen=True)
class LabelFiles:
    """The files of a prediction and its truth, and how they are read."""

    prediction: ImageFiles
    truth: ImageFiles
    kind: str  # of metrics
    colours: ColourTable = NO_COLOURS  # the classes of colours, the same in all files
    apart: str | None = None  # how they differ in place
    image: ImageFiles | None = None
    group: str | None = None

    @property
    def name(self) -> str:
        """The name of the image in messages and tables."""
        return self.prediction.name

    @property
    def paths(self) -> Iterator[Path]:
        """All files that are read."""
        for files in (self.prediction, self.truth, self.image):
            yield from files.paths if files else ()
        if self.kind == "panoptic":
            yield from (find_json(self.prediction.path), find_json(self.truth.path))

    def read(self, unseen_by: TrainedOn | None = None) -> LabelPair:
        """Read the labels; and the image as a model wants it that is to recognise it."""
        prediction, truth = self.prediction.path, self.truth.path
        like = file_orientation(prediction)
        image = None
        if unseen_by is not None and self.image is not None:
            model = unseen_by.ready()
            given = read_image_files(self.image, like=model.axes, channels=model.channels)
            image = reorient_image(given, like)
        if self.kind == "panoptic":
            predicted, true = (LabelTable(*read_panoptic(file)) for file in (prediction, truth))
            return LabelPair(predicted, true, self.name, self.apart, self.group, image)
        classes = [read_classes(f) or self.colours.classes for f in (prediction, truth)]
        labels = read_labels(prediction, colours=self.colours)
        expected = read_labels(truth, orientation=like, colours=self.colours)
        named = with_classes(labels, classes[0]), with_classes(expected, classes[1])
        spacing = _spacing(truth, like, expected.shape)
        return LabelPair(*named, self.name, self.apart, self.group, image, spacing)


def pair_label_files(
    prediction: AnyPath,
    truth: AnyPath | None,
    images: AnyPath | None = None,
    *,
    kind: str = "semantic",
    by_index: bool = False,
) -> list[LabelFiles]:
    """Pair files, folders or patterns by their names, or take the pairs of a CSV list."""
    return label_files(
        pair_files(prediction, truth, EVALUATION), truth, images, kind=kind, by_index=by_index
    )


def label_files(
    pairs: Pairs,
    truth: AnyPath | None,
    images: AnyPath | None = None,
    *,
    kind: str = "semantic",
    by_index: bool = False,
) -> list[LabelFiles]:
    """How pairs of files are read; ValueError if they do not lie on each other."""
    places = [files_apart(prediction.path, true.path) for prediction, true in pairs]
    names = [prediction.name for prediction, _ in pairs]
    require_same_place(zip(names, places, strict=True), by_index=by_index)
    image_of = _images_of(images, truth, pairs)
    colours = _shared_colours(pairs, kind)
    groups = groups_of([prediction for prediction, _ in pairs])
    return [
        LabelFiles(*pair, kind, colours, place, image_of.get(pair[1].path.resolve()), group or None)
        for pair, place, group in zip(pairs, places, groups, strict=True)
    ]


def _spacing(path: Path, orientation: str, shape: Sequence[int]) -> tuple[float, ...] | None:
    """World units between pixels along Z Y X or Y X, as the file says; None if it does not."""
    geometry = file_geometry(path)
    if geometry is None:
        return None
    turned = geometry.turned_to(orientation) if orientation else geometry
    is_known = (
        turned.axes in (SPATIAL, SPATIAL[1:]) and turned.shape == tuple(shape)[-len(turned.axes) :]
    )
    return tuple(turned.spacing.tolist()) if is_known else None


def _images_of(
    images: AnyPath | None, truth: AnyPath | None, pairs: Pairs
) -> dict[Path, ImageFiles]:
    """The image of each truth; ValueError if one has none."""
    if images is None:
        return {}
    is_list = Path(images).suffix.lower() in LISTS
    found = pair_files(images, None if is_list else truth)
    image_of = {labels.path.resolve(): image for image, labels in found}
    truths = [true.path.resolve() for _, true in pairs]
    if missing := [path for path in truths if path not in image_of]:
        raise ValueError(f"{images} holds no image for {missing[0]}: give those of the truth.")
    return image_of


def _shared_colours(pairs: Pairs, kind: str) -> ColourTable:
    """The classes of colours, the same in all files; COCO panoptic files hold ids instead."""
    if kind == "panoptic":
        return NO_COLOURS
    predictions, truths = ([file.path for file in files] for files in zip(*pairs, strict=True))
    named = {c.name: c.value for c in read_classes(predictions[0])}
    return shared_colours(truths, predictions, named=named)
