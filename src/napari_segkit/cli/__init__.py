"""The command line: files in, files out."""

from .commands import main

__all__ = ["main"]
