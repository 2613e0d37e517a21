"""Command line ``segkit``: files in, files out."""

from .main import main

__all__ = ["main"]
