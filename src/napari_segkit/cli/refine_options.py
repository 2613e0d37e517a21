"""Options that say how probabilities are refined: ``--refine``, its numbers, ``--clean``."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

from napari_segkit.config import CleanConfig, RefineConfig, Smoother

from .options import add_options, flag, read_options

if TYPE_CHECKING:
    from napari_segkit.images.classes import LabelClass

METHODS = get_args(Smoother)
STEPS = {f.name: f for f in fields(CleanConfig) if f.name != "value"}
EXAMPLE = '"nucleus: fill_holes=20, min_size=5, largest"'


def add_refine(parser: ArgumentParser, default: str) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
        Of a command.
    default : str
        What counts where no method is given, for the help.
    """
    about = f"how probabilities are smoothed before they become labels (default {default})"
    group = parser.add_argument_group("refinement")
    group.add_argument("--refine", choices=[*METHODS, "none"], help=about)
    group.add_argument("--clean", action="append", metavar="CLASS: STEP, STEP|none",
                       help=f"tidy a class (name or value), such as {EXAMPLE}; steps are "
                            f"{', '.join(STEPS)}; sizes in world units; once for "
                            "each class")  # fmt: skip
    for method in METHODS:
        own = parser.add_argument_group(f"with --refine {method}")
        config = getattr(RefineConfig(), method)
        add_options(own, config, prefix=f"{method}_", suppress=True)


def refine_of(
    args: Namespace, own: RefineConfig, classes: Sequence["LabelClass"]
) -> RefineConfig | None:
    """The recipe that was asked for.

    Parameters
    ----------
    args : Namespace
        What a parser with `add_refine` read.
    own : RefineConfig
        The recipe that counts where the options say nothing.
    classes : sequence of LabelClass
        Those that can be tidied.

    Returns
    -------
    RefineConfig or None
        ``--refine none`` leaves out all of `own`. None where nothing was asked for.

    Raises
    ------
    ValueError
        If a number breaks its limits, goes with another method, or the clean-up cannot be read.
    """
    given = [name for name in vars(args) if name.startswith(tuple(f"{m}_" for m in METHODS))]
    if args.refine is None and args.clean is None and not given:
        return None
    base = RefineConfig() if args.refine == "none" else own
    method = args.refine if args.refine in METHODS else base.method
    stray = [flag(name) for name in given if not name.startswith(f"{method}_")]
    if stray:
        raise ValueError(
            f"{' and '.join(stray)} belong to another method, and this is --refine "
            f"{method or 'none'}: leave them out, or choose the method they begin with."
        )
    changes: dict[str, Any] = {"method": method}
    if method:
        changes[method] = read_options(args, getattr(base, method), prefix=f"{method}_")
    if args.clean is not None:
        changes["clean"] = _tidied(args.clean, classes)
    return replace(base, **changes)


def _tidied(texts: Sequence[str], classes: Sequence["LabelClass"]) -> tuple[CleanConfig, ...]:
    """The clean-up of each class."""
    return () if list(texts) == ["none"] else tuple(_step(text, classes) for text in texts)


def _step(text: str, classes: Sequence["LabelClass"]) -> CleanConfig:
    """Read "nucleus: fill_holes=20, largest"."""
    from napari_segkit.images.classes import values_of

    name, colon, steps = text.rpartition(":")
    words = [word.strip() for word in steps.split(",")]
    if not colon or not all(words):
        raise ValueError(
            f"--clean {text!r} does not say what is done to which class: write it as {EXAMPLE}."
        )
    (value,) = values_of(name.strip(), classes)
    return CleanConfig(value, **dict(_read(word, text) for word in words))


def _read(word: str, text: str) -> tuple[str, Any]:
    """One step: a name and what it is set to."""
    name, equals, number = (part.strip() for part in word.partition("="))
    name = name.replace("-", "_")
    if name not in STEPS:
        raise ValueError(f"--clean {text!r}: {name!r} is none of {', '.join(STEPS)}.")
    if STEPS[name].type is bool:
        if equals:
            raise ValueError(f"--clean {text!r}: {name} stands alone, without a number.")
        return name, True
    try:
        return name, float(number)
    except ValueError:
        raise ValueError(f"--clean {text!r}: give {name} a number, as in {name}=20.") from None
