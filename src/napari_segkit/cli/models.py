"""Models on the command line: the list, the details of one, and the presets."""

from argparse import Action, ArgumentParser, Namespace
from textwrap import fill
from typing import Any

from napari_segkit.config import to_dict
from napari_segkit.models import ModelInfo
from napari_segkit.models.encoders import licence
from napari_segkit.models.presets import preset


class ChoosePreset(Action):
    """An option that sets all others which were not given to what a preset says."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, name: Any, option: str | None = None
    ) -> None:
        """Set them."""
        chosen = preset(name)
        for key, value in (_flat(chosen.spec) | _flat(chosen.config)).items():
            if getattr(namespace, key, None) == parser.get_default(key):
                setattr(namespace, key, value)


def model_line(info: ModelInfo) -> str:
    """A method in one line."""
    return f"{info.name:<22}{info.kind} {_dims(info):<10} {info.title}. {info.about}"


def about_model(info: ModelInfo) -> str:
    """All about a method: dimensions, licence, weights, and every encoder."""
    weights = ", ".join([*info.weights, "a file"])
    return "\n".join(
        (
            f"{info.title} ({info.name}), {info.kind}, {_dims(info)}. {info.about}",
            f"Code: {info.licence}. Weights to start from: {weights}, or none.",
            _filled(f"Encoders or sizes, the first by default: {', '.join(info.encoders)}")
            + (' and "tu-" with the name of any timm model that fits' if info.any_timm else ""),
            *(f"{e}: {licence(e)}" for e in info.encoders if licence(e) and "tu-" not in e),
        )
    )


def _filled(text: str) -> str:
    return fill(text, 100, break_on_hyphens=False)


def _dims(info: ModelInfo) -> str:
    return " and ".join(f"{d}D" for d in sorted(info.dims))


def _flat(config: Any) -> dict[str, Any]:
    """Values by the names of their options; outer ones before those of nested configurations."""
    values = to_dict(config)
    nested = [part for part in values.values() if isinstance(part, dict)]
    inner = {key: value for part in nested for key, value in part.items()}
    return inner | {key: v for key, v in values.items() if not isinstance(v, dict)}
