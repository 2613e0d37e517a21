"""Errors of torch and of the system are said in words for users."""

import errno

import numpy as np
import pytest
import torch

from napari_segkit.error_messages import plain_message

MEMORY = "Out of memory: give less."
DEVICE = "The graphics card or its driver failed: choose cpu as the device, or update the driver."


def unallocated(make):
    with pytest.raises((MemoryError, RuntimeError)) as error:
        make()
    return error.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), MEMORY),
        (unallocated(lambda: np.empty(2**60, np.uint8)), MEMORY),
        (unallocated(lambda: torch.empty(2**60, dtype=torch.uint8)), MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory", "a.tif"), MEMORY),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"), MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), MEMORY),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), MEMORY),
        (RuntimeError("std::bad_alloc"), MEMORY),
        (RuntimeError("CUDA error: no kernel image is available for execution"), DEVICE),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), DEVICE),
        (RuntimeError("Found no NVIDIA driver on your system."), DEVICE),
        (ValueError("cuda error of a person"), "cuda error of a person"),
    ],
)
def test_errors_in_words_for_users(error, said):
    assert plain_message(error, lower="give less") == said
