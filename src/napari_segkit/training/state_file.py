"""The file of a training's state: read it, and compare it with the training that goes on."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.config._schema import config_fields, from_dict, to_dict
from napari_segkit.io.checked_json import MALFORMED, first_line
from napari_segkit.models.tensor_checks import UNBOUNDED
from napari_segkit.tensor_file import (
    Tensors,
    has_checksum,
    read_tensors,
    require_finite_tensors,
    require_regular_file,
)

FORMAT = 2  # 1: the history is in the header
KEY = "segkit-training"
# What versions did that had no such setting, where it is not what is now the default.
THEN: Mapping[str, object] = {"validation": None, "precision": "float32"}

Fingerprints = tuple[str, str, str]  # name of an image, fingerprints of it and of its labels


def model_settings(spec: ModelSpec, config: TrainConfig) -> dict[str, object]:
    """Model and settings by name, as a state keeps them; of a weights file only its name."""
    return {
        "model": spec.name,
        **{k: v for k, v in to_dict(spec).items() if k != "name"},
        "weights": spec.weights and Path(spec.weights).name,
        **to_dict(config),
    }


def read_settings(path: Path) -> tuple[ModelSpec, TrainConfig]:
    """Model and settings of a training whose state was saved; errors as in `TrainingState.load`."""
    return read_configs(read_file(path)[0]["settings"], path)


def resumed_config(path: Path, config: TrainConfig | None) -> TrainConfig:
    """The settings to go on with: those given, or if there are none, those of a saved state.

    Defaults of settings that the version which saved it did not know become what it did. So does
    the number of tiles in a batch, which no training depends on.
    """
    settings = read_file(path)[0]["settings"]
    _, saved = read_configs(settings, path)
    if config is None:
        return saved
    default = TrainConfig()
    unknown = [name for name in THEN if name not in settings]
    unknown += ["augment"] * ("upright" not in _changes(settings["augment"]))
    as_then = {
        name: getattr(saved, name)
        for name in unknown
        if getattr(config, name) == getattr(default, name)
    }
    tile = replace(config.tile, batch_size=saved.tile.batch_size)
    return replace(config, tile=tile, **as_then)


def require_settings(path: Path, spec: ModelSpec, config: TrainConfig) -> None:
    """Refuse another model or other settings than those of a saved state, and name the first."""
    saved, given = (model_settings(*pair) for pair in (read_settings(path), (spec, config)))
    require_equal(saved, given, path.name)


def read_configs(settings: Mapping[str, Any], path: Path) -> tuple[ModelSpec, TrainConfig]:
    """Model and settings, also as earlier versions wrote them."""
    try:
        named = {**THEN, **settings} | {"name": settings["model"]}
        named["augment"] = {"upright": "no"} | _changes(settings["augment"])
        spec = {k: named[k] for k in config_fields(ModelSpec) if k in named}
        config = {k: named[k] for k in config_fields(TrainConfig) if k in named}
        return from_dict(ModelSpec, spec), from_dict(TrainConfig, config)
    except MALFORMED as error:
        raise damaged(path, error) from None


def _changes(augment: bool | Mapping[str, object]) -> dict[str, object]:
    """Settings of the augmentation, which was a switch in earlier versions."""
    return {"augment": augment} if isinstance(augment, bool) else dict(augment)


def damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path.name} is a damaged training state ({first_line(error)}): choose another."
    )


def read_file(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Header and tensors of a file that `TrainingState.save` wrote."""
    require_regular_file(path, "training state")
    try:
        header, tensors = read_tensors(path, KEY)
        number, header["settings"] = int(header["format"]), dict(header["settings"])
        require_finite_tensors(tensors, UNBOUNDED)
    except MALFORMED as error:
        raise ValueError(
            f"{path.name} is not a complete training state ({first_line(error)}): choose a "
            "file that a Checkpoint of a training wrote."
        ) from None
    if not has_checksum(header):
        warnings.warn(
            f"{path.name} has no checksum, because an earlier version of napari-segkit wrote it: "
            "damage to it may go unnoticed.",
            UserWarning,
            stacklevel=3,
        )
    if number > FORMAT:
        raise ValueError(
            f"{path.name} was saved by a newer napari-segkit: update napari-segkit to resume."
        )
    return header, tensors


def require_equal(saved: Mapping[str, object], current: Mapping[str, object], name: str) -> None:
    """Refuse to go on with another model, other classes or settings, and name the first."""
    before, now = dict(_each(saved)), dict(_each(current))
    for key in {**now, **before}:
        if before.get(key) != now.get(key):
            raise ValueError(
                f"{name} is the state of a training with {key} {_text(before.get(key))}, but this "
                f"one has {_text(now.get(key))}: resume with the same model, classes and "
                "settings, or train without resume."
            )


def _each(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Settings as read from a file, those of nested ones by names such as "tile.overlap"."""
    for name, value in json.loads(json.dumps(settings)).items():
        if isinstance(value, dict):
            yield from _each(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def require_same_images(
    saved: Sequence[Sequence[str]], current: Sequence[Fingerprints], name: str
) -> None:
    """Refuse to go on with other images or labels, and name the first."""
    if len(saved) != len(current):
        images = "1 image" if len(saved) == 1 else f"{len(saved)} images"
        different = f"of a training on {images}, but {len(current)} are given"
    elif changed := list(_changed(saved, current)):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        different = f"of another training: the pixels of the {changed[0]}{more} have changed"
    else:
        return
    raise ValueError(
        f"{name} is the state {different}. Resume with the same images and labels, or train "
        "without resume."
    )


def _changed(saved: Sequence[Sequence[str]], current: Sequence[Fingerprints]) -> Iterator[str]:
    for (_, image, labels), (name, image_now, labels_now) in zip(saved, current, strict=True):
        if image != image_now:
            yield name
        elif labels != labels_now:
            yield f"labels of {name}"


def _text(value: object) -> str:
    """A setting as a person reads it: lists without brackets."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
