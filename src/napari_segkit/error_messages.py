"""Errors of torch and of the system in words for users; command line and docks use them."""

OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "unable to allocate",
    "array is too big",
    "alloc_failed",  # cuBLAS and cuDNN
    "bad_alloc",
)
DEVICE_ERRORS = ("cuda error", "cuda driver", "cudnn", "cublas", "hip error", "mps backend")
FAILED_DEVICE = (
    "The graphics card failed: start the program again; if that does not help, compute on the CPU "
    "(device='cpu')."
)


def plain_message(error: BaseException, *, lower: str) -> str:
    """An error's message in one line; `lower` says what to lower if memory has run out."""
    return system_trouble(error, lower=lower) or _text(error)


def failure(error: BaseException, work: str, *, lower: str) -> str:
    """An error as a sentence: a mistake in its own words, what is unexpected as a failed work."""
    is_mistake = isinstance(error, ValueError) or (isinstance(error, OSError) and not error.errno)
    if is_mistake and str(error):
        return plain_message(error, lower=lower)
    text = f"{work} failed: {_text(error).rstrip('.')}; details in the log."
    return system_trouble(error, lower=lower) or text


def system_trouble(error: BaseException, *, lower: str) -> str | None:
    """What to do if memory has run out or the graphics card fails; None for other errors."""
    text = _text(error).lower()
    if isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY):
        return f"Out of memory: {lower}."
    if isinstance(error, RuntimeError) and any(words in text for words in DEVICE_ERRORS):
        return FAILED_DEVICE
    return None


def _text(error: BaseException) -> str:
    name = type(error).__name__
    if not isinstance(error, Exception):
        return f"it was ended by {name}"
    if isinstance(error, OSError) and error.errno:
        return ": ".join(str(x) for x in (error.filename, error.strerror) if x)
    return " ".join(str(error).split()) or name
