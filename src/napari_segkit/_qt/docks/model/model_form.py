"""Form for `ModelSpec`; the choices depend on the method."""

from functools import cache

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import show_row, validation_error
from napari_segkit._qt.widgets.fields import disable_items
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.model_summary import OBJECTS_BY
from napari_segkit.config import FeatureConfig, ModelSpec
from napari_segkit.config.options import Options
from napari_segkit.models import ModelInfo, choose_ndim, families, list_models, model_info, resolve
from napari_segkit.models.weights.pretrained import available

from .encoder_choice import EncoderChoice
from .method_list import MethodList
from .weights_choice import WeightsChoice

DIMS = ("2D", "3D")
LETTERS = 10


class ModelForm(Form[ModelSpec]):
    """Method, encoder, weights, dimensions, objects, and features of a pixel classifier."""

    def __init__(self) -> None:
        self._method = ""
        self.methods, encoder = MethodList(), EncoderChoice()
        self.methods.changed.connect(self._on_method)  # before `changed` of the form is emitted
        encoder.changed.connect(self._on_encoder)
        objects = [(text, value) for value, (text, _) in OBJECTS_BY.items()]
        widgets = {
            "name": self.methods,
            "encoder": encoder,
            "weights": WeightsChoice(),
            "objects": Choice(
                objects, letters=LETTERS, tips=[tip for _, tip in OBJECTS_BY.values()]
            ),
        }
        super().__init__(ModelSpec, widgets=widgets)
        self._on_method()

    @property
    def info(self) -> ModelInfo:
        return model_info(self.methods.value)

    @property
    def problem(self) -> str | None:
        """Why the model cannot be built, None if it can."""
        info, encoder = self.info, self.encoder.value
        if encoder in info.encoders or (info.any_timm and encoder.startswith("tu-")):
            return validation_error(lambda: resolve(self.value))
        timm = ', or type "tu-" and the name of a timm model' if info.any_timm else ""
        return f"{info.title} has no encoder {encoder!r}: choose one from the list{timm}."

    def problem_with(self, axes: str | None) -> str | None:
        """Why the model cannot be built, or does not fit image axes (None: unknown)."""
        return self.problem or validation_error(lambda: _require_axes(self.value, axes))

    def disable_incompatible(self, axes: str | None) -> None:
        """Grey out methods and dimensions that do not fit image axes, None if unknown."""
        name, dims = self.methods.value, self.dims.value
        methods = {
            i.name: incompatibility(i.name, _valid_dims(dims, i), axes) for i in list_models()
        }
        self.methods.disable({n: reason for n, reason in methods.items() if reason})
        choices = {d: incompatibility(name, d, axes) for d in DIMS}
        disable_items(self.dims.native, {d: reason for d, reason in choices.items() if reason})

    def disable_missing_weights(self, available: tuple[str, ...]) -> None:
        """Grey out weights that do not exist; for timm encoders this is known after a look-up."""
        reason = f"Not available for the encoder {self.encoder.value}."
        missing = set(self.info.weights) - set(available)
        disable_items(self.weights.native, dict.fromkeys(missing, reason))

    def _on_method(self) -> None:
        """Update all choices for a new method; values that are still valid stay."""
        with self.changed.blocked():
            before, self._method = self._method, self.methods.value
            self._offer_encoders(before)
            self._on_encoder()
            self.dims.value = _valid_dims(self.dims.value, self.info)
            self._offer_objects()
            self._offer_options()
            self._offer_neighbours()
            if not self.info.features:
                self.features.value = FeatureConfig()
            self.sections["features"].setVisible(self.info.features)

    def _on_encoder(self) -> None:
        """Update the choice of weights; timm encoders are looked up later."""
        encoder = self.encoder.value
        spec = ModelSpec(self.methods.value, encoder=encoder)
        names = self.info.weights if encoder.startswith("tu-") else available(spec)
        is_network = not self.info.features or encoder != self.info.encoders[0]
        with self.changed.blocked():
            self.weights.offer_pretrained(names)
            if not is_network:
                self.weights.value = None
            show_row(self.weights, is_network)

    def _offer_objects(self) -> None:
        """Show the choice of objects for semantic methods only."""
        semantic = not self.info.has_masks
        if not semantic:
            self.objects.value = None
        show_row(self.objects, semantic)

    def _offer_neighbours(self) -> None:
        """Show the number of neighbouring slices for networks only."""
        is_network = not self.info.features
        if not is_network:
            self.neighbour_slices.value = 0
        show_row(self.neighbour_slices, is_network)

    def _offer_options(self) -> None:
        """Show the line for the options of the method's builder, and forget those of another."""
        names, line = self.info.options, self["options"]  # the attribute is one of magicgui
        if not set(line.value) <= set(names):
            line.value = Options({})
        line.native.setPlaceholderText(f"{names[0]}=…" if names else "")
        line.tooltip = f"{self._tips['options']}<p>{', '.join(names)}</p>"
        show_row(line, bool(names))

    def _offer_encoders(self, before: str) -> None:
        """Keep an encoder that was chosen, replace a default one by the new method's default."""
        encoder, info = self.encoder.value, self.info
        is_default = not before or encoder == model_info(before).encoders[0]
        self.encoder.offer(info.encoders, editable=info.any_timm)
        self.row_label("encoder").setText("Size" if info.family is families.monai else "Encoder")
        if is_default or encoder not in info.encoders:
            self.encoder.value = info.encoders[0]


def _valid_dims(dims: str, info: ModelInfo) -> str:
    """Return `dims` if the method supports them, else "auto"."""
    return dims if dims in (f"{n}D" for n in info.dims) else "auto"


def _require_axes(spec: ModelSpec, axes: str | None) -> None:
    if axes is not None:
        choose_ndim(spec, axes)


@cache
def incompatibility(name: str, dims: str, axes: str | None) -> str | None:
    """Why a method does not fit image axes (None: unknown), None if it fits."""

    def check() -> None:
        _require_axes(resolve(ModelSpec(name, dims=dims)), axes)  # type: ignore[arg-type]

    return validation_error(check)
