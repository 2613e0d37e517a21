"""Results in an OME-Zarr folder: made in a part folder beside it, which gets its name at the end.

The part folder of ``OUT.zarr`` is ``.OUT.zarr.segkit-part`` beside it. In it lies ``result``, which
becomes ``OUT.zarr``; whoever writes the result keeps there whatever is needed to go on with it.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from napari_segkit.arguments import as_path
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import KEY
from napari_segkit.images.units import UNKNOWN_SPACING, PixelSize, Spacing
from napari_segkit.io.filenames import AnyPath, stem
from napari_segkit.io.zarr_folders import LABELS, PROBABILITIES, UNCERTAINTY
from napari_segkit.steps import Step

from .coarse_levels import CoarseBlock, coarse_blocks, level_factors
from .empty_images import Layout, make_group, make_image
from .label_groups import list_labels
from .ome_written import (
    channel_attributes,
    group_attributes,
    image_attributes,
    joined,
    label_attributes,
)
from .result_paths import (
    PREDICTED,
    check_target,
    explain_write_errors,
    image_of,
    part_folder,
    place_result,
    remove_folder,
)

RESULT = "result"
PREDICTION = f"{LABELS}/{PREDICTED}"


@dataclass(frozen=True)
class ZarrResult:
    """Labels in a zarr folder, with what belongs to them.

    Parameters
    ----------
    target : Path
        The folder, once it is complete.
    folder : Path
        Where the arrays are now: the target, or in the part folder beside it.
    labels : zarr.Array
        Labels, along the axes of the result.
    probabilities : zarr.Array or None
        Float32, along `probability_axes`.
    uncertainty : zarr.Array or None
        Float32, along the axes of the result.
    record : mapping
        How it was made, as `create_result` was given it, with its "axes".
    """

    target: Path
    folder: Path
    labels: Any
    probabilities: Any
    uncertainty: Any
    record: Mapping[str, Any]

    @property
    def probability_axes(self) -> str:
        """Axes of the probabilities as they are stored: in a series, T comes before C."""
        return _probability_axes(self.record["axes"])

    def levels(self, finest: Any) -> list[Any]:
        """All levels of one of these arrays, the finest first."""
        import zarr

        group: Any = zarr.open_group(self.folder, mode="r" if finest.read_only else "r+")
        place = finest.path.rpartition("/")[0]
        image = group[place] if place else group
        count = sum(name.isdigit() for name in image.array_keys())
        return [image[str(level)] for level in range(count)]


def create_result(
    target: AnyPath,
    axes: str,
    shape: Sequence[int],
    chunks: Sequence[int],
    *,
    dtype: DTypeLike,
    classes: Sequence[LabelClass] = (),
    spacing: Spacing = UNKNOWN_SPACING,
    unit: str = "",
    probabilities: bool = False,
    uncertainty: bool = False,
    record: Mapping[str, Any] | None = None,
    are_ids: bool = False,
) -> ZarrResult:
    """Make the arrays of a result in the part folder of `target`, in place of an unfinished one.

    `target` is a new folder, or ``image.zarr/labels/NAME``: labels of an OME-Zarr image, in its
    version of the format. What lies in one of the `chunks` is best written at once.
    With `are_ids`, the labels are ids of objects, and the classes those of the probabilities.
    """
    import zarr

    path = as_path("target", target)
    require_own_folder(path, needed=probabilities or uncertainty)
    image = image_of(path)
    zarr_format = zarr.open_group(image, mode="r").metadata.zarr_format if image else 3
    stored = {KEY: {**(record or {}), "axes": axes}}
    about = label_attributes(() if are_ids else classes, zarr_format, "../../" if image else "")
    labels = Layout(axes, tuple(shape), tuple(chunks))
    size, folder = PixelSize(spacing, unit), part_folder(path) / RESULT
    remove_folder(folder.parent)
    at, name, about = (
        ("", path.name, joined(about, stored)) if image else (PREDICTION, PREDICTED, about)
    )
    with explain_write_errors(path):
        if not image:
            root = _shown_labels(labels, size, zarr_format, stem(path))
            make_group(folder, "", zarr_format, joined(root, about, stored))
            make_group(folder, LABELS, zarr_format, group_attributes(zarr_format, labels=[name]))
        make_image(folder, at, zarr_format, labels, dtype, size, about, name=name, centred=False)
        if probabilities:
            order, in_one_file = _probability_axes(axes), zarr_format == 3
            maps = labels.with_classes(order, len(classes), in_one_file=in_one_file)
            _make_floats(folder, PROBABILITIES, zarr_format, maps, size, classes)
        if uncertainty:
            _make_floats(folder, UNCERTAINTY, zarr_format, labels, size, ())
    return _opened(path, folder, "r+")


def open_unfinished(target: AnyPath) -> ZarrResult | None:
    """The arrays of a result that is not complete yet, to go on with; None if there are none."""
    path = as_path("target", target)
    with suppress(FileNotFoundError, KeyError):
        return _opened(path, part_folder(path) / RESULT, "r+")
    return None


def open_result(target: AnyPath) -> ZarrResult:
    """The arrays of a complete result, to be read."""
    path = as_path("target", target)
    return _opened(path, path, "r")


def write_coarse_levels(result: ZarrResult) -> Generator[Step, None, None]:
    """Make the coarse levels that are not there yet, block by block."""
    blocks = list(_coarse_blocks(result))
    for done, block in enumerate(blocks, 1):
        with explain_write_errors(result.target):
            block.write()
        yield Step(done, len(blocks))


def finish_result(
    result: ZarrResult,
    *,
    overwrite: bool = False,
    write_table: Callable[[], None] | None = None,
) -> Generator[Step, None, ZarrResult]:
    """Make the coarse levels, block by block, and give the folder its name.

    Stopped and called again, it goes on where it was. With `overwrite`, a former result goes.
    `write_table` writes the table that belongs to it, without which the folder gets no name.
    """
    yield from write_coarse_levels(result)
    for left in result.folder.rglob("*.partial"):  # of a process that was killed
        left.unlink()
    check_target(result.target, overwrite=overwrite)
    if write_table is not None:
        write_table()
    place_result(result.folder, result.target)
    remove_folder(part_folder(result.target))
    if image := image_of(result.target):
        list_labels(image, result.target.name)
    return open_result(result.target)


def require_own_folder(target: Path, *, needed: bool) -> None:
    """Probabilities and uncertainty are images, which do not lie among the labels of another."""
    if needed and image_of(target):
        raise ValueError(
            f"{target} lies among the labels of an image, where only labels are written: choose a "
            "folder of its own for probabilities and uncertainty, such as result.zarr."
        )


def _shown_labels(
    labels: Layout, size: PixelSize, zarr_format: int, name: str
) -> Mapping[str, Any]:
    """Attributes by which other programs that open a result at its root show its labels."""
    factors = level_factors(labels.axes, labels.shape, size.spacing)
    return image_attributes(
        name, labels.axes, size, factors, zarr_format, centred=False, place=PREDICTION
    )


def _make_floats(
    folder: Path,
    name: str,
    zarr_format: int,
    layout: Layout,
    size: PixelSize,
    channels: Sequence[LabelClass],
) -> None:
    """An empty image of float32 in a result."""
    about = channel_attributes(channels, zarr_format) if channels else {}
    make_image(folder, name, zarr_format, layout, np.float32, size, about, name=name, centred=True)


def _probability_axes(axes: str) -> str:
    return "TC" + axes[1:] if axes.startswith("T") else "C" + axes


def _opened(target: Path, folder: Path, mode: Any) -> ZarrResult:
    import zarr

    group = zarr.open_group(folder, mode=mode)
    record: Any = group.attrs[KEY]

    def finest(place: str) -> Any:
        return group.get(f"{place}/0")

    is_inside = "0" in group  # labels of an image
    labels = group["0"] if is_inside else group[f"{PREDICTION}/0"]
    return ZarrResult(target, folder, labels, finest(PROBABILITIES), finest(UNCERTAINTY), record)


def _coarse_blocks(result: ZarrResult) -> Iterator[CoarseBlock]:
    """The files of the coarse levels of all images in a result."""
    for finest in filter(None, (result.labels, result.probabilities, result.uncertainty)):
        levels = result.levels(finest)
        yield from coarse_blocks(levels, "nearest" if finest is result.labels else "mean")
