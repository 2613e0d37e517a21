"""Measurements of objects with scikit-image's `regionprops`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.types import AnyArray

if TYPE_CHECKING:
    from pandas import DataFrame

ONLY_2D = ("eccentricity", "orientation", "perimeter")
PROPERTIES = (
    "centroid", "axis_major_length", "axis_minor_length", "equivalent_diameter_area", "extent",
    "solidity", *ONLY_2D,
)  # fmt: skip


def measure_properties(
    table: "DataFrame", labels: AnyArray, image: AxesImage, properties: Sequence[str]
) -> "DataFrame":
    """Add columns of `regionprops` to a table of objects; nan where a property is undefined."""
    from pandas import DataFrame, concat

    ndim = 3 if "Z" in image.axes else 2
    source = AxesImage(labels, image.label_axes)
    spacing = image.spacing[-ndim:]
    rows = [
        DataFrame(measure_frame(pixels, spacing, properties))
        for _, (pixels,) in source.read_frames(ndim)
    ]
    columns = {f"centroid-{i}": a for i, a in enumerate(SPATIAL[-ndim:].lower())}
    measured = concat(rows).rename(
        columns=columns | {"label": "index", "hull_fraction": "solidity"}
    )
    unique_rows = measured[~measured["index"].duplicated(keep=False)]
    return table.merge(unique_rows, on="index", how="left")


def measure_frame(
    labels: AnyArray, spacing: tuple[float, ...], properties: Sequence[str]
) -> dict[str, AnyArray]:
    """Measure the labels of one frame; "hull_fraction" stands for the solidity."""
    from skimage.measure import regionprops_table

    square = len(set(spacing)) == 1
    special = {"solidity"} if square else {"solidity", "perimeter"}
    measured: dict[str, AnyArray] = regionprops_table(  # type: ignore[no-untyped-call]
        labels,
        properties=("label", *(p for p in properties if p not in special)),
        spacing=spacing,
        extra_properties=[hull_fraction] if "solidity" in properties else None,
    )
    if "perimeter" in properties and not square:
        measured["perimeter"] = np.full(len(measured["label"]), np.nan)
    return measured


def hull_fraction(mask: NDArray[np.bool_]) -> float:
    """Solidity; nan for objects that are flat in 3D."""
    from skimage.morphology import convex_hull_image

    points = np.argwhere(mask)
    apart = (points - points[0]).astype(np.float64)
    if mask.ndim == 3 and np.linalg.matrix_rank(apart.T @ apart) < mask.ndim:
        return float("nan")
    return float(mask.sum() / convex_hull_image(mask).sum())  # type: ignore[no-untyped-call]
