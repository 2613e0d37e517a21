"""Errors of torch and of the system in words for users; command line and docks use them."""

from unicodedata import category

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, half characters, ends of lines
TURNING = {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}  # the direction of writing


def plain_message(error: BaseException, *, lower: str) -> str:
    """An error's message in one line; `lower` says what to lower if memory has run out."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return f"Out of memory: {lower}."
    return printable(text)


def printable(text: str) -> str:
    """A text from a file without characters that a terminal would obey; each becomes a "\ufffd"."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if c in TURNING or category(c) in UNPRINTABLE else c for c in text)
