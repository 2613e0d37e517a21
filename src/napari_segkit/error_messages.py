"""Errors of torch and of the system in words for users; command line and docks use them."""

import errno
import re
from collections.abc import Callable
from unicodedata import category

from .arguments import given

OUT_OF_MEMORY = (
    *("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory"),
    *("unable to allocate", "array is too big", "bad_alloc", "alloc_failed"),
    *("could not create a primitive", "could not execute a primitive"),  # of oneDNN
    "killed by signal: killed",
)
DEVICE_FAILED = (
    *("cuda error", "cuda driver", "nvidia driver", "cudnn", "cublas", "cufft", "cusolver"),
    *("hip error", "miopen", "mps backend", "mps device", "no kernel image"),
)
ON_CPU = "choose cpu as the device"
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, half characters, ends of lines
TURNING = {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}  # the direction of writing


def plain_message(error: BaseException, *, lower: str, on_cpu: str = ON_CPU) -> str:
    """An error's message in one line.

    `lower` says what to lower if memory has run out, `on_cpu` how to do without a graphics card.
    """
    return system_trouble(error, lower=lower, on_cpu=on_cpu) or _text(error)


def failure(error: BaseException, work: str, *, lower: str) -> str:
    """An error as a sentence: a mistake in its own words, what is unexpected as a failed work."""
    wrong_values = isinstance(error, ValueError | FloatingPointError)
    is_mistake = wrong_values or (isinstance(error, OSError) and not error.errno)
    if is_mistake and str(error):
        return plain_message(error, lower=lower)
    is_ended = not isinstance(error, Exception)
    reason = f"it was ended by {type(error).__name__}" if is_ended else _text(error).rstrip(".")
    text = f"{work} failed: {reason}; details in the log."
    return system_trouble(error, lower=lower) or text


def system_trouble(error: BaseException, *, lower: str, on_cpu: str = ON_CPU) -> str | None:
    """What to do if memory has run out or the graphics card fails; None for other errors."""
    text = str(error).lower()
    if is_out_of_memory(error):
        return f"Out of memory: {lower}."
    if isinstance(error, RuntimeError) and any(words in text for words in DEVICE_FAILED):
        return f"The graphics card or its driver failed: {on_cpu}, or update the driver."
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, the system or torch says that memory has run out."""
    known = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    return known or any(words in str(error).lower() for words in OUT_OF_MEMORY)


def translate_arguments(message: str, word: Callable[[str, str], str]) -> str:
    """Replace Python arguments, such as dims='2D' or TileConfig.overlap, by `word(name, value)`.

    The value is empty for a name alone.
    """
    message = re.sub(r" \(`[^`]*`[^)]*\)", "", message)
    message = re.sub(r"\bModelSpec\(\.\.\., ([^)]*)\)", r"\1", message)
    message = re.sub(r"\b(?:[A-Z]\w+Config|ModelSpec)\.(\w+)", lambda m: word(m[1], ""), message)
    argument = r"(?<![\w/\\.='-])([a-z]\w*)=(?:(None|True|\d+)(?![\w/\\=-]|\.\w)|'(\w+)')"
    return re.sub(argument, lambda m: word(m[1], m[3] or m[2].lower()), message)


def printable(text: str) -> str:
    """A text from a file without characters that a terminal would obey; each becomes a "\ufffd"."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if c in TURNING or category(c) in UNPRINTABLE else c for c in text)


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{given(error.filename)} is too long a name: choose a shorter one."
    if isinstance(error, OSError) and error.errno:
        return ": ".join(str(x) for x in (error.filename, error.strerror) if x)
    return printable(" ".join(str(error).split())) or type(error).__name__
