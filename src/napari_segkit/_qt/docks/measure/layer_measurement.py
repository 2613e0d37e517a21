"""Measurement of Labels layers, which tells later whether they have changed."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit.config import MeasureConfig
from napari_segkit.images.regions import Box
from napari_segkit.jobs.measure import measure_job
from napari_segkit.measurement.measure import Measurement
from napari_segkit.measurement.sources import MeasureSource
from napari_segkit.steps import Job, Step


class InputRecord(NamedTuple):
    """`unique_id` of each layer and of its image ("" without one), their axes, and the settings."""

    layers: tuple[tuple[str, str, str | None], ...]
    config: MeasureConfig


Place = tuple[int, int, int]  # T, Z of a slice, and the value; -1 where there is no such axis
ANY = -1


@dataclass(frozen=True, eq=False)
class LayerMeasurement:
    """Measurements of layers, and the inputs that they were computed from."""

    measured: Measurement
    inputs: InputRecord
    fingerprints: tuple[str, ...]
    row_of: Mapping[tuple[int, Place], int]  # number of the layer, and place

    @property
    def config(self) -> MeasureConfig:
        return self.inputs.config

    def box(self, row: int) -> Box | None:
        """Where the pixels of a row lie in its layer; None if it has none."""
        cells, axes = self.measured.table.iloc[row], self.measured.axes[self.source(row)]
        if not cells["pixels"]:
            return None
        sides = [
            (cells["T"], cells["T"] + 1) if a == "T" else (cells[f"{a}0"], cells[f"{a}1"])
            for a in (axis if axis == "T" else axis.lower() for axis in axes)
        ]
        return tuple(slice(int(first), int(end)) for first, end in sides)

    def source(self, row: int) -> int:
        """Number of the layer of a row."""
        return int(self.measured.source_of[row])

    def value(self, row: int) -> int:
        """Class, or index, of a row."""
        return int(self.measured.table["class" if self.config.by == "class" else "index"].iloc[row])

    def row_at(self, number: int, index: Sequence[int], value: int) -> int | None:
        """The row of a value at an index of a layer."""
        places = dict(zip(self.measured.axes[number], index, strict=True))
        table = self.measured.table
        t, z = (places[a] if a in table and a in places else ANY for a in "TZ")
        return self.row_of.get((number, (t, z, value)))


def measure_layers(
    labels: Sequence[Snapshot], images: Sequence[Snapshot | None], inputs: InputRecord
) -> Job[LayerMeasurement]:
    """Measure layers with their images, and hash them."""
    names = [layer.name for layer in labels] if len(labels) > 1 else [""]
    sources = [
        MeasureSource(layer, image, name, axes)
        for layer, image, name, (*_, axes) in zip(labels, images, names, inputs.layers, strict=True)
    ]
    job = measure_job(sources, inputs.config)

    def steps() -> Generator[Step, object, LayerMeasurement]:
        measured = yield from job.steps
        hashes = tuple(fingerprint(layer.data) for layer in labels)
        return LayerMeasurement(measured, inputs, hashes, _rows(measured, inputs.config))

    return Job(f"Measure {', '.join(layer.name for layer in labels)}", steps())


def _rows(measured: Measurement, config: MeasureConfig) -> dict[tuple[int, Place], int]:
    table = measured.table
    nowhere = np.full(len(table), ANY)
    # layers of a table may have other axes
    t, z = (table[axis].fillna(ANY).to_numpy() if axis in table else nowhere for axis in "TZ")
    values = table["class" if config.by == "class" else "index"].to_numpy()
    places = zip(t.tolist(), z.tolist(), values.tolist(), strict=True)
    numbered = zip(measured.source_of.tolist(), places, strict=True)
    return {place: row for row, place in enumerate(numbered)}
