"""Names of the files that results are written to."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from napari_segkit.io import zarr_folders
from napari_segkit.io.filenames import NIFTI, ending, stem
from napari_segkit.io.image_files import ImageFiles, holds_several
from napari_segkit.io.output_paths import (
    check_output_folder,
    check_output_path,
    require_inputs_kept,
)
from napari_segkit.io.volume_files import is_volume
from napari_segkit.io.writers import LABELS

AnyPath = str | PathLike[str]


def plan_outputs(
    given: Sequence[AnyPath],
    images: Sequence[ImageFiles],
    output: AnyPath,
    suffix: str | None = None,
) -> list[tuple[ImageFiles, Path]]:
    """Pair each image with its label file; `given` is where the images were found.

    `output` is a file or a folder; in a folder, which may be new, labels get the sub-folder and
    name of the image with `suffix`, by default "nii.gz" for medical volumes and "tif" for others.
    """
    several = max(len(given), len(images)) > 1 or any(map(holds_several, given))
    folder = Path(output)
    if any(Path(g).is_dir() and Path(g).resolve() == folder.resolve() for g in given):
        raise ValueError(f"{folder} holds the images: choose another folder for the results.")
    in_folder = is_output_folder(output)
    if is_zarr_output(folder) and several:
        raise ValueError(
            f"{folder} is one result: give a folder for the results of several images."
        )
    if is_zarr_output(folder):
        return [(image, folder) for image in images]
    if several and not in_folder and (folder.is_file() or ending(folder) in LABELS):
        raise ValueError(f"{folder} is a file: give a folder for the results of several images.")
    if not (several or in_folder):
        return [(image, check_output_path(folder, overwrite=True)) for image in images]
    check_output_folder(folder)
    return [(image, folder / image.folder / _label_name(image, suffix)) for image in images]


def plan_files(
    given: Sequence[AnyPath],
    images: Sequence[ImageFiles],
    output: AnyPath,
    suffix: str | None,
    files_of: Callable[[Path], Sequence[Path]],
    *,
    inputs: Iterable[Path] = (),
) -> list[tuple[ImageFiles, Path]]:
    """Pair images with label files; ValueError if a file replaces an input or another result.

    `given` are the files, folders or patterns of the images. `files_of` are all files of the result
    with these labels. `inputs` are read besides the images.
    """
    pairs = plan_outputs(given, images, output, suffix)
    source_of: dict[Path, Path] = {}
    for source, target in pairs:
        for file in files_of(target):
            if (other := source_of.setdefault(file, source.path)) != source.path:
                raise ValueError(
                    f"{other} and {source.path} would both be written to {file}: give them "
                    "different names, or process them one at a time."
                )
    require_inputs_kept(source_of, [*(p for image in images for p in image.paths), *inputs])
    return pairs


def is_output_folder(output: AnyPath) -> bool:
    """Whether a folder is meant, such as one that exists or "new/"."""
    ends = tuple(filter(None, (os.sep, os.altsep, "/")))
    is_folder = os.fspath(output).endswith(ends) or Path(output).is_dir()
    return is_folder and not is_zarr_output(Path(output))


def is_zarr_output(target: Path) -> bool:
    """Whether a result is a zarr folder, or labels in that of an image."""
    is_inside = target.parent.name == zarr_folders.LABELS and _is_named_zarr(target.parent.parent)
    return _is_named_zarr(target) or is_inside


def _is_named_zarr(folder: Path) -> bool:
    return folder.suffix.lower() == zarr_folders.ZARR


@contextmanager
def new_folders(file: Path) -> Iterator[None]:
    """Make the folders of a file; those that stay empty are removed at the end."""
    made = [folder for folder in file.parents if not folder.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # not empty
            for folder in made:
                folder.rmdir()


def is_written(file: Path) -> bool:
    """Whether a file is there, and not one that a killed run left empty; or a zarr folder."""
    if is_zarr_output(file):
        return file.is_dir()
    return file.is_file() and file.stat().st_size > 0


def probabilities_file(target: Path) -> Path:
    """File in the folder "probabilities" next to a label file; a TIFF for a PNG."""
    return _float_file(target, "probabilities")


def uncertainty_file(target: Path) -> Path:
    """File in the folder "uncertainty" next to a label file; a TIFF for a PNG."""
    return _float_file(target, "uncertainty")


def overlay_file(target: Path) -> Path:
    """Picture in the folder "overlays" next to a label file."""
    return target.parent / "overlays" / f"{stem(target)}.png"


def _float_file(target: Path, folder: str) -> Path:
    suffix = ending(target) if ending(target) in (".npy", *NIFTI) else ".tif"
    return target.parent / folder / f"{stem(target)}{suffix}"


def _label_name(image: ImageFiles, suffix: str | None) -> str:
    default = "nii.gz" if is_volume(image.path) else "tif"
    return f"{image.stem}.{suffix or default}"
