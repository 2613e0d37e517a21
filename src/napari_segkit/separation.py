"""How readily touching objects are separated by a watershed: as agrees best with what is known."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .images.types import AnyArray
from .inference import predict_tiles_of
from .inference.request import PredictRequest
from .inference.watershed import predict_separated
from .instances.watershed import SEPARATIONS
from .steps import drain

if TYPE_CHECKING:
    from .evaluation.instance import InstanceReport

LEAST_OBJECTS = 20  # that are compared; with fewer, the first separation stays
LEAST_GAIN = 0.005  # of F1 and mean AP


def separated_objects(request: PredictRequest) -> Iterator[tuple[float | None, AnyArray]]:
    """Object ids with each separation that is tried; the network predicts once."""
    separations = SEPARATIONS.get(str(request.model.spec.objects))
    if separations is None:
        yield None, drain(predict_tiles_of(request.model)(request)).labels
        return
    results = drain(predict_separated(request, separations))
    yield from zip(separations, (result.labels for result in results), strict=True)


def choose_separation(reports: "Mapping[float | None, InstanceReport]") -> float | None:
    """The separation that agrees best; the first one if none gains or there are few objects."""
    first, *others = reports
    if others and reports[first].truth_objects >= LEAST_OBJECTS:
        gains = {each: _agreement(reports[each]) - _agreement(reports[first]) for each in others}
        best = max(gains, key=lambda each: gains[each])
        if gains[best] > LEAST_GAIN:
            return best
    return first


def _agreement(report: "InstanceReport") -> float:
    """F1 at 0.5, which counts objects, and mean AP, which asks for their outlines."""
    return (float(report.f1[0.5]) + report.mean_ap) / 2
