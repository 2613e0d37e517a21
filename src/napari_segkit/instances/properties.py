"""Properties of objects, as scikit-image's `regionprops` measures them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage

if TYPE_CHECKING:
    from pandas import DataFrame

FLAT_ONLY = ("eccentricity", "orientation", "perimeter")
PROPERTIES = (
    "centroid", "axis_major_length", "axis_minor_length", "equivalent_diameter_area", "extent",
    "solidity", *FLAT_ONLY,
)  # fmt: skip


def measure(
    table: "DataFrame", labels: NDArray[Any], image: AxesImage, properties: Sequence[str]
) -> "DataFrame":
    """A table of objects with properties of their regions.

    Parameters
    ----------
    table : DataFrame
        With a column "index".
    labels : ndarray
        The objects, in the image's shape without channels.
    image : AxesImage
        Axes and spacing.
    properties : sequence of str
        As `Objects.measured` takes them.

    Returns
    -------
    DataFrame
        The same rows. Not a number stands where a property has no meaning: in the row of what
        lies in several frames, for the perimeter where pixels are not square, and for the solidity
        of what is flat in a volume.
    """
    from pandas import DataFrame, concat

    ndim = 3 if "Z" in image.axes else 2
    named = AxesImage(labels, image.label_axes)
    region = tuple(slice(0, n) for n in named.spatial(ndim))
    spacing = image.spacing[-ndim:]
    rows = [
        DataFrame(_measured(named.read(frame, region)[0], spacing, properties))
        for frame in named.frames(ndim)
    ]
    columns = {f"centroid-{i}": a for i, a in enumerate(SPATIAL[-ndim:].lower())}
    measured = concat(rows).rename(columns=columns | {"label": "index", "filled": "solidity"})
    once = measured[~measured["index"].duplicated(keep=False)]
    return table.merge(once, on="index", how="left")


def _measured(
    labels: NDArray[Any], spacing: tuple[float, ...], properties: Sequence[str]
) -> dict[str, Any]:
    """What is measured of each label in one frame, by scikit-image's names and "filled"."""
    from skimage.measure import regionprops_table

    square = len(set(spacing)) == 1
    own = {"solidity"} if square else {"solidity", "perimeter"}
    measured: dict[str, Any] = regionprops_table(  # type: ignore[no-untyped-call]
        labels,
        properties=("label", *(p for p in properties if p not in own)),
        spacing=spacing,
        extra_properties=[filled] if "solidity" in properties else None,
    )
    if "perimeter" in properties and not square:
        measured["perimeter"] = np.full(len(measured["label"]), np.nan)
    return measured


def filled(mask: NDArray[np.bool_]) -> float:
    """The share of its convex hull that an object fills; not a number where it is flat in 3D.

    Parameters
    ----------
    mask : ndarray of bool
        The object in its box.
    """
    from skimage.morphology import convex_hull_image

    points = np.argwhere(mask)
    apart = (points - points[0]).astype(np.float64)
    if mask.ndim == 3 and np.linalg.matrix_rank(apart.T @ apart) < mask.ndim:
        return float("nan")
    return float(mask.sum() / convex_hull_image(mask).sum())  # type: ignore[no-untyped-call]
