"""Form for `ModelSpec`; the choices depend on the method."""

from functools import cache

from napari_segkit._qt.widgets.dock import validation_error
from napari_segkit._qt.widgets.fields import disable_items
from napari_segkit._qt.widgets.forms import Form
from napari_segkit.config import FeatureConfig, ModelSpec
from napari_segkit.models import (
    ModelInfo,
    choose_ndim,
    families,
    list_models,
    model_info,
    resolve,
)
from napari_segkit.models.weights.pretrained import available

from .encoder_choice import EncoderChoice
from .method_list import MethodList
from .objects_choice import ObjectsChoice
from .weights_choice import WeightsChoice

DIMS = ("2D", "3D")


class ModelForm(Form):
    """Method, encoder, weights, dimensions, objects, and features of a pixel classifier."""

    def __init__(self) -> None:
        self._method = self._encoder = ""
        self.methods = MethodList()
        self.encoder, self.weights = EncoderChoice(), WeightsChoice()
        self.objects = ObjectsChoice()
        widgets = {
            "name": self.methods,
            "encoder": self.encoder,
            "weights": self.weights,
            "objects": self.objects,
        }
        super().__init__(ModelSpec, widgets=widgets)
        self._follow_method()

    @property
    def info(self) -> ModelInfo:
        return model_info(self.methods.value())

    @property
    def problem(self) -> str | None:
        """Why the model cannot be built, None if it can."""
        info, encoder = self.info, self.encoder.value()
        if encoder in info.encoders or (info.any_timm and encoder.startswith("tu-")):
            return validation_error(lambda: resolve(self.value()))
        timm = ', or type "tu-" and the name of a timm model' if info.any_timm else ""
        return f"{info.title} has no encoder {encoder!r}: choose one from the list{timm}."

    def disable_incompatible(self, axes: str | None) -> None:
        """Grey out methods and dimensions that do not fit image axes, None if unknown."""
        name, dims = self.methods.value(), self.field("dims").value()
        methods = {
            i.name: incompatibility(i.name, _valid_dims(dims, i), axes) for i in list_models()
        }
        self.methods.disable({n: reason for n, reason in methods.items() if reason})
        choices = {d: incompatibility(name, d, axes) for d in DIMS}
        disable_items(self.field("dims"), {d: reason for d, reason in choices.items() if reason})

    def disable_missing_weights(self, available: tuple[str, ...]) -> None:
        """Grey out weights that do not exist; for timm encoders this is known after a look-up."""
        reason = f"Not available for the encoder {self.encoder.value()}."
        disable_items(self.weights, {w: reason for w in self.info.weights if w not in available})

    def _on_field(self) -> None:
        blocked = self.blockSignals(True)
        if self.methods.value() != self._method:
            self._follow_method()
        if self.encoder.value() != self._encoder:
            self._follow_encoder()
        self.blockSignals(blocked)
        super()._on_field()

    def _follow_method(self) -> None:
        """Update all choices for a new method; values that are still valid stay."""
        before, self._method = self._method, self.methods.value()
        self._offer_encoders(before)
        self._follow_encoder()
        self.field("dims").set_value(_valid_dims(self.field("dims").value(), self.info))
        self._offer_objects()
        if not self.info.features:
            self.field("features").set_value(FeatureConfig())
        self.sections["features"].setVisible(self.info.features)

    def _follow_encoder(self) -> None:
        """Update the choice of weights; timm encoders are looked up later."""
        self._encoder = self.encoder.value()
        timm = self._encoder.startswith("tu-")
        spec = ModelSpec(self._method, encoder=self._encoder)
        self.weights.set_choices(self.info.weights if timm else available(spec))
        is_network = not self.info.features or self._encoder != self.info.encoders[0]
        if not is_network:
            self.weights.set_value(None)
        self.weights.setVisible(is_network)
        self.label("weights").setVisible(is_network)

    def _offer_objects(self) -> None:
        """Show the choice of objects for semantic methods only."""
        semantic = not self.info.has_masks
        if not semantic:
            self.objects.set_value(None)
        self.objects.setVisible(semantic)
        self.label("objects").setVisible(semantic)

    def _offer_encoders(self, before: str) -> None:
        """Keep an encoder that was chosen, replace a default one by the new method's default."""
        encoder, info = self.encoder.value(), self.info
        is_default = not before or encoder == model_info(before).encoders[0]
        self.encoder.set_choices(info.encoders, editable=info.any_timm)
        self.label("encoder").setText("Size" if info.family is families.monai else "Encoder")
        if is_default or encoder not in info.encoders:
            self.encoder.set_value(info.encoders[0])


def _valid_dims(dims: str, info: ModelInfo) -> str:
    """Return `dims` if the method supports them, else "auto"."""
    return dims if dims in (f"{n}D" for n in info.dims) else "auto"


@cache
def incompatibility(name: str, dims: str, axes: str | None) -> str | None:
    """Why a method does not fit image axes (None: unknown), None if it fits."""

    def check() -> None:
        spec = resolve(ModelSpec(name, dims=dims))  # type: ignore[arg-type]
        if axes is not None:
            choose_ndim(spec, axes)

    return validation_error(check)
