"""A prediction that is written into an OME-Zarr folder cell by cell, larger than memory."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import blake2s
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, PredictConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.freed_memory import giving_back_freed_memory, share_heap
from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.fingerprint import fingerprint
from napari_segkit.images.notes import say_note
from napari_segkit.images.orientation import reorient, reorient_spacing
from napari_segkit.images.regions import Box, Part, Region, label_box, lengths
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.instances.results import Objects
from napari_segkit.instances.stored_objects import StoredObjects
from napari_segkit.io.journal import Journal
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.replace_file import ExistsError, atomic_write
from napari_segkit.io.zarr.result_paths import (
    check_target,
    explain_write_errors,
    part_folder,
    table_file,
)
from napari_segkit.io.zarr.writer import (
    ZarrResult,
    create_result,
    finish_result,
    open_unfinished,
)
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Step
from napari_segkit.tiling import LARGE_TILE, Cell

from .object_blocks import BlockStore
from .plan import TilePlan

JOURNAL = "journal.txt"
SMALL_CHUNK = 2**16  # pixels
SETTINGS_THAT_MAY_CHANGE = ("batch_size", "device", "threads", "tiles_at_once")


class ZarrSink:
    """Writes labels into a zarr folder, probabilities and uncertainty if they are asked for.

    What is finished is noted in a journal: the same prediction into the same folder goes on where
    a process was stopped or killed. The folder gets its name when it is complete.

    Parameters
    ----------
    target : Path
        The folder, such as cells.zarr.
    image : AxesImage
        The image in its own orientation, which the result has, too.
    keep_probabilities : bool
        Also write the probabilities of all classes.
    overwrite : bool
        Whether a former result, or an unfinished one of another prediction, is replaced.
    objects : ObjectConfig, optional
        Which objects are kept, of a model that predicts objects.
    details : dict, optional
        What the record says besides.
    """

    labels: Any = None  # zarr arrays, in the orientation of `image`
    probabilities: Any = None
    uncertainty: Any = None

    def __init__(
        self,
        target: Path,
        image: AxesImage,
        *,
        keep_probabilities: bool = False,
        overwrite: bool = False,
        objects: ObjectConfig | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        self.target, self.table = target, table_file(target)
        self._image, self._overwrite = image, overwrite
        self._objects, self._details = objects, details or {}
        self._check()
        self._lengths: Sequence[int] = ()
        self._keep_probabilities = keep_probabilities
        self._orientation, self._shape = "", image.label_shape  # of the plan's labels
        self._journal: Journal | None = None
        self._result: ZarrResult | None = None

    def start(self, plan: TilePlan) -> None:
        """Make the arrays, or go on with those of the same prediction; else ValueError."""
        self._orientation, self._lengths = plan.original.orientation, frame_chunks(plan)
        self._shape = plan.original.label_shape
        record, unfinished = self._record(plan), open_unfinished(self.target)
        if unfinished is not None:
            self._journal = self._open_journal()  # refused while another process writes
        if unfinished is None or self._journal is None or not self._is_same(unfinished, record):
            self.close()
            unfinished = self._create(plan, record)
            self._journal = self._open_journal()
        elif self.has_pixels:
            self._note_begun()
        self._take(unfinished)

    def _open_journal(self) -> Journal:
        return Journal(part_folder(self.target) / JOURNAL)

    @property
    def result(self) -> ZarrResult:
        """The arrays, once it is started."""
        if self._result is None:
            raise RuntimeError("start this sink with a plan first.")
        return self._result

    def is_finished(self, frame: dict[str, int], cell: Cell) -> bool:
        """Whether a cell of a frame is written, by this process or one before."""
        return self._journal is not None and _name(frame, cell) in self._journal

    @property
    def has_pixels(self) -> bool:
        """Whether a cell or what objects are made of is written, by this process or before."""
        if self._journal is None:
            return False
        of_parts = [*self.folder.glob(f"*/{JOURNAL}"), *self.folder.glob("*.npz")]
        return len(self._journal) > 0 or any(file.stat().st_size for file in of_parts)

    def write(
        self,
        frame: dict[str, int],
        cell: Cell,
        labels: Labels,
        probabilities: NDArray[np.float32] | None,
    ) -> None:
        """Write a cell, then note that it is finished."""
        if self._journal is None:
            raise RuntimeError("start this sink with a plan first.")
        axes = self._image.label_axes
        self._store(self.labels, axes, frame, cell, labels)
        if self.probabilities is not None and probabilities is not None and self._result:
            stored = self._result.probability_axes
            self._store(self.probabilities, stored, frame, cell, probabilities)
        self._journal.add(_name(frame, cell))

    def write_uncertainty(
        self, frame: dict[str, int], cell: Cell, uncertainty: NDArray[np.float32]
    ) -> None:
        """Write the uncertainty of a cell, before its labels."""
        if self.uncertainty is not None:
            axes = self._image.label_axes
            self._store(self.uncertainty, axes, frame, cell, uncertainty)

    @property
    def folder(self) -> Path:
        """Where files of objects are kept until all are known."""
        return part_folder(self.target) / "objects"

    @property
    def block_lengths(self) -> Sequence[int]:
        """Lengths of chunks along the spatial axes of the plan."""
        return self._lengths

    def read_labels(self, frame: dict[str, int], cell: Cell) -> Labels:
        """The labels of a cell as they were written."""
        return self._read(self.labels, self._image.label_axes, frame, cell.region)[0]

    def replace_labels(self, frame: dict[str, int], cell: Cell, labels: Labels) -> None:
        """Write other labels into a finished cell."""
        self._store(self.labels, self._image.label_axes, frame, cell, labels)

    def finish(self, objects: Objects | None) -> Generator[Step, None, None]:
        """Make the coarse levels, write the table of objects, and give the folder its name."""
        write_table = partial(self._write_table, objects)
        steps = finish_result(self.result, overwrite=self._overwrite, write_table=write_table)
        with closing(self):
            self._take((yield from steps))

    def _check(self) -> None:
        """Refuse a target that cannot be written."""
        check_target(self.target, overwrite=self._overwrite)
        self._check_table()

    def _check_table(self) -> None:
        """Refuse a table that cannot be written, unless it may be of this prediction."""
        if self._objects is not None and not BlockStore(self.folder).joined.exists():
            check_output_path(self.table, overwrite=self._overwrite)

    def _note_begun(self) -> None:
        say_note(f"{self.target} was begun before: the prediction goes on with it.", 3)

    def _placed(self, objects: Objects | None) -> Objects | None:
        """Objects in the orientation of the image."""
        if not isinstance(objects, StoredObjects):
            return objects
        return objects.placed(self.labels, self._image.orientation)

    def _write_table(self, objects: Objects | None) -> None:
        """Write the table beside the folder, unless a process that was killed has done so."""
        if (placed := self._placed(objects)) is None:
            return
        text = placed.table.to_csv(index=False).encode()
        if self.table.is_file() and self.table.read_bytes() == text:
            return
        with atomic_write(self.table, overwrite=self._overwrite) as file:
            file.write(text)

    def completed(self, result: LabelResult) -> LabelResult:
        """A result with the arrays of the folder, in the orientation of the image."""
        predicted = result.predicted and result.predicted.reoriented(
            self._orientation, self._image.orientation
        )
        return replace(
            result,
            objects=self._placed(result.objects),
            labels=self.labels,
            probabilities=self.probabilities,
            uncertainty=self.uncertainty,
            predicted=predicted,
        )

    def close(self) -> None:
        """Let another process go on with it."""
        if self._journal is not None:
            self._journal.close()

    def _record(self, plan: TilePlan) -> dict[str, object]:
        """What the pixels depend on, as JSON gives it back."""
        record = plan.record() | {
            **self._details,
            "pixels": fingerprint(plan.original),
            "region": None if plan.region is None else _described(plan.region),
            "probabilities": self._keep_probabilities,
        }
        if self._objects is not None:
            record["objects"] = to_dict(self._objects)
        return dict(json.loads(json.dumps(record)))

    def _is_same(self, unfinished: ZarrResult, record: Mapping[str, object]) -> bool:
        """Whether an unfinished result is of the same prediction; ValueError unless it may go."""
        before = {**to_dict(PredictConfig()), **unfinished.record}  # of an earlier version, perhaps
        before, after = [self._pixels_depend_on(each) for each in (before, record)]
        differ = [key for key in after if after[key] != before.get(key)]
        if differ and not self._overwrite:
            raise ExistsError(
                f"{self.target} was begun by another prediction ({_listed(differ)} differ): choose "
                "another name, or overwrite."
            )
        return not differ

    def _pixels_depend_on(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record, and that of a second model in it, without what may change meanwhile."""
        may_change = {*SETTINGS_THAT_MAY_CHANGE, *self._details}
        kept = {key: value for key, value in record.items() if key not in may_change}
        if "stuff" in kept:
            kept["stuff"] = self._pixels_depend_on(kept["stuff"])
        return kept

    def _create(self, plan: TilePlan, record: Mapping[str, object]) -> ZarrResult:
        """Make the empty arrays; what is there of another prediction goes."""
        image, model = self._image, plan.model
        return create_result(
            self.target,
            image.label_axes,
            image.label_shape,
            _chunks(plan, image),
            dtype=np.min_scalar_type(max(model.values)) if self._objects is None else np.int32,
            classes=model.all_classes,
            are_ids=self._objects is not None,
            spacing=image.spacing,
            unit=image.unit,
            probabilities=self._keep_probabilities,
            uncertainty=plan.settings.uncertainty is not None,
            record=record,
        )

    def _take(self, result: ZarrResult) -> None:
        self._result, self.labels = result, result.labels
        self.probabilities = result.probabilities
        self.uncertainty = result.uncertainty

    def _read(self, source: Any, axes: str, frame: dict[str, int], box: Box) -> AnyArray:
        """What an array has in a box of a frame, ``(C, *box)``, in the orientation of the plan."""
        index = dict(zip(self._image.label_axes, self._placed_box(frame, box), strict=True))
        stored = source[tuple([index.get(axis, slice(None)) for axis in axes])]
        turned = reorient(stored, axes, self._image.orientation, self._orientation)
        whole = [slice(0, n) for n in lengths(box)]
        return AxesImage(turned, axes).read(dict.fromkeys(frame, 0), whole)

    def _store(
        self, target: Any, axes: str, frame: dict[str, int], cell: Cell, values: AnyArray
    ) -> None:
        """Write the values of a cell into an array, in the orientation of the image."""
        box, block = self._oriented(frame, cell, values)
        index = dict(zip(self._image.label_axes, box, strict=True))
        if "C" in axes:
            block = np.moveaxis(block, 0, axes.index("C"))
        with explain_write_errors(self.target):
            target[tuple([index.get(axis, slice(None)) for axis in axes])] = block

    def _oriented(
        self, frame: dict[str, int], cell: Cell, values: AnyArray
    ) -> tuple[Box, AnyArray]:
        """The box of a cell along the axes of the labels, and its values along them."""
        axes, orientation = self._image.label_axes, self._image.orientation
        box = label_box(axes, frame, cell.region)
        block = np.empty(
            (*values.shape[: values.ndim - len(cell.region)], *lengths(box)), values.dtype
        )
        one_frame = dict.fromkeys(frame, 0)
        without_pixels = AxesImage(np.broadcast_to(np.uint8(0), lengths(box)), axes)
        without_pixels.write(block, one_frame, values)
        turned = reorient(block, axes, self._orientation, orientation)
        return self._placed_box(frame, cell.region), turned

    def _placed_box(self, frame: dict[str, int], box: Box) -> Box:
        """A box of a frame of the plan, along the axes of the labels as they are stored."""
        axes, orientation = self._image.label_axes, self._image.orientation
        parts = (Part(label_box(axes, frame, box)),)
        region = Region(axes, self._shape, parts).reoriented(self._orientation, orientation)
        return region.parts[0].box


def predict_to_zarr(
    steps: Generator[Step, object, LabelResult], sink: ZarrSink
) -> Generator[Step, object, LabelResult]:
    """Run a prediction whose pixels go to a sink, and complete its folder.

    An error or a stop keeps what is finished.
    """
    share_heap()  # threads that read and write chunks keep much each
    try:
        with giving_back_freed_memory():
            result = yield from steps
            if not result.is_partial:
                yield from sink.finish(result.objects)
        result = sink.completed(result)
    except OSError as error:
        if not sink.has_pixels:
            raise
        raise OSError(
            f"{error} What is finished is kept: the same call or command goes on with it."
        ) from error
    finally:
        sink.close()
    return result


def _chunks(plan: TilePlan, image: AxesImage) -> tuple[int, ...]:
    """Lengths of chunks along the axes of the labels: a cell is one, or some small cells are."""
    lengths = [1] * (3 - plan.model.ndim) + frame_chunks(plan)
    along = dict(zip(SPATIAL, _turned(lengths, plan.original.orientation, image), strict=True))
    pairs = zip(image.label_axes, image.label_shape, strict=True)
    return tuple(min(along.get(axis, 1), n) for axis, n in pairs)


def frame_chunks(plan: TilePlan) -> list[int]:
    """Lengths of chunks along the axes of a frame."""
    ndim = plan.model.ndim
    steps = [LARGE_TILE[ndim]] * ndim if plan.resamples else plan.grid.steps
    return _whole_steps(steps, plan.frame_shape)


def _whole_steps(steps: Sequence[int], shape: Sequence[int]) -> list[int]:
    """So many steps along each axis that a chunk is no tiny file."""
    lengths = list(steps)
    while prod(lengths) < SMALL_CHUNK and any(
        n < end for n, end in zip(lengths, shape, strict=True)
    ):
        lengths = [n + step for n, step in zip(lengths, steps, strict=True)]
    return lengths


def _turned(lengths: Sequence[int], orientation: str, image: AxesImage) -> list[int]:
    """Lengths along Z, Y and X of an orientation, along those of an image."""
    return [int(n) for n in reorient_spacing(lengths, orientation, image.orientation)]


def _name(frame: dict[str, int], cell: Cell) -> str:
    """Names a cell among those of all frames."""
    sides = [f"{side.start}:{side.stop}" for side in cell.region]
    return " ".join([*map(str, frame.values()), *sides])


def _described(region: Region) -> dict[str, object]:
    """A region, so that another one has another description."""
    digest = blake2s(digest_size=8)
    for part in region.parts:
        digest.update(repr(part.box).encode())
        digest.update(b"" if part.mask is None else np.packbits(part.mask).tobytes())
    return region.to_dict() | {"digest": digest.hexdigest()}


def _listed(keys: Sequence[str]) -> str:
    """What differs, in words."""
    named = {"model": "the model", "pixels": "the image", "image": "the image"}
    return " and ".join(dict.fromkeys(named.get(key, key) for key in keys))
