"""``segkit``: run one command, and give its exit status. Loads the commands when it is called."""

import os
import sys
from typing import TYPE_CHECKING

from .signals import end_process, interrupt, on_signals, use_defaults

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

PIPE_CLOSED = 141  # as of programs that SIGPIPE ends


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        Arguments. None: those of the process.

    Returns
    -------
    int
        Exit status: 0 for success, 1 if some files failed or a training ended early by an error, 2
        for a mistake in the request; 128 and the number of the signal if interrupted, such as 130
        for Ctrl-C and 143 for SIGTERM.
    """
    _open_closed_streams()
    if argv is None:
        use_defaults()  # once `on_signals` is over: no traceback while the process is ending
    with on_signals(end_process if argv is None else interrupt):
        try:
            args = make_parser().parse_args(argv)
            args.words = sys.argv[1:] if argv is None else argv
            return _run(args)
        except KeyboardInterrupt as interrupted:
            from .terminal import say

            say("Interrupted.")
            return getattr(interrupted, "status", 130)


def make_parser() -> "ArgumentParser":
    from .commands import make_parser

    return make_parser()


def _open_closed_streams() -> None:
    """Nobody reads what is written where the caller has closed standard output or error."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _run(args: "Namespace") -> int:
    from .options import require_texts
    from .terminal import SMALLER, USER_ERRORS, error_line, say

    try:
        require_texts(args)
        status = int(args.command.run(args) or 0)
        sys.stdout.flush()
    except BrokenPipeError:  # by whoever read the output, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except USER_ERRORS as error:
        say(error_line(error, getattr(args.command, "LESS_MEMORY", SMALLER)))
        return 2
    return status
