"""The model and the settings of ``segkit train``: from options, a preset, a model or a state."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.models import resolve
from napari_segkit.models.presets import Preset, preset

from .auto_settings import suggested_settings
from .options import read_options
from .terminal import say

if TYPE_CHECKING:
    from napari_segkit.project.project import Project
    from napari_segkit.training_set import TrainingSet


def spec_and_config(
    args: Namespace,
    resume: Path | None = None,
    project: "Project | None" = None,
    training_set: "TrainingSet | None" = None,
) -> tuple[ModelSpec, TrainConfig]:
    """The model and training settings: options override the preset, and that the project.

    A preset follows device and minutes, which take the place of its epochs. Another model than the
    preset's does not take its encoder. Those of a training that is resumed cannot be changed. With
    ``--auto`` they are suggested for the training set.
    """
    if resume is not None:
        return _settings_of(args, resume)
    if training_set is not None and args.auto:
        return suggested_settings(args, training_set)
    minutes = getattr(args, "minutes", None)
    base = _preset(args, minutes) if args.preset else _base(args, project)
    name = getattr(args, "name", base.spec.name)
    spec = base.spec if name == base.spec.name else ModelSpec(name)
    config = base.config if hasattr(args, "epochs") else base.settings(minutes)
    spec, config = read_options(args, spec), read_options(args, config)
    if base.imagenet and "weights" not in args:
        spec = _with_weights_at_hand(spec)
    return spec, config


def _preset(args: Namespace, minutes: float | None) -> Preset:
    """The preset that is asked for, as it is for the device and the minutes."""
    from napari_segkit import devices

    return preset(args.preset, devices.choose(args.device).type, minutes)


def _with_weights_at_hand(spec: ModelSpec) -> ModelSpec:
    """The spec with ImageNet weights if they were downloaded before; else say so."""
    from napari_segkit.models.weights.pretrained import cached

    pretrained = replace(resolve(spec), weights="imagenet")
    if cached(pretrained):
        return pretrained
    say(
        f"The ImageNet weights of {pretrained.encoder} are not on this computer: training starts "
        "from random weights; --weights imagenet downloads them."
    )
    return spec


def _base(args: Namespace, project: "Project | None") -> Preset:
    """What options are added to without a preset: those of a project, or of a model."""
    if args.start is None and project is not None:
        return Preset("", "", project.spec, project.config)
    if args.start is None:
        return Preset("", "", ModelSpec())
    from napari_segkit.model_file import load

    model = load(Path(args.start))
    return Preset("", "", model.spec, model.config)


def _settings_of(args: Namespace, state: Path) -> tuple[ModelSpec, TrainConfig]:
    """Model and settings of a training to go on with; ValueError if an option differs."""
    from napari_segkit.training.state_file import read_settings, require_settings

    if args.preset:
        raise ValueError(
            f"--preset {args.preset} cannot be used with --resume, because {state.name} holds the "
            "settings: leave it out."
        )
    spec, config = read_settings(state)
    require_settings(state, read_options(args, spec), read_options(args, config))
    return spec, config
