"""Errors of torch and of the system in words for users; command line and docks use them."""

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def plain_message(error: BaseException, *, lower: str) -> str:
    """An error's message in one line; `lower` says what to lower if memory has run out."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return f"Out of memory: {lower}."
    return text
