"""Rows of a training set as files of a project, and back."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2s
from pathlib import Path
from typing import Any

import numpy as np

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass, classes_shown
from napari_segkit.images.labels import as_unsigned
from napari_segkit.images.notes import without_notes
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.annotated_regions import region_mask
from napari_segkit.io.filenames import ending
from napari_segkit.io.files import NO_COLOURS, labels_content
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.io.training_files import ImageFile, LabelFile, aligned_labels, opened
from napari_segkit.io.writers import FileMetadata
from napari_segkit.training_set import TrainingRow

from .files import StoredImage, StoredMask, StoredRow
from .image_files import ImageStore, labels_shape
from .paths import (
    LABELS,
    Status,
    absolute_path,
    file_fingerprint,
    file_to_write,
    inside,
    safe_name,
    status_of,
    unused_name,
)

Known = tuple[Status | None, str]  # of a label file, and the digest of its values
ENDINGS = {"labels": "", "object_classes": "_object_classes", "regions": "_regions"}


def training_rows(rows: Sequence[StoredRow], folder: Path) -> list[TrainingRow]:
    """Rows whose files are opened when they are read; names tell images apart."""
    files = [
        ImageFiles(tuple(absolute_path(path, folder) for path in image.paths), "", image.channels)
        for image in (row.image for row in rows)
    ]
    if len({file.stem for file in files}) < len(files):
        files = [replace(file, folder=_below(file.path.parent, files)) for file in files]
    return [_training_row(*each, folder) for each in zip(rows, files, strict=True)]


def _below(place: Path, files: Sequence[ImageFiles]) -> str:
    """A folder of an image, from the one that holds all of them."""
    try:
        root = os.path.commonpath([file.path.parent for file in files])
    except ValueError:  # on several drives of Windows
        return place.name
    return "" if place == Path(root) else place.relative_to(root).as_posix()


def _training_row(row: StoredRow, files: ImageFiles, folder: Path) -> TrainingRow:
    image, paths = row.image, files.paths
    later = ImageFile(files, image.axes, image.spacing)
    return TrainingRow(
        later,
        _label_file(row.labels, folder, paths[0]),
        row.role,
        row.group,
        row.name,
        _label_file(row.object_classes, folder, paths[0]),
        _label_file(row.regions, folder, paths[0]),
    )


def _label_file(mask: StoredMask | None, folder: Path, image: Path) -> LabelFile | None:
    if mask is None:
        return None
    return LabelFile(ImageFiles((inside(folder, mask.path),)), image, NO_COLOURS)


class SavedRows:
    """Rows of a save, each of which is taken once."""

    def __init__(self, rows: Sequence[StoredRow]) -> None:
        self._left = list(rows)

    def take(self, image: StoredImage, name: str) -> StoredRow | None:
        """The row of an image, that of the same name first."""
        same = [row for row in self._left if row.image.paths == image.paths]
        best = next((row for row in same if row.name == name), same[0] if same else None)
        if best is not None:
            self._left.remove(best)
        return best


@dataclass
class RowWriter:
    """Writes into a project what has changed of its rows."""

    folder: Path
    place: str  # LABELS or AUTOSAVE
    saved: Sequence[StoredRow]
    autosaved: Sequence[StoredRow]
    known: dict[str, Known]  # label files as they were read or written here
    images: ImageStore
    classes: tuple[LabelClass, ...] = ()
    _taken: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._rows = SavedRows(self.saved), SavedRows(self.autosaved)
        every = (*self.saved, *self.autosaved)
        self._masks = {self.folder / mask.path: mask for row in every for mask in row.masks}
        self._taken = {mask.path for mask in self._masks.values()}

    def write(self, row: TrainingRow) -> StoredRow:
        """Write the labels that have changed, and an image that has no file."""
        image = self.images.store(row)
        name = row.name or ("" if isinstance(row.image, ImageFile) else _name(row))
        before = [known for rows in self._rows if (known := rows.take(image, name)) is not None]
        written = StoredRow(
            image,
            self._mask(row, "labels", before),
            row.role,
            row.group,
            name,
            self._mask(row, "object_classes", before),
            self._mask(row, "regions", before),
        )
        return replace(written, image=self.images.with_axes(image, row))

    def _mask(
        self, row: TrainingRow, column: str, before: Sequence[StoredRow]
    ) -> StoredMask | None:
        source = getattr(row, column)
        if source is None:
            return None
        own = self._own(source)
        if own is not None and own.path.startswith((f"{self.place}/", f"{LABELS}/")):
            return own
        with without_notes():
            image = self.images.opened.frame(row, labels_shape(row))
            values = _values(row, column, image)
        earlier = [mask for r in before if (mask := getattr(r, column)) is not None]
        content = content_of(values)
        for mask in earlier:
            kept = mask.path.startswith((f"{self.place}/", f"{LABELS}/"))
            known = self.known.get(mask.path, (None, ""))
            if kept and known == (status_of(self.folder / mask.path), content):
                return replace(mask, content=content)
        path = self._path(row, column, earlier, image)
        self._write(path, values, source, image)
        self.known[path] = status_of(self.folder / path), content
        self.images.written.append(self.folder / path)
        return StoredMask(path, content, file_fingerprint(self.folder / path))

    def _own(self, source: object) -> StoredMask | None:
        """The entry of labels that are a file of this project."""
        if not isinstance(source, LabelFile) or len(source.paths) > 1:
            return None
        return self._masks.get(source.paths[0])

    def _has_changed(self, path: str) -> bool:
        """Whether a file is not what was read or written here: another program has written it."""
        return status_of(self.folder / path) != self.known.get(path, (None, ""))[0]

    def _path(
        self, row: TrainingRow, column: str, earlier: Sequence[StoredMask], image: AxesImage
    ) -> str:
        """Where labels are written: over those of the same image, or under an unused name."""
        suffix = ".nii.gz" if "nifti" in image.metadata else ".tif"
        mine = [m.path for m in earlier if m.path.startswith(f"{self.place}/")]
        mine = [path for path in mine if ending(Path(path)) == suffix]
        changed = [path for path in mine if self._has_changed(path)]
        if mine and not changed:
            return mine[0]
        base = safe_name(row.name or _name(row)) + ENDINGS[column]
        taken = [path.removeprefix(f"{self.place}/") for path in self._taken]
        name = unused_name(base, suffix, self.folder / self.place, taken)
        path = f"{self.place}/{name}"
        if changed and status_of(self.folder / changed[0]) is not None:
            warnings.warn(
                f"{changed[0]} was changed by another program or window since it was opened here: "
                f"it stays, and the labels are saved as {path}.",
                UserWarning,
                stacklevel=6,
            )
        return path

    def _write(self, path: str, values: AnyArray, source: Any, image: AxesImage) -> None:
        file = file_to_write(self.folder, path)
        metadata = FileMetadata(
            image.label_axes,
            image.spacing,
            {},
            image.metadata.get("nifti"),
            image.unit,
            image.metadata.get("geotiff", ()),
            self._classes_of(source),
        )
        content = labels_content(file, values, metadata)
        with atomic_write(file) as written:
            content(written)
        self._taken.add(path)

    def _classes_of(self, source: Any) -> tuple[LabelClass, ...]:
        """The classes of the project, or those that labels name themselves."""
        own = opened(source)
        features, colormap = getattr(own, "features", None), getattr(own, "colormap", None)
        return self.classes or classes_shown(features, colormap)


def content_of(values: AnyArray) -> str:
    """Digest of label values, whatever their type."""
    digest = blake2s(repr(values.shape).encode(), digest_size=16)
    for part in values:
        digest.update(np.ascontiguousarray(part, "<u4").data)
    return digest.hexdigest()


def _values(row: TrainingRow, column: str, image: AxesImage) -> AnyArray:
    """Label values in the axes of the image, as a file holds them."""
    source = getattr(row, column)
    if column == "regions" and not isinstance(source, LabelFile):
        return region_mask(source, opened(row.labels), image.label_shape).astype(np.uint8)
    return as_unsigned(np.asarray(aligned_labels(source, opened(source), image)))


def _name(row: TrainingRow) -> str:
    """What files of a row without a name are called."""
    image = row.image
    if isinstance(image, ImageFile):
        return image.files.stem
    if isinstance(image, dict):
        return "_".join(map(str, image))
    return str(getattr(image, "name", "")) or "image"
