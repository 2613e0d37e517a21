"""Workaround: triton, installed with torch on Linux, crashes next to Mesa's OpenGL."""

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def isolate_triton() -> None:
    """Load triton with its LLVM symbols kept apart from those of Mesa's OpenGL.

    Both export the same names. Where Mesa draws the window, importing triton (by torchvision or
    torch's optimisers) would otherwise call the other's code and end the process. Call this
    before either is imported.
    """
    package = find_spec("triton") if sys.platform == "linux" else None
    for folder in (package.submodule_search_locations or ()) if package else ():
        for library in Path(folder).glob("_C/libtriton*.so"):
            ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
