"""Images of a project: files that are referred to, and pixels without a file, which are saved."""

import os
import shutil
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution, in_unit
from napari_segkit.images.axis_guess import AXES
from napari_segkit.images.channel_sources import as_one_image, channel_sources
from napari_segkit.images.fingerprint import fingerprint
from napari_segkit.images.notes import without_notes
from napari_segkit.images.units import UNKNOWN_SPACING
from napari_segkit.io.filenames import ending, stem
from napari_segkit.io.image_files import ImageFiles
from napari_segkit.io.replace_file import atomic_write
from napari_segkit.io.training_files import ImageFile, opened
from napari_segkit.io.writers import FileMetadata, array_content
from napari_segkit.training_set import TrainingRow

from .files import StoredImage, StoredRow
from .paths import (
    IMAGES,
    file_fingerprint,
    file_to_write,
    relative_path,
    safe_name,
    status_of,
    unused_name,
)

if TYPE_CHECKING:
    from napari_segkit.io.nifti.header import NiftiHeader

Shape = tuple[int, ...] | None  # of the labels


@dataclass
class OpenedImages:
    """What is known of images since they were read last, so that no save reads them again."""

    frames: dict[object, AxesImage] = field(default_factory=dict)  # without pixels
    files: dict[object, tuple[Any, ImageFile | None]] = field(default_factory=dict)
    contents: dict[int, tuple[Any, str, str]] = field(default_factory=dict)
    prints: dict[object, str] = field(default_factory=dict)

    def frame(self, row: TrainingRow, shape: Shape) -> AxesImage:
        """Axes, spacing and metadata of an image; labels are saved without it, too."""
        source = row.image
        if not isinstance(source, ImageFile):
            file = self.file_of(source, shape)
            if file is None:
                return as_one_image(source, labels_shape=shape)
            return self.frame(replace(row, image=file), shape)
        key = _key(source)
        if key not in self.frames and shape and not all(p.exists() for p in source.paths):
            axes = AXES[-len(shape) :]
            return AxesImage(np.broadcast_to(np.uint8(0), shape), axes, name=source.name)
        if key not in self.frames:
            image = source.open(shape)
            self.frames[key] = replace(image, data=np.broadcast_to(np.uint8(0), image.shape))
        return self.frames[key]

    def known(self, row: TrainingRow) -> AxesImage | None:
        """Axes and metadata of a file that was read with its labels."""
        return self.frames.get(_key(row.image)) if isinstance(row.image, ImageFile) else None

    def file_of(self, source: Any, shape: Shape) -> ImageFile | None:
        """The file that a layer was opened from, if it has the same pixels."""
        name = getattr(getattr(source, "source", None), "path", None)
        if not name or not Path(name).exists():
            return None
        path = Path(os.path.abspath(name))
        key, data = (path, path.stat().st_mtime_ns, shape), source.data
        if key not in self.files or self.files[key][0] is not data:
            self.files[key] = data, _same_file(path, source, shape)
        return self.files[key][1]

    def fingerprint(self, path: Path) -> str:
        """Fingerprint of a file, measured anew if it was written since."""
        key = path, status_of(path)
        if key not in self.prints:
            self.prints[key] = file_fingerprint(path)
        return self.prints[key]

    def content(self, image: AxesImage) -> str:
        """Fingerprint of all pixels, measured anew if a part of them has changed."""
        part, known = fingerprint(image), self.contents.get(id(image.data))
        if known is None or known[0] is not image.data or known[1] != part:
            known = image.data, part, fingerprint(image, whole=True)
            self.contents[id(image.data)] = known
        return f"{image.axes} {known[2]}"


@dataclass
class ImageStore:
    """Where the images of a project are."""

    folder: Path
    saved: Sequence[StoredRow]  # of the last save
    opened: OpenedImages
    source: Path  # the project that rows were read from
    written: list[Path]  # gets the new files

    def store(self, row: TrainingRow) -> StoredImage:
        """The files of an image, which are written if there are none."""
        if isinstance(row.image, ImageFile):
            return self._referred(row.image)
        parts = channel_sources(row.image)
        sources = [("", row.image)] if parts is None else parts
        shape = labels_shape(row)
        with without_notes():
            files = [self.opened.file_of(source, shape) for _, source in sources]
            names = () if parts is None else tuple(name for name, _ in sources)
            if found := _joined(files, names):
                return self._referred(found)
            images = [as_image(s, labels_shape=shape, name=n or "image") for n, s in sources]
            return self._saved(images, names, row.name or images[0].name)

    def with_axes(self, stored: StoredImage, row: TrainingRow) -> StoredImage:
        """The axes as they were read with the labels, so that they are not guessed without them."""
        frame = self.opened.known(row)
        if frame is None or stored.axes is not None or "nifti" in frame.metadata:
            return stored
        return replace(stored, axes=frame.axes)

    def _referred(self, file: ImageFile) -> StoredImage:
        """Files where they are; those in a project that is saved elsewhere are copied."""
        paths = [self._copied(path) for path in file.paths]
        names = tuple(relative_path(path, self.folder) for path in paths)
        before = next((r.image for r in self.saved if r.image.paths == names), None)
        known = before.fingerprints if before else ("",) * len(paths)  # of those that are missing
        return StoredImage(
            names,
            tuple(self.opened.fingerprint(p) or k for p, k in zip(paths, known, strict=True)),
            file.files.channels,
            before.axes if before and file.axes is None else file.axes,
            file.spacing,
            before.contents if before else (),
        )

    def _copied(self, path: Path) -> Path:
        own = (self.source / IMAGES).resolve()
        if self.source == self.folder or not path.resolve().is_relative_to(own):
            return path
        copy = self._new_file(stem(path), ending(path))
        with atomic_write(copy) as written, path.open("rb") as read:
            shutil.copyfileobj(read, written)
        self.written.append(copy)
        return copy

    def _saved(self, images: Sequence[AxesImage], names: tuple[str, ...], name: str) -> StoredImage:
        contents = tuple(map(self.opened.content, images))
        channels = names if len(names) > 1 else ()
        for row in self.saved:
            if row.image.contents == contents and self._exist(row.image):
                return replace(row.image, channels=channels)
        base = safe_name(name)
        files = [
            self._write(image, f"{base}_{safe_name(n)}" if n else base)
            for image, n in zip(images, names or ("",), strict=True)
        ]
        said = ", ".join(f"{IMAGES}/{file.name}" for file in files)
        warnings.warn(
            f"The image {name} has no file with these pixels, so they are saved in the project as "
            f"{said}.",
            UserWarning,
            stacklevel=6,
        )
        axes = None if "nifti" in images[0].metadata else images[0].axes
        paths = tuple(relative_path(file, self.folder) for file in files)
        return StoredImage(
            paths, tuple(map(file_fingerprint, files)), channels, axes, contents=contents
        )

    def _new_file(self, base: str, suffix: str) -> Path:
        name = unused_name(base, suffix, self.folder / IMAGES, ())
        return file_to_write(self.folder, f"{IMAGES}/{name}")

    def _exist(self, image: StoredImage) -> bool:
        files = [self.folder / path for path in image.paths]
        return list(map(self.opened.fingerprint, files)) == list(image.fingerprints)

    def _write(self, image: AxesImage, base: str) -> Path:
        header: NiftiHeader | None = image.metadata.get("nifti")
        suffix = ".tif" if header is None else ".nii.gz"
        file = self._new_file(base, suffix)
        data = np.asarray(image.data)
        data = data.astype(np.uint8) if data.dtype == bool else data
        if image.alpha:
            data = data[..., : image.channels]
        metadata = FileMetadata(
            image.axes, image.spacing, {}, header, image.unit, image.metadata.get("geotiff", ())
        )
        write = array_content(file, data, metadata)
        if header is not None:
            write = partial(_write_volume, data, image, header)
        with atomic_write(file, overwrite=False) as written:
            write(written)
        self.written.append(file)
        return file


def _key(file: ImageFile) -> tuple[object, ...]:
    return (*file.paths, file.axes, file.spacing)


def labels_shape(row: TrainingRow) -> Shape:
    """Shape of the labels of an image; None if there are none."""
    return None if row.labels is None else tuple(full_resolution(opened(row.labels)).shape)


def _write_volume(data: Any, image: AxesImage, header: "NiftiHeader", file: BinaryIO) -> None:
    from napari_segkit.io.nifti.writer import matching_header, write_nifti

    source = matching_header(header, image.axes)
    write_nifti(file, data, image.axes, kind="image", source=source, zipped=True)


def _joined(files: Sequence[ImageFile | None], names: tuple[str, ...]) -> ImageFile | None:
    """Files of channels as one image, if all of them have one and are read alike."""
    known = [file for file in files if file is not None]
    if len(known) < len(files) or len({(f.axes, f.spacing) for f in known}) > 1:
        return None
    paths = tuple(path for file in known for path in file.paths)
    return replace(known[0], files=ImageFiles(paths, "", names if len(paths) > 1 else ()))


def _same_file(path: Path, source: Any, shape: Shape) -> ImageFile | None:
    """The file of a layer with the axes and spacing it has there, if its pixels are the same."""
    with suppress(OSError, ValueError, TypeError):
        image = as_image(source, labels_shape=shape)
        file = ImageFile(ImageFiles((path,)))
        read = file.open(shape)
        if read.axes != image.axes:
            file = replace(file, axes=image.axes)
        spacing = in_unit(image, read.unit).spacing
        if spacing != read.spacing and (image.unit or image.spacing != UNKNOWN_SPACING):
            file = replace(file, spacing=spacing)
        read = file.open(shape)
        if (read.axes, fingerprint(read)) == (image.axes, fingerprint(image)):
            return file
    return None
