"""Predictions and truths that do not lie on each other are compared only if that is asked for."""

from collections.abc import Mapping

from napari_segkit.images.geometry import summary
from napari_segkit.images.labels import LabelsError

BY_INDEX = "by_index=True"


def require_same_place(differences: Mapping[str, str], *, by_index: bool) -> None:
    """LabelsError if there are differences in place, by the name of the pair."""
    if differences and not by_index:
        raise LabelsError(
            f"{summary(differences)} Give labels on one grid, or set {BY_INDEX} to compare pixel "
            "by pixel.",
            (BY_INDEX,),
        )


def by_index_note(difference: str) -> str:
    """What a report says of labels that were compared all the same."""
    return f"Compared pixel by pixel, although {difference[:1].lower()}{difference[1:]}"
