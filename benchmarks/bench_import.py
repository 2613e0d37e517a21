"""How long napari-segkit takes to import, and its docks to appear.

Run with ``make bench``. Each time is the best of several runs in fresh processes: imports
minus a bare interpreter, docks from the click in napari's menu until they are painted.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

RUNS = 5
DOCKS = ("Model", "Train", "Predict", "Evaluate", "SegKit workbench")
IMPORTS = ("napari_segkit", "napari_segkit.segmenter", "torch", "napari")
OPEN_DOCK = """
import sys, time
import napari
from qtpy.QtWidgets import QApplication

viewer = napari.Viewer()
QApplication.processEvents()
start = time.perf_counter()
dock, _ = viewer.window.add_plugin_dock_widget("napari-segkit", sys.argv[1])
while not dock.isVisible() or dock.visibleRegion().isEmpty():
    QApplication.processEvents()
QApplication.processEvents()
print(time.perf_counter() - start, "torch" in sys.modules)
"""


def machine_info():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(f"{name} {version(name)}" for name in ("napari", "torch"))
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, "
        f"Python {platform.python_version()}, {packages}"
    )


def run_seconds(source):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", source], check=True)
    return time.perf_counter() - start


def import_time(module):
    """Best time of importing a module, in seconds, minus a bare interpreter."""
    bare = min(run_seconds("pass") for _ in range(RUNS))
    return min(run_seconds(f"import {module}") for _ in range(RUNS)) - bare


def dock_times(name):
    """Seconds from the click to the painted dock in fresh windows, and whether torch is loaded."""
    command = [sys.executable, "-c", OPEN_DOCK, name]
    lines = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-2:]
        for _ in range(RUNS)
    ]
    return [float(seconds) for seconds, _ in lines], any(torch == "True" for _, torch in lines)


def print_row(*cells):
    print(f"| {' | '.join(cells)} |", flush=True)


def main():
    print(f"{machine_info()}; best of {RUNS}\n")
    print_row("what", "best (s)", "median (s)", "torch loaded")
    print_row("---", "---", "---", "---")
    for module in IMPORTS:
        print_row(f"import {module}", f"{import_time(module):.2f}", "", "")
    for name in DOCKS:
        times, torch = dock_times(name)
        print_row(
            f"open {name}",
            f"{min(times):.2f}",
            f"{statistics.median(times):.2f}",
            "yes" if torch else "no",
        )


if __name__ == "__main__":
    main()
