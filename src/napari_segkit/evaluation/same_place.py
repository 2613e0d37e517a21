"""Predictions and truths that do not lie on each other are compared only if that is asked for."""

from collections.abc import Iterable

from napari_segkit.images.geometry import summary
from napari_segkit.images.labels import LabelsError

BY_INDEX = "by_index=True"


def require_same_place(differences: Iterable[tuple[str, str | None]], *, by_index: bool) -> None:
    """LabelsError if there are differences in place, each with the name of its pair."""
    found = summary(differences)
    if found and not by_index:
        raise LabelsError(
            f"{found} Give labels on one grid, or set {BY_INDEX} to compare pixels of equal index.",
            (BY_INDEX,),
        )
