"""Rows of a training set as the Train dock sees them: names, layers, copies for a training."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.layers import Labels, Layer, Shapes

from napari_segkit._qt.layers.snapshots import Snapshot, snapshot
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.images.channel_sources import channel_sources
from napari_segkit.images.outlines import shape_outlines
from napari_segkit.io.files import NO_COLOURS
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.training_files import ImageFile, LabelFile
from napari_segkit.training_set import TrainingRow, TrainingSet

from .session import Session


def image_name(row: TrainingRow) -> str:
    """What a row is called: by itself, or after its image."""
    return row.name or source_name(row.image)


def source_name(source: object) -> str:
    """Name of a layer or file; of channels that are given one by one, all names."""
    channels = channel_sources(source)
    if channels is not None:
        return " + ".join(name for name, _ in channels)
    return str(getattr(source, "name", "")) or "array"


def channels_of(source: Any) -> list[Any]:
    """The sources of one image: its channels, where these are given one by one."""
    channels = channel_sources(source)
    return [source] if channels is None else [channel for _, channel in channels]


def are_layers(source: object) -> bool:
    """Whether an image, or each of its channels, is a layer."""
    return all(isinstance(unwrapped(x), Layer) for x in channels_of(source))


def is_same(one: TrainingRow, other: TrainingRow) -> bool:
    """Whether two rows have the same image and labels, whatever their role and group."""
    return one.image is other.image and one.labels is other.labels


def fitted(row: TrainingRow) -> TrainingRow:
    """A row whose label file is resampled to its image."""
    labels = row.labels
    return replace(row, labels=replace(labels, fit=True)) if isinstance(labels, LabelFile) else row


def row_key(row: TrainingRow) -> tuple[object, ...]:
    """What two rows share that hold the same image and labels."""
    return (*_keys(row.image), "labels", *_keys(row.labels))


def missing_file(row: TrainingRow) -> Path | None:
    """A file of a row that does not exist."""
    sources = row.image, row.labels, row.object_classes, row.regions
    files = [file for source in sources for file in files_of(source)]
    return next((file for file in files if not file.exists()), None)


def row_layers(row: TrainingRow) -> Iterator[Layer]:
    """The layers of a row: images, labels, classes of objects, regions."""
    for source in (*channels_of(row.image), row.labels, row.object_classes, row.regions):
        layer = unwrapped(source)
        if isinstance(layer, Layer):
            yield layer


def closed_layer(row: TrainingRow, opened: Container[int]) -> Layer | None:
    """A layer of a row that is not among the opened ones, which are given by `id`."""
    return next((x for x in row_layers(row) if id(x) not in opened), None)


def snapshots_of(session: Session, training_set: TrainingSet) -> TrainingSet:
    """A training set with copies of its layers, which a task can read; without what is left out."""
    rows = [row for row in training_set.rows if row.role != "leave out"]
    return copied_rows(session, rows)


def copied_rows(session: Session, rows: Iterable[TrainingRow]) -> TrainingSet:
    """Rows with copies of their layers, which a task can read; copies stay as they are."""
    return TrainingSet([_copied(session, row) for row in rows])


def label_snapshots(training_set: TrainingSet) -> list[Snapshot]:
    """The copies of Labels layers in a set of `snapshots_of`."""
    return [row.labels for row in training_set.rows if isinstance(row.labels, Snapshot)]


def _copied(session: Session, row: TrainingRow) -> TrainingRow:
    regions = row.regions
    if isinstance(unwrapped(regions), Shapes):
        regions = shape_outlines(regions, row.labels)
    return replace(
        row,
        image=_copy_image(session, row.image),
        labels=_copy(session, row.labels),
        object_classes=_copy(session, row.object_classes),
        regions=regions,
        name=image_name(row),
    )


def _copy_image(session: Session, source: Any) -> Any:
    channels = channel_sources(source)
    if channels is None:
        return _copy(session, source)
    return {name: _copy(session, channel) for name, channel in channels}


def _copy(session: Session, source: Any) -> Any:
    """Copy of a layer, with the axes that were chosen for it; anything else as it is."""
    layer = unwrapped(source)
    if not isinstance(layer, Layer):
        return source
    copy, axes = snapshot(layer), session.axes_of(layer)
    if axes is None or isinstance(layer, Labels):
        return copy
    return replace(copy, axis_labels=tuple(axes[: copy.ndim]))


def files_of(source: object) -> tuple[Path, ...]:
    """The files that a source is read from; none for layers and arrays."""
    return source.paths if isinstance(source, ImageFile | LabelFile) else ()


def file_labels(file: Path, row: TrainingRow) -> LabelFile:
    """The labels in a new file, which were painted on the image of a row."""
    image, labels = files_of(row.image), row.labels
    folder = labels.files.folder if isinstance(labels, LabelFile) else ""
    return LabelFile(ImageFiles((file,), folder), image[0] if image else file, NO_COLOURS)


def _keys(source: object) -> Iterator[object]:
    for each in channels_of(source):
        yield from files_of(each) or (id(unwrapped(each)),)
