"""The form for a model: what can be chosen follows the method."""

from napari_segkit._qt.widgets.dock import problem_of
from napari_segkit._qt.widgets.fields import refuse
from napari_segkit._qt.widgets.forms import Form
from napari_segkit.config import FeatureConfig, ModelSpec
from napari_segkit.models import ModelInfo, choose_ndim, list_models, model_info, resolve
from napari_segkit.models.weights.pretrained import available

from .encoder_choice import EncoderChoice
from .method_list import MethodList
from .objects_choice import ObjectsChoice
from .weights_choice import WeightsChoice

DIMS = ("2D", "3D")


class ModelForm(Form):
    """Method, encoder, weights, dimensions, objects, and the features of a pixel classifier.

    Attributes
    ----------
    methods : MethodList
        The method.
    encoder : EncoderChoice
        Its encoder.
    weights : WeightsChoice
        What its weights start from.
    objects : ObjectsChoice
        How it is to give objects, where it gives classes by itself.
    """

    def __init__(self) -> None:
        self._method = self._encoder = ""
        self.methods = MethodList()
        self.encoder, self.weights = EncoderChoice(), WeightsChoice()
        self.objects = ObjectsChoice()
        own = {"name": self.methods, "encoder": self.encoder, "weights": self.weights}
        super().__init__(ModelSpec, widgets=own | {"objects": self.objects})
        self._follow_method()

    @property
    def info(self) -> ModelInfo:
        """What is known of the chosen method."""
        return model_info(self.methods.value())

    @property
    def problem(self) -> str | None:
        """Why no such model can be made, in one sentence; None where it can."""
        info, encoder = self.info, self.encoder.value()
        if encoder in info.encoders or (info.any_timm and encoder.startswith("tu-")):
            return problem_of(lambda: resolve(self.value()))
        more = ', or type "tu-" and the name of a timm model' if info.any_timm else ""
        return f"{info.title} has no encoder {encoder!r}: choose one of the list{more}."

    def fit_to(self, axes: str | None) -> None:
        """Grey out what does not go with images of these axes; None where they are not known."""
        name, dims = self.methods.value(), self.field("dims").value()
        known = {i.name: misfit(i.name, _kept(dims, i), axes) for i in list_models()}
        self.methods.refuse({n: reason for n, reason in known.items() if reason})
        choices = {d: misfit(name, d, axes) for d in DIMS}
        refuse(self.field("dims"), {d: reason for d, reason in choices.items() if reason})

    def offer_weights(self, words: tuple[str, ...]) -> None:
        """Grey out those weights that there are not; of timm's encoders this is known late."""
        reason = f"There are no such weights for {self.encoder.value()}."
        refuse(self.weights, {w: reason for w in self.info.weights if w not in words})

    def _on_field(self) -> None:
        blocked = self.blockSignals(True)
        if self.methods.value() != self._method:
            self._follow_method()
        if self.encoder.value() != self._encoder:
            self._follow_encoder()
        self.blockSignals(blocked)
        super()._on_field()

    def _follow_method(self) -> None:
        """Offer what the method takes; what was chosen stays where it still can be."""
        before, self._method = self._method, self.methods.value()
        self._offer_encoders(before)
        self._follow_encoder()
        self.field("dims").set_value(_kept(self.field("dims").value(), self.info))
        self._offer_objects()
        if not self.info.features:
            self.field("features").set_value(FeatureConfig())
        self.sections["features"].setVisible(self.info.features)

    def _follow_encoder(self) -> None:
        """Offer the weights that there are for it, as far as that is known without timm."""
        self._encoder = self.encoder.value()
        timm = self._encoder.startswith("tu-")
        spec = ModelSpec(self._method, encoder=self._encoder)
        self.weights.set_choices(self.info.weights if timm else available(spec))
        counts = not self.info.features or self._encoder != self.info.encoders[0]
        if not counts:
            self.weights.set_value(None)
        self.weights.setVisible(counts)
        self.label("weights").setVisible(counts)

    def _offer_objects(self) -> None:
        """What gives objects by itself has no choice."""
        counts = self.info.kind == "semantic"
        if not counts:
            self.objects.set_value(None)
        self.objects.setVisible(counts)
        self.label("objects").setVisible(counts)

    def _offer_encoders(self, before: str) -> None:
        """A default gives way to the new method's own."""
        held, info = self.encoder.value(), self.info
        default = not before or held == model_info(before).encoders[0]
        self.encoder.set_choices(info.encoders, typed=info.any_timm)
        self.label("encoder").setText("Size" if info.family == "monai" else "Encoder")
        if default or held not in info.encoders:
            self.encoder.set_value(info.encoders[0])


def _kept(dims: str, info: ModelInfo) -> str:
    """What becomes of chosen dimensions when a method is chosen that may not have them."""
    return dims if dims in (f"{n}D" for n in info.dims) else "auto"


def misfit(name: str, dims: str, axes: str | None) -> str | None:
    """Why a method does not go with images of these axes; None where it does.

    Parameters
    ----------
    name : str
        The method.
    dims : str
        As in `ModelSpec`.
    axes : str or None
        Of the image; None where they are not known.
    """

    def try_it() -> None:
        spec = resolve(ModelSpec(name, dims=dims))  # type: ignore[arg-type]
        if axes is not None:
            choose_ndim(spec, axes)

    return problem_of(try_it)
