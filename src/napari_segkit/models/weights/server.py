"""Questions to servers, with a time limit: libraries try again for half a minute, or for ever."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from ssl import SSLError
from threading import Thread
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

T = TypeVar("T")

SECONDS = 5


def in_time(ask: Callable[[], T]) -> T | None:
    """What `ask` gives; None if that takes too long or fails.

    In a thread, since looking up the name of a server knows no time limit.
    """
    answers: SimpleQueue[T | None] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except Exception:  # noqa: BLE001
            answers.put(None)

    Thread(target=work, daemon=True).start()
    try:
        return answers.get(timeout=SECONDS)
    except Empty:
        return None


def require_server(address: str) -> None:
    """Raise ConnectionError unless the server answers in time; proxies are used as set."""
    if not in_time(lambda: _answers(address)):
        raise ConnectionError(f"no connection to {urlsplit(address).hostname}")


def _answers(address: str) -> bool:
    """Whether there is an answer, also one that the libraries may know to deal with."""
    try:
        urlopen(Request(address, method="HEAD"), timeout=SECONDS).close()
    except HTTPError:
        return True
    except URLError as error:
        return isinstance(error.reason, SSLError)  # they bring certificates of their own
    return True
