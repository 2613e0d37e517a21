"""Runs one side of the comparisons: requests come in and answers go out as lines of JSON.

Arrays are files of NumPy (.npz, no pickle). A side is a generator function of the arrays: it yields
None once it is set up, which is not counted, the name of each part as it ends, and returns arrays.
Only NumPy is needed here, so that the environment of the peers can run it.
"""

import gc
import importlib
import json
import os
import re
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter, process_time
from typing import Any

import numpy as np


def load(path: str) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def versions(packages: list[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_seconds() -> float:
    """Of all threads of this process, and of the processes it has waited for."""
    times = os.times()
    return process_time() + times.children_user + times.children_system


def timed(call: Any, arrays: dict[str, np.ndarray], options: dict[str, Any]) -> tuple[Any, dict]:
    """The arrays that a side returns, and wall and CPU seconds of each of its parts."""
    gc.collect()
    parts: dict[str, list[float]] = {}
    steps = call(arrays, **options)
    while True:
        wall, cpu = perf_counter(), cpu_seconds()
        try:
            part = next(steps)
        except StopIteration as end:
            return end.value, parts
        if part is not None:
            parts[part] = [perf_counter() - wall, cpu_seconds() - cpu]


def answer(request: dict[str, Any], loaded: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    path = request["inputs"]
    if path not in loaded:
        loaded.clear()
        loaded[path] = load(path)
    module, _, function = request["call"].partition(":")
    call = getattr(importlib.import_module(module), function)
    result, parts = timed(call, dict(loaded[path]), request["options"])
    if request["output"]:
        np.savez(request["output"], **{k: np.asarray(v) for k, v in (result or {}).items()})
    return {"parts": parts, "versions": versions(request["packages"])}


def one_line(error: BaseException) -> str:
    """An error in one line, without paths of this machine."""
    lines = traceback.format_exception_only(error)[-1].strip().splitlines()
    return without_paths(lines[0])


def without_paths(line: str) -> str:
    return re.sub(r"(?<!\w)/\S+", "…", line)[:200]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the log
    loaded: dict[str, dict[str, np.ndarray]] = {}
    for line in sys.stdin:
        try:
            found = answer(json.loads(line), loaded)
        except Exception as error:  # noqa: BLE001 - the other side goes on, and the row says why
            traceback.print_exc()
            found = {"error": one_line(error)}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
