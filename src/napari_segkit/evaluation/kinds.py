"""The kinds of metrics: what each counts, and how labels are read for it."""

from dataclasses import dataclass
from typing import Any, Generic

from .base_report import M_co, Report
from .instance import InstanceReport, ObjectMatching
from .metric import Metric
from .panoptic import PanopticReport, SegmentMatching
from .semantic import ClassConfusion, SemanticReport
from .slab_reader import Reader, class_reader, id_reader, segment_reader
from .surfaces import BoundaryDistances


@dataclass(frozen=True)
class Kind(Generic[M_co]):
    """A kind of metrics: what they count, how labels are read for them, and their report."""

    report: type[Report[M_co]]
    metric: type[M_co]
    read: Reader
    extra: tuple[type[Metric], ...] = ()  # further metrics; their values are columns of the table
    distances: tuple[type[Metric], ...] = ()  # further metrics if distances are asked for


KINDS: dict[str, Kind[Any]] = {
    "semantic": Kind(SemanticReport, ClassConfusion, class_reader, distances=(BoundaryDistances,)),
    "instance": Kind(InstanceReport, ObjectMatching, id_reader),
    "panoptic": Kind(PanopticReport, SegmentMatching, segment_reader),
}
