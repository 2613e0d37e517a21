"""Suggest a method and its settings for images, labels, device and time."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_segkit.arguments import as_device
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.config._schema import change, config_fields
from napari_segkit.models import resolve
from napari_segkit.models.presets import Preset, preset, volume_preset
from napari_segkit.steps import Step, drain, warn_if_blocking
from napari_segkit.training_set import TrainingRow, TrainingSet, as_training_set

from .facts import Budget, Facts
from .measure import measure
from .model_choices import batch_size, imagenet_weights
from .reason import Reason
from .rules import RULES, RULES_OF_METHOD, Rule, reach

if TYPE_CHECKING:
    from napari_segkit.images.training_pairs import Given

DEFAULT_MINUTES = 10.0
FIELDS = {*config_fields(ModelSpec), *config_fields(TrainConfig), "tile_size", "overlap"}


@dataclass(frozen=True)
class Suggestion:
    """A method and settings that suit images and labels, each with its reason.

    Parameters
    ----------
    spec : ModelSpec
        The method.
    config : TrainConfig
        The settings of its training.
    reasons : tuple of Reason
        What is suggested, and why; what is not named is that of the preset, or the default.
    facts : Facts
        What was measured.
    """

    spec: ModelSpec
    config: TrainConfig
    reasons: tuple[Reason, ...]
    facts: Facts

    def __str__(self) -> str:
        """A line for each reason."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Each setting with its value and its reason, and how much was read."""
        each = [f"{r.setting}: {_shown(r.value)}. {r.text}" for r in self.reasons]
        return [*each, *self.notes()]

    def notes(self) -> list[str]:
        """What was left out."""
        read = self.facts.images_read, self.facts.images
        notes = [f"Read: {read[0]} of {read[1]} images."] if read[0] < read[1] else []
        if self.facts.is_partial:
            notes.append("Of large images only parts were read.")
        return notes


def suggest(
    images: "TrainingSet | Given",
    labels: "Given | None" = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
    minutes: float = DEFAULT_MINUTES,
    given: Mapping[str, object] | None = None,
) -> Suggestion:
    """Suggest a method and settings for images, their labels, the device and the time.

    Nothing is trained, and nothing is changed. Up to 16 images are read, evenly chosen, and of
    large ones parts; the reasons tell what was found there.

    Parameters
    ----------
    images : array-like, napari Image layer, list of them, or TrainingSet
        As in `Segmenter.fit`.
    labels : array-like, napari Labels layer, or list of them, optional
        As in `Segmenter.fit`. None: those of the `TrainingSet`, or nothing is labelled yet.
    axes : str, optional
        As in `Segmenter.fit`.
    spacing : sequence of float, optional
        As in `Segmenter.fit`.
    device : str
        Where the training will run: "auto", "cpu", "cuda", "cuda:1" or "mps".
    minutes : float
        How long the training may take.
    given : mapping, optional
        What is decided already, by the names of the fields of `ModelSpec`, `TrainConfig` and
        `TileConfig`, such as {"objects": "distance"}: it is kept, and the rest follows it.

    Returns
    -------
    Suggestion
        `.spec`, `.config` and `.reasons`; printed, it shows a line for each reason.

    Raises
    ------
    ValueError
        If an image or labels cannot be read, or a name or value in `given` is not known.

    Examples
    --------
    >>> found = suggest(image, labels, minutes=5)
    >>> print(found)
    >>> seg = Segmenter(found.spec).fit(image, labels, found.config)
    """
    warn_if_blocking("suggest", "suggestions(...)")
    return drain(
        suggestions(
            images, labels, axes=axes, spacing=spacing, device=device, minutes=minutes, given=given
        )
    )


def suggestions(
    images: "TrainingSet | Given",
    labels: "Given | None" = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    device: str = "auto",
    minutes: float = DEFAULT_MINUTES,
    given: Mapping[str, object] | None = None,
) -> Generator[Step, None, Suggestion]:
    """Suggest image by image: the generator behind `suggest`.

    Parameters
    ----------
    images, labels, axes, spacing, device, minutes, given
        As in `suggest`.

    Yields
    ------
    Step
        Progress, after each image.

    Returns
    -------
    Suggestion
        As `suggest`.
    """
    device, decided = as_device(device), dict(given or {})
    _require_names(decided)
    TrainConfig(epochs=None, minutes=minutes)  # checks the limits
    rows = _rows(images, labels)
    facts = yield from measure(rows, axes=axes, spacing=spacing)
    return propose(facts, _budget(device, minutes), decided)


def _rows(images: "TrainingSet | Given", labels: "Given | None") -> Sequence[TrainingRow]:
    """The rows that are trained on; images alone have no labels yet."""
    if labels is not None or isinstance(images, TrainingSet):
        return as_training_set(images, labels).with_role("train")
    each = images if isinstance(images, list | tuple) else [images]
    return [TrainingRow(image, None) for image in each]


def _budget(device: str, minutes: float) -> Budget:
    import torch

    from napari_segkit.devices import choose, free_memory

    return Budget(minutes, choose(device).type, torch.get_num_threads(), free_memory(device))


def propose(facts: Facts, budget: Budget, given: Mapping[str, object]) -> Suggestion:
    """Apply the rules one after the other; what is given is kept."""
    settings: dict[str, Any] = dict(given)
    reasons = list(_decided(RULES, facts, budget, settings))
    base = _base(facts, budget, settings)
    settings.setdefault("name", base.spec.name)
    reasons += _decided(RULES_OF_METHOD, facts, budget, settings)
    reasons += _of_model(base, facts, budget, settings)
    spec, config = _models(base, budget, settings)
    return Suggestion(spec, config, tuple(reasons), facts)


def _base(facts: Facts, budget: Budget, settings: Mapping[str, Any]) -> Preset:
    """What the settings are added to: a preset, that of volumes if its method is decided."""
    if "preset" in settings:
        return preset(settings["preset"], budget.device, budget.minutes)
    of_volumes = volume_preset(budget.device, reach(facts, budget))
    if facts.is_volume and settings["name"] == of_volumes.spec.name:
        return of_volumes
    return Preset("", "", ModelSpec(settings["name"]))


def _decided(
    rules: Sequence[Rule], facts: Facts, budget: Budget, settings: dict[str, Any]
) -> Iterator[Reason]:
    """Reasons of rules, whose values are settings from then on."""
    for rule in rules:
        if rule.__name__ not in settings and (reason := rule(facts, budget, settings)):
            settings[reason.setting] = reason.value
            yield reason


def _of_model(
    base: Preset, facts: Facts, budget: Budget, settings: dict[str, Any]
) -> Iterator[Reason]:
    """Reasons that need the whole model."""
    for setting, choose in (("weights", imagenet_weights), ("batch_size", batch_size)):
        if setting in settings:
            continue
        if reason := choose(*_models(base, budget, settings), facts, budget):
            settings[setting] = reason.value
            yield reason


def _models(
    base: Preset, budget: Budget, settings: Mapping[str, Any]
) -> tuple[ModelSpec, TrainConfig]:
    """Model and training settings: those decided, else those of the preset."""
    of_spec = {n: settings[n] for n in config_fields(ModelSpec) if n in settings}
    of_config = {n: settings[n] for n in config_fields(TrainConfig) if n in settings}
    of_tile = {n: settings[n] for n in ("tile_size", "overlap") if n in settings}
    if "epochs" not in settings:
        of_config |= {"epochs": None, "minutes": settings.get("minutes") or budget.minutes}
    spec = base.spec if settings["name"] == base.spec.name else ModelSpec(settings["name"])
    config = change(base.config, {"tile": change(base.config.tile, of_tile), **of_config})
    return resolve(change(spec, of_spec)), config


def _require_names(given: Mapping[str, object]) -> None:
    if unknown := sorted(map(str, set(given) - FIELDS)):
        raise ValueError(
            f"given holds {', '.join(unknown)}: give names of fields of ModelSpec, TrainConfig or "
            f"TileConfig, such as {', '.join(sorted(FIELDS)[:5])}."
        )


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
