"""Runs the sides of a case in turn and notes seconds and quality of each."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .case import Arrays, Case, Side, Trial
from .processes import PeerError, Workers
from .worker import load


def measure(case: Case, workers: Workers, repeats: int) -> dict[str, Any]:
    """The record of a row."""
    if case.skipped:
        return {"skipped": case.skipped}
    repeats = repeats if case.repeats is None else case.repeats
    sides: dict[str, dict[str, Any]] = {side.name: {} for side in case.sides}
    for side in case.sides:
        if reason := workers.missing(side):
            sides[side.name]["missing"] = reason
    with workers.load() as load_of_others:
        for trial in case.trials():
            _run_trial(case, trial, workers, repeats, sides)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "threads": case.threads,
        "other_cpu": round(load_of_others["other_cpu"], 2),
        "sides": sides,
    }


def _run_trial(
    case: Case, trial: Trial, workers: Workers, repeats: int, sides: dict[str, dict[str, Any]]
) -> None:
    with TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        np.savez(inputs, **trial.inputs)
        for side, number in _turns(case, repeats):
            record = sides[side.name]
            if "missing" in record:
                continue
            output = None if number else Path(folder) / f"{case.sides.index(side)}.npz"
            try:
                answer = workers.run(side, case.threads, inputs, output)
            except PeerError as error:
                record.clear()
                record["missing"] = str(error)
                continue
            record["versions"] = answer["versions"]
            if number or not case.warm_up:
                _add_seconds(record, answer["parts"], trial.megapixels)
        _add_quality(case, trial, _outputs(case, Path(folder)), sides)


def _turns(case: Case, repeats: int) -> Iterator[tuple[Side, int]]:
    """Each side in turn, with the number of the run: that of run 0 is what quality is of."""
    for number in range(repeats + case.warm_up):
        for side in case.sides:
            yield side, number


def _outputs(case: Case, folder: Path) -> dict[str, Arrays]:
    files = {side.name: folder / f"{i}.npz" for i, side in enumerate(case.sides)}
    return {name: load(str(file)) for name, file in files.items() if file.exists()}


def _add_seconds(record: dict[str, Any], parts: dict[str, list[float]], megapixels: float) -> None:
    for kind, column in (("seconds", 0), ("cpu", 1)):
        for part, values in parts.items():
            seconds = record.setdefault(kind, {}).setdefault(part, [])
            seconds.append(_rounded(values[column] / megapixels))


def _add_quality(
    case: Case, trial: Trial, outputs: dict[str, Arrays], sides: dict[str, dict[str, Any]]
) -> None:
    for name, values in case.quality(trial, outputs).items():
        if "missing" in sides[name]:
            continue
        for metric, value in values.items():
            record = sides[name].setdefault("quality", {}).setdefault(metric, [])
            record.append(_rounded(float(value)))


def _rounded(value: float) -> float:
    """Four digits: the file stays small."""
    return float(f"{value:.4g}")
