"""Triton, which comes with torch on Linux, beside the OpenGL of a window."""

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def keep_apart() -> None:
    """Load triton so that its LLVM does not meet the LLVM of Mesa's OpenGL.

    Both export the same names. Where a window is drawn by Mesa (no vendor's driver, a virtual
    display, many AMD cards), the first import of triton, by torchvision or torch's optimisers,
    would call into the other's code and end the process. Call this before either is imported; the
    window may open before or after.
    """
    package = find_spec("triton") if sys.platform == "linux" else None
    for folder in (package.submodule_search_locations or ()) if package else ():
        for library in Path(folder).glob("_C/libtriton*.so"):
            ctypes.CDLL(str(library), mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
