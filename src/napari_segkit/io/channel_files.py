"""Images whose channels are files of their own, named as nnU-Net does: x_0000, x_0001 ..."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.channel_sources import stack_channels

from .filenames import CHANNEL, shorten
from .files import read_image
from .image_files import ImageFiles
from .name_words import Key, by_key, subject


def read_image_files(
    files: ImageFiles,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    *,
    labels_shape: Sequence[int] | None = None,
    like: str | None = None,
    channels: int | None = None,
    level: int = 0,
) -> AxesImage:
    """Read one image as `read_image` does; several files become its channels, read lazily."""
    axes, spacing = axes or files.axes, spacing or files.spacing
    if len(files.paths) == 1:
        image = read_image(
            files.path,
            axes,
            spacing,
            labels_shape=labels_shape,
            like=like,
            channels=channels,
            level=level,
        )
        return replace(image, name=files.name)
    axes, like = (a and a.replace("C", "") for a in (axes, like))
    images = [
        read_image(path, axes, spacing, labels_shape=labels_shape, like=like, level=level)
        for path in files.paths
    ]
    return stack_channels(images, files.channels, files.name)


def pair_channels(
    images: Sequence[ImageFiles], others: Sequence[ImageFiles], key: Key, *, several: bool = True
) -> list[tuple[ImageFiles, ImageFiles]]:
    """Pairs of x_0000, x_0001 ... with x; ValueError names a missing channel.

    Unless there may be `several`, only images of one channel are paired.
    """
    groups, names = by_key(images, _base), by_key(others, key)
    common = [k for k in groups if len(names.get(k, ())) == 1]
    if not several:
        common = [k for k in common if len(groups[k]) == 1]
    numbers = sorted({_number(f) for k in common for f in groups[k]} | {"0000"})
    grouped = [_join(groups[k], numbers) for k in common]
    if len(numbers) > 1:
        files = shorten([p.name for p in grouped[0].paths])
        note = f"Each image has {len(numbers)} channels, one in each file: {files}."
        warnings.warn(note, UserWarning, stacklevel=6)
    return [(files, names[k][0]) for files, k in zip(grouped, common, strict=True)]


def group_channels(
    images: Sequence[ImageFiles], channels: int, *, axes: str | None = None, like: str | None = None
) -> list[ImageFiles]:
    """Images as a model of so many channels takes them: files of one channel each are grouped."""
    groups = list(by_key(images, _base).values())
    if sum(map(len, groups)) < len(images) or all(len(files) == 1 for files in groups):
        return list(images)
    if channels == 1:
        _say_separate(groups)
        return list(images)
    with suppress(ValueError, OSError):  # a broken file is reported when its turn comes
        if read_image(images[0].path, axes, like=like, channels=channels).channels == channels:
            return list(images)
    return [_join(files, [f"{n:04d}" for n in range(channels)]) for files in groups]


def _say_separate(groups: Sequence[Sequence[ImageFiles]]) -> None:
    """Note that files named as channels are images of their own."""
    if len(groups) > 1 and len({tuple(map(_number, files)) for files in groups}) == 1:
        names = shorten([f.name for f in groups[0]])
        note = f"{names} are images of their own, because the model has one channel."
        warnings.warn(note, UserWarning, stacklevel=3)


def _base(file: ImageFiles) -> tuple[tuple[str, ...], str] | None:
    match = CHANNEL.fullmatch(file.stem)
    return match and (subject(file), match[1])


def _number(file: ImageFiles) -> str:
    return file.stem[-4:]


def _join(files: Sequence[ImageFiles], numbers: Sequence[str]) -> ImageFiles:
    """The files as channels of one image, which must have these numbers."""
    found = {_number(file): file.path for file in files}
    base, name = files[0].stem[:-4], files[0].path.name
    names = {n: name.replace(files[0].stem, f"{base}{n}", 1) for n in {*numbers, *found}}
    if missing := sorted(set(numbers) - set(found)):
        raise ValueError(
            f"{files[0].path.parent} has no {shorten([names[n] for n in missing])}, but images "
            f"have {len(numbers)} channels, one in each file: add it, or leave out the other files "
            f"of {base[:-1]}."
        )
    if extra := sorted(set(found) - set(numbers)):
        raise ValueError(
            f"{files[0].path.parent} has {shorten([names[n] for n in extra])}, but the model has "
            f"{len(numbers)} channels: leave it out, or choose another model."
        )
    return ImageFiles(tuple(found[n] for n in numbers), files[0].folder)
