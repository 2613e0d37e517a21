"""What every test gets: no network, settings of its own, no widget left behind."""

import gc
import linecache
import os
import re
import socket
import tempfile
import traceback
from importlib.util import find_spec
from pathlib import Path

import pytest

# Read when numpy, torch or napari load, hence before any of them is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

# Each of the tests' processes keeps to a core of its own, which takes a fifth less time.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
os.environ["HF_HUB_OFFLINE"] = "1"
_settings = tempfile.TemporaryDirectory(prefix="segkit-tests-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_settings.name) / "settings.yaml")

try:
    import qtpy.QtWidgets  # noqa: F401
except ImportError:
    collect_ignore = ["_qt"]  # the core is tested without Qt, too

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, where the machine has it."""
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("SEGKIT_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip("real data is not here: name its folder in SEGKIT_TEST_DATA")
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A connection to anywhere but this machine fails the test."""
    connect = socket.socket.connect

    def connect_here(self, address):
        inet = self.family in (socket.AF_INET, socket.AF_INET6)
        if inet and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a test tried to reach {address[0]}; tests use no network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(autouse=True)
def no_widget_left(request):
    """Widgets of this package end with the test that made them."""
    if not {"qtbot", "qapp"} & set(request.fixturenames):
        yield
        return
    request.getfixturevalue("qapp")
    before = _own_widgets()  # keeps them, so that a new one cannot take their place
    gc.freeze()  # what is there before the test is not searched for garbage, which takes long
    yield
    report = getattr(request.node, "rep_call", None)
    has_passed = report is not None and report.passed  # else a traceback holds its widgets
    if has_passed and _own_widgets() - before:
        gc.collect()
    gc.unfreeze()
    if not has_passed:
        return
    left = _own_widgets() - before
    assert not left, f"widgets left behind: {', '.join(sorted(map(repr, left)))}"


def _own_widgets():
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return {w for w in QApplication.allWidgets() if type(w).__module__.startswith("napari_segkit")}


def pytest_runtest_setup(item):
    """Skip what needs a graphics card where torch has none."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        pytest.skip("no graphics card that torch can use on this machine")


@pytest.fixture
def make_image_folder(tmp_path, monkeypatch):
    """Makes so many images and masks in folders of the working folder, which it returns."""
    import numpy as np
    from PIL import Image

    def make(count):
        rng = np.random.default_rng(0)
        for number in range(count):
            mask = np.zeros((64, 64), np.uint8)
            mask[20 + number : 40, 10:50] = 1
            image = mask * 120 + rng.integers(20, 80, mask.shape)
            for name, array in {"images": image, "masks": mask}.items():
                (tmp_path / name).mkdir(exist_ok=True)
                Image.fromarray(array.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


@pytest.fixture(scope="session")
def require_sentence():
    """Fail unless a message is a sentence for people that holds all of the words."""
    return _require_sentence


@pytest.fixture(scope="session")
def require_said():
    """Fail unless an error was raised by this package, on purpose, in a sentence."""
    return _require_said


PACKAGE = str(Path(find_spec("napari_segkit").origin).parent)
INSIDES = (
    "object has no attribute",
    "not supported between",
    "unhashable",
    "cannot reshape",
    "could not broadcast",
    "could not convert",
    "truth value of",
    "not subscriptable",
    "not iterable",
    "not callable",
    "positional argument",
    "keyword argument",
    "out of bounds",
    "inhomogeneous",
    "has no len()",
    "Traceback",
    "<class '",
    " at 0x",
    "NoneType",
    "torch.Size",
    "dtype('",
    "Errno",
)
LONGEST = 600  # a list of all methods is long


def _require_sentence(message: str, *words: str) -> None:
    """Fail unless a message is a sentence for people that holds all of the words."""
    assert "\n" not in message.strip()
    assert message.strip().endswith((".", "?", "!"))
    assert len(message) < LONGEST, message
    assert len(re.findall(r"[a-z)\]'\"]\. [A-Z]", message)) <= 2, message
    found = [inside for inside in INSIDES if inside in message]
    assert not found, f"{found} in: {message}"
    missing = [word for word in words if word not in message]
    assert not missing, f"no {missing} in: {message}"


def _require_said(error: BaseException, *words: str) -> None:
    """Fail unless an error was raised by this package, on purpose, in a sentence."""
    assert isinstance(error, ValueError | TypeError | OSError), repr(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(frame.filename, frame.lineno or 0).strip()
    assert frame.filename.startswith(PACKAGE), f"{frame.filename}: {error!r}"
    assert line.startswith("raise"), f"{line}: {error!r}"
    _require_sentence(str(error), *words)
