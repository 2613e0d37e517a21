"""What this package records in a napari layer's metadata, under the key "segkit"."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields
from typing import Any

from .classes import LabelClass
from .types import LayerLike

KEY = "segkit"


@dataclass(frozen=True)
class LayerMetadata:
    """Record of a layer that this package made; of an image at most the axes chosen for it."""

    kind: str = ""  # "prediction", "objects", "refined", "superpixels", "probability", ...
    source: str = ""  # `unique_id` of the layer it was made from
    layer: tuple[str, ...] = ()  # `unique_id` and name when written: a copy has others
    classes: tuple[LabelClass, ...] = ()
    fingerprint: str = ""  # of the pixels as written
    provenance: Mapping[str, Any] = field(default_factory=dict)  # all other keys
    chosen_axes: str = ""  # of an image, by a person

    @classmethod
    def of(cls, layer: LayerLike) -> "LayerMetadata":
        """Read the record of a layer."""
        return cls.from_dict(layer.metadata.get(KEY, {}))

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "LayerMetadata":
        """Inverse of `to_dict`."""
        return cls(
            kind=record.get("kind", ""),
            source=record.get("source", ""),
            layer=tuple(record.get("layer", ())),
            classes=tuple(LabelClass(*c) for c in record.get("classes", ()) if len(c) == 3),
            fingerprint=record.get("fingerprint", ""),
            chosen_axes=record.get("chosen_axes", ""),
            provenance={k: v for k, v in record.items() if k not in OWN_KEYS},
        )

    def to_dict(self) -> dict[str, Any]:
        """As a dict of plain values, as layers and files keep it; what is empty is left out."""
        own = {
            "kind": self.kind,
            "source": self.source,
            "layer": list(self.layer),
            "classes": [list(astuple(c)) for c in self.classes],
            "fingerprint": self.fingerprint,
            "chosen_axes": self.chosen_axes,
        }
        return {**self.provenance, **{key: value for key, value in own.items() if value}}

    def as_metadata(self) -> dict[str, dict[str, Any]]:
        """As the metadata of a new layer."""
        return {KEY: self.to_dict()}

    def store(self, layer: LayerLike) -> None:
        """Replace the record of a layer."""
        layer.metadata[KEY] = self.to_dict()


OWN_KEYS = {f.name for f in fields(LayerMetadata)} - {"provenance"}
