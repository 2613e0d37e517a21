"""Errors of torch and of the system in words for users; command line and docks use them."""

import errno

OUT_OF_MEMORY = (
    *("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory"),
    *("unable to allocate", "bad_alloc", "alloc_failed", "killed by signal: killed"),
)
DEVICE_FAILED = (
    *("cuda error", "cuda driver", "nvidia driver", "cudnn", "cublas", "cufft", "cusolver"),
    *("hip error", "miopen", "mps backend", "mps device", "no kernel image"),
)


def plain_message(
    error: BaseException, *, lower: str, on_cpu: str = "choose cpu as the device"
) -> str:
    """An error's message in one line.

    `lower` says what to lower if memory has run out, `on_cpu` how to do without a graphics card.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if _is_out_of_memory(error, text.lower()):
        return f"Out of memory: {lower}."
    if isinstance(error, RuntimeError) and any(words in text.lower() for words in DEVICE_FAILED):
        return f"The graphics card or its driver failed: {on_cpu}, or update the driver."
    return text


def _is_out_of_memory(error: BaseException, text: str) -> bool:
    known = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    return known or any(words in text for words in OUT_OF_MEMORY)
