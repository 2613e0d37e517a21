"""Where results in zarr folders lie: while they are made, and when they are complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from napari_segkit.arguments import as_path
from napari_segkit.images.layer_metadata import KEY
from napari_segkit.io.filenames import AnyPath, shorten, stem
from napari_segkit.io.output_paths import check_output_folder
from napari_segkit.io.replace_file import ExistsError, WriteError, cause
from napari_segkit.io.zarr_folders import LABELS

PART = ".{}.segkit-part"
PREDICTED = "prediction"  # of the labels of a result, its own


def check_target(target: AnyPath, *, overwrite: bool = False) -> Path:
    """Check before the work that a result can be written there.

    With `overwrite`, what stands there is replaced in the end, if it is a result of this package.
    """
    path = as_path("target", target)
    if os.path.lexists(path):
        if not is_result(path):
            raise ExistsError(f"{path} exists already and is no result of SegKit: choose another.")
        if not overwrite:
            raise ExistsError(f"{path} exists already: choose another name, or overwrite.")
        if added := _added_labels(path):
            raise ExistsError(
                f"{path} holds further labels, {shorten(added)}: move them, or choose another name."
            )
    check_output_folder(path.parent)
    return path


def part_folder(target: Path) -> Path:
    """The hidden folder in which a result is made."""
    return target.with_name(PART.format(target.name))


def table_file(target: Path) -> Path:
    """The CSV file of objects beside a result, or beside the image that it belongs to."""
    image = image_of(target)
    if image is None:
        return target.with_name(f"{stem(target)}.csv")
    return image.with_name(f"{image.stem}_{target.name}.csv")


def remove_folder(folder: Path) -> None:
    """Remove a folder of this package, if it is there."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WriteError(f"{folder} cannot be removed: {cause(error)}.") from error


@contextmanager
def explain_write_errors(target: Path) -> Iterator[None]:
    """A WriteError that names the result and the cause, for an error of the disk."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {cause(error)}.") from error


def image_of(target: Path) -> Path | None:
    """The zarr image that ``image.zarr/labels/NAME`` belongs to; None for any other name."""
    image = target.parent.parent
    return image if target.parent.name == LABELS and _group(image) is not None else None


def is_result(path: Path) -> bool:
    """Whether a folder is a result of this package, or labels that it added to an image."""
    group = _group(path)
    return group is not None and KEY in group.attrs and not path.is_symlink()


def place_result(part: Path, target: Path) -> None:
    """Give a complete folder its name, in the place of a former result."""
    old = target.with_name(PART.format(f"{target.name}.{token_hex(4)}"))
    with explain_write_errors(target):
        if target.exists():
            target.rename(old)
        try:
            part.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    remove_folder(old)


def _added_labels(result: Path) -> list[str]:
    """Labels in the folder of a result that are not the result's own."""
    import zarr

    labels = zarr.open_group(result, mode="r", use_consolidated=False).get(LABELS)
    if not isinstance(labels, zarr.Group):
        return []
    return sorted(name for name in labels.group_keys() if name != PREDICTED)


def _group(folder: Path) -> Any:
    import zarr

    with suppress(OSError, ValueError, KeyError):
        return zarr.open_group(folder, mode="r", use_consolidated=False)
    return None
