import sys
from types import ModuleType

import numpy as np

from napari_segkit.images.arrays import as_array


def test_an_array_is_read_while_another_thread_imports_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))  # without its names
    array = np.zeros((4, 5))
    assert as_array(array, "the image") is array
