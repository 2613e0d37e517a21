"""Settings of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Annotated, Literal

from napari_segkit.arguments import as_numbers, given

from ._schema import Checked
from .options import Options, Value
from .training import LabelsAre

MetricsKind = Literal["semantic", "instance", "panoptic"]
Connectivity = Literal["full", "faces"]


@dataclass(frozen=True)
class EvaluateConfig(Checked):
    """Which metrics are computed, of which pixels; all fields are keywords of `evaluate`, too.

    Parameters
    ----------
    kind : str
        Which metrics. "semantic" compares the class of every pixel. "instance" takes 0 as
        background and matches objects with objects. "panoptic" matches the segments of each class;
        as files, these are PNG and JSON in the COCO panoptic format.
    unlabelled : int or None
        The one value of the truth whose pixels are left out. None counts every pixel: a
        background left out would hide every false positive. Of objects, 0 is the background,
        which always counts.
    labels_are : str
        What the values mean, in both. Semantic: "objects" merges all of them into one class, 1,
        with 0 as background; "ask" takes them as classes, but refuses what looks like instance
        ids. Instance: "objects" takes each value as an object, "classes" each connected component
        of a value; "ask" takes values as objects, but refuses what looks like classes.
    connectivity : str
        Which pixels belong to one connected component, where labels_are is "classes": those that
        touch ("full"), or those that share a face ("faces", as in the challenges on neurons: a
        diagonal line separates).
    spacing : tuple of float or None
        World units between pixels, along Z Y X, or along Y X to measure boundary distances plane
        by plane; for volumes and areas, too. None: that of the truth's layer or file.
    thresholds : tuple of float or None
        IoU thresholds, for instances only: two objects match if their IoU is at least this. None:
        0.5 to 0.95 in steps of 0.05.
    by_index : bool
        Compare pixels of equal index even if prediction and truth do not lie on each other in the
        world.
    distances : bool
        Measure distances between the boundaries of each class in world units, too, which takes
        longer. For classes only.
    tolerance : float or None
        Boundaries that are no farther apart than this agree, in world units, for boundary F1 and
        surface Dice. None: one pixel, the largest spacing.
    class_map : mapping
        Label values of the prediction that have another value in the truth, such as 1=255. For
        classes only; all others have the same value in both.
    """

    kind: MetricsKind = "semantic"
    unlabelled: Annotated[int | None, {"min": 0, "max": 2**31 - 1}] = None
    labels_are: LabelsAre = "ask"
    connectivity: Connectivity = "full"
    spacing: tuple[float, ...] | None = None
    thresholds: tuple[float, ...] | None = None
    by_index: bool = False
    distances: bool = False
    tolerance: Annotated[float | None, {"min": 0}] = None
    class_map: Mapping[str, Value] = Options({})

    def __post_init__(self) -> None:
        if self.spacing is not None:
            wanted = "positive numbers, for Z, Y, X"
            object.__setattr__(self, "spacing", _floats("spacing", self.spacing, wanted))
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", _rising(self.thresholds))
        if isinstance(self.class_map, Mapping):
            plain = {str(value): _plain(other) for value, other in self.class_map.items()}
            object.__setattr__(self, "class_map", plain)
        super().__post_init__()
        self._check_class_map()
        self._check_kind()
        if self.kind == "instance":
            object.__setattr__(self, "unlabelled", self.unlabelled or None)

    def _check_kind(self) -> None:
        """Refuse what would be ignored."""
        if self.kind != "instance" and self.thresholds is not None:
            raise ValueError(
                f"EvaluateConfig.thresholds are for kind='instance' only: leave them out for "
                f"kind={self.kind!r}."
            )
        if self.connectivity != "full" and (self.kind, self.labels_are) != ("instance", "classes"):
            raise ValueError(
                f"connectivity={self.connectivity!r} is for connected components only: choose "
                "kind='instance' and labels_are='classes', too."
            )
        if self.distances and self.kind != "semantic":
            raise ValueError(
                f"EvaluateConfig.distances are for kind='semantic' only: leave them out for "
                f"kind={self.kind!r}."
            )
        if self.tolerance is not None and not self.distances:
            raise ValueError(
                f"tolerance={self.tolerance:g} is for boundary distances only: choose "
                "distances=True, too, or leave it out."
            )

    def values_of_truth(self) -> dict[int, int]:
        """`class_map` with whole numbers."""
        return {int(v): other for v, other in self.class_map.items() if isinstance(other, int)}

    def _check_class_map(self) -> None:
        for value, other in self.class_map.items():
            if not value.isdecimal() or type(other) is not int or other < 0:
                raise ValueError(
                    f"EvaluateConfig.class_map has {value}={given(other)}; give label values, "
                    "whole numbers of 0 or more, such as 1=255."
                )
        if self.class_map and self.kind != "semantic":
            raise ValueError(
                f"EvaluateConfig.class_map is for kind='semantic' only: leave it out for "
                f"kind={self.kind!r}."
            )


def _plain(value: object) -> object:
    """A whole number of NumPy as one of Python."""
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def _rising(thresholds: Sequence[float]) -> tuple[float, ...]:
    wanted = "one or more numbers above 0 and at most 1"
    rising = tuple(sorted(set(_floats("thresholds", thresholds, wanted))))
    if not rising or not all(0 < t <= 1 for t in rising):
        raise ValueError(f"thresholds are {given(rising)}; give one or more above 0 and at most 1.")
    return rising


def _floats(name: str, values: Sequence[float], wanted: str) -> tuple[float, ...]:
    return tuple(map(float, as_numbers(name, values, wanted)))
