"""The history of a training as a table, as curves and for TensorBoard."""

import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from math import isfinite
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from napari_segkit.io.line_chart import Curve, line_chart
from napari_segkit.io.output_paths import check_output_path
from napari_segkit.io.replace_file import WriteError, atomic_write
from napari_segkit.steps import Step, map_steps
from napari_segkit.training.events import TrainStep, ValidationStep

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

T = TypeVar("T")
SECONDS = 60.0  # between two writes
TABLE, CURVES = "history.csv", "history.png"
PLACE = ("done", "total", "epoch", "is_best")  # of an event, no figures
NO_TENSORBOARD = (
    "TensorBoard is not installed, so only a table and curves are written: `pip install "
    "tensorboard` adds its log."
)


def check_log_folder(folder: Path, *, overwrite: bool) -> None:
    """Check before the work that the log can be written into a folder, which may be new."""
    for name in (TABLE, CURVES):
        check_output_path(folder / name, overwrite=overwrite, new_folder=True)


def logged(
    steps: Generator[Step, object, T], folder: Path, *, go_on: bool = False
) -> Generator[Step, object, T]:
    """Run a training, and write its history into a folder while it runs and when it ends.

    `go_on` keeps the steps of an earlier log that come before the first one.
    """
    with closing(_Log(folder, go_on=go_on)) as log:
        return (yield from map_steps(steps, log.add))


def write_history(
    file: Path,
    losses: Sequence[float],
    validations: Sequence[ValidationStep],
    *,
    overwrite: bool = False,
) -> None:
    """Write the history of a model as a table, or as curves if the file is a PNG picture."""
    check_output_path(file, overwrite=overwrite)
    rows: dict[int, dict[str, float]] = {
        number: {"step": number, "loss": loss} for number, loss in enumerate(losses, 1)
    }
    for step in validations:
        rows.setdefault(step.done, {"step": step.done}).update(_figures(step))
    write = _write_curves if file.suffix.lower() == ".png" else _write_table
    write(file, list(rows.values()))


class _Log:
    """Rows of the table, and TensorBoard's writer."""

    def __init__(self, folder: Path, *, go_on: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._written_at = folder, monotonic()
        self._rows = _read(folder / TABLE) if go_on else {}
        self._has_begun = self._has_failed = False
        self._board = _tensorboard(folder)

    def add(self, step: Step) -> Step:
        """Add the figures of a step, which is passed on."""
        if figures := _figures(step):
            self._add(step.done, figures)
        return step

    def _add(self, done: int, figures: dict[str, float]) -> None:
        if not self._has_begun:
            self._rows = {n: row for n, row in self._rows.items() if n < done}
            self._has_begun = True
        self._rows.setdefault(done, {"step": done}).update(figures)
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name.replace("validation_", "validation/"), value, done)
        if monotonic() - self._written_at >= SECONDS:
            self._write()

    def close(self) -> None:
        if self._has_begun:
            self._write()
        if self._board is not None:
            self._board.close()

    def _write(self) -> None:
        """Write table and curves; a full disk is told once."""
        rows = list(self._rows.values())
        try:
            _write_table(self._folder / TABLE, rows)
            _write_curves(self._folder / CURVES, rows)
        except WriteError as error:
            if not self._has_failed:
                warnings.warn(f"No log was written: {error}", UserWarning, stacklevel=2)
            self._has_failed = True
        self._written_at = monotonic()


def _write_table(file: Path, rows: list[dict[str, float]]) -> None:
    from pandas import DataFrame

    with atomic_write(file) as out:
        out.write(DataFrame(rows).to_csv(index=False).encode())


def _write_curves(file: Path, rows: list[dict[str, float]]) -> None:
    with atomic_write(file) as out:
        line_chart(_panels(rows)).save(out, "png")


def _figures(step: Step) -> dict[str, float]:
    """The finite numbers of an event by name, those of a class with its value."""
    if not isinstance(step, TrainStep | ValidationStep):
        return {}
    before = "" if isinstance(step, TrainStep) else "validation_"
    figures: dict[str, float] = {"epoch": step.epoch} if isinstance(step, TrainStep) else {}
    for name, value in vars(step).items():
        values = value if isinstance(value, Mapping) else {None: value}
        for key, number in values.items():
            if name not in PLACE and isinstance(number, int | float) and isfinite(number):
                figures[f"{before}{name}" + ("" if key is None else f"_{key}")] = number
    return figures


def _panels(rows: list[dict[str, float]]) -> dict[str, dict[str, Curve]]:
    """The losses, and below them the score where there is one."""
    names = {"loss": ("loss", "validation_loss"), "validation": ("validation_score",)}
    panels = {
        title: {name: curve for name in columns if (curve := _curve(rows, name))[0]}
        for title, columns in names.items()
    }
    return {title: curves for title, curves in panels.items() if curves}


def _curve(rows: list[dict[str, float]], name: str) -> Curve:
    pairs = [(row["step"], row[name]) for row in rows if name in row]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _read(table: Path) -> dict[int, dict[str, float]]:
    """Rows of an earlier log by step; none if there is no readable one."""
    from pandas import read_csv

    with suppress(OSError, ValueError, KeyError):
        rows = read_csv(table).to_dict("records")
        return {int(row["step"]): {k: v for k, v in row.items() if v == v} for row in rows}
    return {}


def _tensorboard(folder: Path) -> "SummaryWriter | None":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        warnings.warn(NO_TENSORBOARD, UserWarning, stacklevel=2)
        return None
    return SummaryWriter(str(folder))
