"""Workers in the environment of this package and in that of the peers, kept alive over the runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import Any

import psutil

from .case import Side
from .worker import without_paths

ROOT = Path(__file__).resolve().parents[2]
NO_ENVIRONMENT = "the environment of the peers is not set up: run `make peers`"
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "LOKY_MAX_CPU_COUNT"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
QUIET = {
    "QT_QPA_PLATFORM": "offscreen",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}


class PeerError(Exception):
    """A side that did not run, with the reason in one line."""


class Worker:
    """A process with its own interpreter and number of threads."""

    def __init__(self, python: Path, threads: int, *, own: bool) -> None:
        environment = os.environ | QUIET | dict.fromkeys(THREADS, str(threads))
        if not own:
            environment.pop("PYTHONPATH", None)
        self.log = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.peers.worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self._pin(threads)

    def _pin(self, threads: int) -> None:
        """Libraries that ignore the variables find no more cores than threads (Linux)."""
        process = psutil.Process(self.process.pid)
        if hasattr(process, "cpu_affinity"):
            process.cpu_affinity(process.cpu_affinity()[:threads])

    def run(self, side: Side, inputs: Path, output: Path | None) -> dict[str, Any]:
        request = {
            "call": side.call,
            "inputs": str(inputs),
            "options": dict(side.options),
            "output": str(output or ""),
            "packages": side.packages,
        }
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process.wait()
            raise PeerError(f"its process ended: {self._last_line()}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _last_line(self) -> str:
        self.log.seek(0)
        lines = self.log.read().strip().splitlines()
        return without_paths(lines[-1]) if lines else f"exit code {self.process.returncode}"

    def cpu_seconds(self) -> float:
        """CPU time so far, of its children, too."""
        try:
            process = psutil.Process(self.process.pid)
            family = [process, *process.children(recursive=True)]
            return sum(sum(each.cpu_times()[:4]) for each in family)
        except psutil.NoSuchProcess:
            return 0.0

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


@dataclass
class Workers:
    """A worker for each environment and number of threads, started when it is needed."""

    peers: Path  # folder of the peers' environment
    started: dict[tuple[bool, int], Worker] = field(default_factory=dict)

    def run(self, side: Side, threads: int, inputs: Path, output: Path | None) -> dict[str, Any]:
        key = side.own, threads
        if key not in self.started:
            self.started[key] = Worker(self._python(side), threads, own=side.own)
        worker = self.started[key]
        try:
            return worker.run(side, inputs, output)
        finally:
            if worker.process.poll() is not None:
                self.started.pop(key).close()

    def _python(self, side: Side) -> Path:
        if side.own:
            return Path(sys.executable)
        return python_of(self.peers)

    def missing(self, side: Side) -> str:
        """Why a side cannot run; empty if it can."""
        if side.own:
            return ""
        if not python_of(self.peers).exists():
            return NO_ENVIRONMENT
        return installed(self.peers).get(side.packages[0], {}).get("reason", "")

    def close(self) -> None:
        while self.started:
            self.started.popitem()[1].close()

    @contextmanager
    def load(self) -> Iterator[dict[str, float]]:
        """How many cores other processes used meanwhile: in the dict, at the end."""
        found: dict[str, float] = {}
        start, busy, own = perf_counter(), _busy_seconds(), self._cpu_seconds()
        yield found
        others = _busy_seconds() - busy - (self._cpu_seconds() - own)
        found["other_cpu"] = max(0.0, others / (perf_counter() - start))

    def _cpu_seconds(self) -> float:
        here = sum(psutil.Process().cpu_times()[:2])
        return here + sum(worker.cpu_seconds() for worker in self.started.values())


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    windows = folder / "Scripts/python.exe"
    return windows if windows.exists() else folder / "bin/python"


def installed(peers: Path) -> Mapping[str, dict[str, str]]:
    """What tools/setup_peers.py noted: a version, or the reason why there is none."""
    file = peers / "packages.json"
    return json.loads(file.read_text()) if file.exists() else {}
