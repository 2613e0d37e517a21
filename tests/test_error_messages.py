import errno

import numpy as np
import pytest

from napari_segkit._qt.widgets.gui_messages import gui_message
from napari_segkit.cli.terminal import error_line, in_options
from napari_segkit.error_messages import failure

NO_MEMORY = "Out of memory: lower the batch size."
FAILED_DEVICE = (
    "The graphics card or its driver failed: choose cpu as the device, or update the driver."
)


NAMES = ["a=b.tif", "runs/lr=3/a.tif", "lr=3/a.tif", "lr=3.tif", "a/lr=3", "'a=3'"]


def message_of(error):
    return failure(error, "Train", lower="lower the batch size")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("The labels are empty; paint some."), "The labels are empty; paint some."),
        (FileNotFoundError("There is no model file a."), "There is no model file a."),
        (MemoryError(), NO_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), NO_MEMORY),
        (RuntimeError("cuBLAS: CUBLAS_STATUS_ALLOC_FAILED when calling"), NO_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), NO_MEMORY),
        (OSError(12, "Cannot allocate memory"), NO_MEMORY),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), NO_MEMORY),
        (RuntimeError("std::bad_alloc"), NO_MEMORY),
        (RuntimeError("Found no NVIDIA driver on your system."), FAILED_DEVICE),
        (RuntimeError("CUDA error: device-side assert triggered\nCompile with"), FAILED_DEVICE),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), FAILED_DEVICE),
        (RuntimeError("size\n mismatch."), "Train failed: size mismatch; details in the log."),
        (AssertionError(), "Train failed: AssertionError; details in the log."),
        (ValueError(), "Train failed: ValueError; details in the log."),
        (SystemExit(1), "Train failed: it was ended by SystemExit; details in the log."),
        (
            OSError(28, "No space left on device", "a.segkit"),
            "Train failed: a.segkit: No space left on device; details in the log.",
        ),
    ],
)
def test_an_error_is_a_sentence(error, expected):
    assert message_of(error) == expected


@pytest.mark.parametrize(
    ("message", "docks", "options"),
    [
        ("Choose dims='2D' (`dims` of `ModelSpec`).", "Choose Dims 2D.", "Choose --dims 2D."),
        ("Set unlabelled=None.", "Set Unlabelled: none.", "Set --unlabelled none."),
        ("Choose unlabelled=255.", "Choose Unlabelled 255.", "Choose --unlabelled 255."),
        ("Lower TileConfig.overlap.", "Lower Overlap.", "Lower --overlap."),
        ("Give ModelSpec(..., encoder='b').", "Give Encoder b.", "Give --encoder b."),
        *((f"See {name}.", f"See {name}.", f"See {name}.") for name in NAMES),
    ],
)
def test_python_arguments_become_labels_or_options(message, docks, options):
    assert gui_message(message) == docks
    assert in_options(message) == options


def test_a_name_that_is_too_long_is_cut():
    line = error_line(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300))
    assert len(line) < 120
    assert line.endswith("xxx' is too long a name: choose a shorter one.")


@pytest.mark.parametrize("pixels", [2**50, 2**60])
def test_an_array_that_is_too_large_is_out_of_memory(pixels):
    with pytest.raises((MemoryError, ValueError)) as error:
        np.zeros(pixels)
    assert message_of(error.value) == NO_MEMORY
