"""``segkit train --auto``: the model and settings that are suggested, said with their reasons."""

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.steps import drain

from .options import flag, read_options
from .terminal import print_warnings, say

if TYPE_CHECKING:
    from napari_segkit.suggestion.reason import Reason
    from napari_segkit.suggestion.suggest import Suggestion
    from napari_segkit.training_set import TrainingSet


def check_auto(args: Namespace) -> None:
    """Refuse ``--auto`` beside what chooses the settings, too."""
    from napari_segkit.training.distributed import current

    if not args.auto:
        return
    for name in ("preset", "start", "resume"):
        if getattr(args, name):
            raise ValueError(
                f"--auto suggests the settings, and --{name} chooses them, too: leave one out."
            )
    if current().count > 1:
        raise ValueError(
            "--auto looks at the memory of one process: run it without torchrun once, and give the "
            "options that it prints."
        )


def suggested_settings(
    args: Namespace, training_set: "TrainingSet"
) -> tuple[ModelSpec, TrainConfig]:
    """Suggest settings for a training set and say each with its reason; options override them."""
    from napari_segkit.devices import use_threads

    read_options(args, ModelSpec())  # what was given is checked before any work
    read_options(args, TrainConfig())
    if args.threads:
        use_threads(args.threads)
    found = _suggestion(args, training_set)
    say("Suggested:")
    for reason in found.reasons:
        say(f"  {_as_option(reason)}: {reason.text}")
    for note in found.notes():
        say(f"  {note}")
    return read_options(args, found.spec), read_options(args, found.config)


def _suggestion(args: Namespace, training_set: "TrainingSet") -> "Suggestion":
    from napari_segkit.suggestion.suggest import DEFAULT_MINUTES, FIELDS, suggestions

    given = {n: value for n, value in vars(args).items() if n in FIELDS - {"options", "augment"}}
    steps = suggestions(
        training_set,
        axes=args.axes,
        spacing=args.spacing,
        device=args.device,
        minutes=given.get("minutes") or DEFAULT_MINUTES,
        given=given,
    )
    with print_warnings():
        return drain(steps)


def _as_option(reason: "Reason") -> str:
    value = "none" if reason.value is None else shlex.quote(str(reason.value))
    return f"{flag(reason.setting)} {value}"
