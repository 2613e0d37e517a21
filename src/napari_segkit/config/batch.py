"""Settings of predictions of many files."""

from dataclasses import dataclass
from typing import Annotated

from ._schema import Checked


@dataclass(frozen=True)
class BatchConfig(Checked):
    """How many files are predicted; the results do not depend on it.

    Parameters
    ----------
    processes : int
        Files that are predicted at the same time, each by a process with its share of the CPU
        threads. More than 1 pays where one file does not keep the machine busy, such as many small
        images; each process holds the model and an image in memory. In a script, the call must then
        be below ``if __name__ == "__main__":``.
    """

    processes: Annotated[int, {"min": 1, "max": 128}] = 1
