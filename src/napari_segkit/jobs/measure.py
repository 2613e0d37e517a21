"""Measurement of labels as a job."""

from collections.abc import Sequence

from napari_segkit.config import MeasureConfig
from napari_segkit.measurement.measure import Measurement, measurements
from napari_segkit.measurement.sources import MeasureSource
from napari_segkit.steps import Job


def measure_job(sources: Sequence[MeasureSource], config: MeasureConfig) -> Job[Measurement]:
    """Measure labels, a step for each block."""
    names = ", ".join(source.name or "labels" for source in sources)
    return Job(f"Measure {names}", measurements(sources, config))
