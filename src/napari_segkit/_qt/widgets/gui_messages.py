"""Sentences of the library, for people who do not write Python."""

import re


def gui_message(sentence: str) -> str:
    """A sentence with the docks' words for what is Python's.

    Parameters
    ----------
    sentence : str
        Such as "name the axes, or choose dims='2D'."

    Returns
    -------
    str
        Such as "name the axes, or choose Dims 2D."
    """
    sentence = re.sub(r" \(`[^`]*`[^)]*\)", "", sentence)
    sentence = re.sub(r"\bModelSpec\(\.\.\., ([^)]*)\)", r"\1", sentence)
    sentence = re.sub(r"\b[A-Z]\w+Config\.(\w+)", lambda m: _title(m[1]), sentence)
    return re.sub(r"\b(\w+)='(\w+)'", lambda m: f"{_title(m[1])} {m[2]}", sentence)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
