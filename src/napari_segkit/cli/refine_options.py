"""Options of refinement: ``--refine``, its parameters, and ``--clean``."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from napari_segkit.config import CleanConfig, RefineConfig, Smoother
from napari_segkit.config._schema import change, config_fields

from .options import add_options, flag, read_options

if TYPE_CHECKING:
    from napari_segkit.images.classes import LabelClass

METHODS = get_args(Smoother)
STEPS = {name: field for name, field in config_fields(CleanConfig).items() if name != "value"}
EXAMPLE = '"nucleus: fill_holes=20, min_size=5, largest"'


def add_refine(parser: ArgumentParser, default: str, note: str | None = None) -> None:
    """Add the options; `default` and `note` say in the help what is used without them."""
    help_text = f"how probabilities are smoothed before they become labels (default {default})"
    group = parser.add_argument_group("refinement", note)
    group.add_argument("--refine", choices=[*METHODS, "none"], help=help_text)
    group.add_argument("--clean", action="append", metavar="CLASS: STEP, STEP|none",
                       help=f"clean up a class (name or value), such as {EXAMPLE}; steps are "
                            f"{', '.join(STEPS)}; sizes in world units; repeat for "
                            "each class")  # fmt: skip
    for method in METHODS:
        group = parser.add_argument_group(f"with --refine {method}")
        add_options(group, getattr(RefineConfig(), method), prefix=f"{method}_", suppress=True)


def refine_config(
    args: Namespace, default: RefineConfig, classes: Sequence["LabelClass"]
) -> RefineConfig | None:
    """The requested refinement; None if no option was given.

    Options override `default`, and ``--refine none`` drops all of it. ValueError if a number breaks
    its limits, belongs to another method, or the clean-up cannot be read.
    """
    used = [name for name in vars(args) if name.startswith(tuple(f"{m}_" for m in METHODS))]
    if args.refine is None and args.clean is None and not used:
        return None
    base = RefineConfig() if args.refine == "none" else default
    method = args.refine if args.refine in METHODS else base.method
    other = [flag(name) for name in used if not name.startswith(f"{method}_")]
    if other:
        raise ValueError(
            f"{' and '.join(other)} belong to another method, and this is --refine "
            f"{method or 'none'}: leave them out, or choose the method they begin with."
        )
    changes: dict[str, object] = {"method": method}
    if method:
        changes[method] = read_options(args, getattr(base, method), prefix=f"{method}_")
    if args.clean is not None:
        none = list(args.clean) == ["none"]
        changes["clean"] = () if none else tuple(_clean(text, classes) for text in args.clean)
    return change(base, changes)


def _clean(text: str, classes: Sequence["LabelClass"]) -> CleanConfig:
    """Read "nucleus: fill_holes=20, largest"."""
    from napari_segkit.images.classes import values_of

    name, colon, steps = text.rpartition(":")
    words = [word.strip() for word in steps.split(",")]
    if not colon or not all(words):
        raise ValueError(
            f"--clean {text!r} does not name a class and its steps: write it as {EXAMPLE}."
        )
    (value,) = values_of(name.strip(), classes)
    return change(CleanConfig(value), dict(_step(word, text) for word in words))


def _step(word: str, text: str) -> tuple[str, object]:
    """Read one step: its name and value."""
    name, equals, number = (part.strip() for part in word.partition("="))
    name = name.replace("-", "_")
    if name not in STEPS:
        raise ValueError(f"--clean {text!r}: {name!r} is not one of {', '.join(STEPS)}.")
    if STEPS[name].kind is bool:
        if equals:
            raise ValueError(f"--clean {text!r}: {name} takes no number.")
        return name, True
    try:
        return name, float(number)
    except ValueError:
        raise ValueError(f"--clean {text!r}: give {name} a number, as in {name}=20.") from None
