"""Named arrays in files of their own, kept beside work that is not complete."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_segkit.images.types import AnyArray

from .replace_file import WriteError, atomic_write, cause


def write_arrays(file: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write arrays of numbers; the folder is made if it is new."""
    try:
        file.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise WriteError(f"{file.parent} cannot be made: {cause(error)}.") from error
    with atomic_write(file) as target:
        named: dict[str, Any] = dict(arrays)
        np.savez(target, **named)


def read_arrays(file: Path) -> dict[str, AnyArray]:
    """The arrays of a file by their names."""
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
