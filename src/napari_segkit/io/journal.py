"""What is finished of work that may be killed at any moment: a file with a line for each part."""

from pathlib import Path
from types import ModuleType
from typing import BinaryIO

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None


class Journal:
    """Names of finished parts, each added when the part is on the disk.

    A line that a killed process did not write to its end counts as none. While it is open, other
    processes are refused, except on Windows; what an ended process has left open is free again.
    """

    def __init__(self, file: Path) -> None:
        file.touch()
        self._file: BinaryIO = file.open("r+b")
        self._lock()
        text = self._file.read()
        end = text.rfind(b"\n") + 1
        self._file.truncate(end)
        self._file.seek(end)
        self._parts = set(text[:end].decode().splitlines())

    def __contains__(self, part: str) -> bool:
        return part in self._parts

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, part: str) -> None:
        """Note that a part is finished."""
        self._file.write(f"{part}\n".encode())
        self._file.flush()
        self._parts.add(part)

    def close(self) -> None:
        """Let others go on with it."""
        self._file.close()

    def _lock(self) -> None:
        """Refuse another process that writes; Windows and some network drives cannot tell."""
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ValueError(
                f"Another process is writing into {Path(self._file.name).parent}: wait until it is "
                "done, or choose another name."
            ) from None
        except OSError:
            pass
