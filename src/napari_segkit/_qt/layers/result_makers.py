"""What made a result: which results replace each other, and what tells the others apart."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from napari_segkit.config import CleanConfig, PredictConfig, RefineConfig
from napari_segkit.config._schema import nested, to_dict
from napari_segkit.models import model_info

from .layer_registry import LayerRegistry

MAX_LENGTH = 60  # of a description in the name of a layer
Values: TypeAlias = Mapping[str, Any]
SMOOTHERS = nested(RefineConfig)
# settings of `PredictConfig` that change labels
NETWORK = ("precision", "flips", "three_axes", "passes")


@dataclass(frozen=True)
class Maker:
    """The model and the settings behind a result."""

    model: Values
    settings: Values  # of the network, and of the refinement afterwards or while predicting

    @classmethod
    def of(cls, provenance: Values) -> "Maker":
        """Read the provenance of a result."""
        model, refined = provenance.get("model"), provenance.get("refined")
        settings = _settings(provenance.get("refine") or {})
        if refined is not None:
            place = {"input": refined.get("start"), "axes": refined.get("axes")}
            settings = _settings(refined.get("config", {})) | place
        settings |= _network_settings(provenance)
        return cls(model if isinstance(model, Mapping) else {}, settings)

    @property
    def id(self) -> str:
        """Id of the training."""
        return str(self.model.get("id", ""))

    def is_same_model(self, registry: LayerRegistry, other: "Maker") -> bool:
        """Whether both are one model, which may have been trained again."""
        return registry.first_training(self.id) == registry.first_training(other.id)

    def may_replace(self, registry: LayerRegistry, other: "Maker") -> bool:
        """Whether its results update those of the other one, instead of standing beside them."""
        return self.is_same_model(registry, other) and self.settings == other.settings

    def description(self, registry: LayerRegistry, other: "Maker") -> str:
        """What tells it apart from another one: the model, the settings, or both."""
        parts = self._differences(other.settings)
        if not self.is_same_model(registry, other):
            parts.insert(0, registry.model_name(self.id) or self._method())
        text = ", ".join(parts) or "default settings"
        return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]} …"

    def _method(self) -> str:
        """Method and encoder."""
        try:
            title = model_info(self.model["name"]).title
        except (KeyError, ValueError):
            return "another model"
        return f"{title} {self.model.get('encoder') or ''}".strip()

    def _differences(self, others: Values) -> list[str]:
        method = self.settings.get("smoothing")
        known = dict(others)
        if method != others.get("smoothing"):  # then only what is not by default
            known |= to_dict(SMOOTHERS[method]()) if method in SMOOTHERS else {}
        changed = {k: v for k, v in self.settings.items() if known.get(k) != v}
        gone = [f"no {k}" for k in others if k.startswith("class ") and k not in self.settings]
        return [_text(k, v) for k, v in changed.items()] + gone


def _network_settings(provenance: Values) -> dict[str, Any]:
    """How the network was applied, where it is not by default."""
    default = to_dict(PredictConfig())
    used = {name: provenance.get(name, default[name]) for name in NETWORK}
    return {name: value for name, value in used.items() if value != default[name]}


def _settings(config: Values) -> dict[str, Any]:
    """The smoothing method with its settings, and what each class is cleaned up by."""
    method, clean = str(config.get("method") or "no"), config.get("clean", ())
    default = asdict(CleanConfig())
    steps = {
        f"class {step['value']} {name}": value
        for step in clean
        for name, value in step.items()
        if name != "value" and default.get(name) != value
    }
    return {"smoothing": method} | dict(config.get(method, {})) | steps


def _text(name: str, value: object) -> str:
    if name == "smoothing":
        return f"{value} smoothing" if value == "no" else str(value)
    if value is True:
        return name
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_', ' ')} {shown}"
