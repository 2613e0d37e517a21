"""Whatever model a training can make, its file loads again with all that it knows."""

from dataclasses import fields, replace

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_segkit import ModelSpec, RefineConfig, Segmenter, TrainConfig
from napari_segkit.config import CleanConfig
from napari_segkit.config._schema import Checked, config_fields
from napari_segkit.error_messages import printable
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.units import NANOMETRES
from napari_segkit.models import Inputs, build, resolve, stride
from napari_segkit.trained_model import TrainedModel
from napari_segkit.training.tile_sizes import tiles

LIMIT = 2**31 - 1
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def values_of(field):
    """Values of a parameter within its limits."""
    low, high = field.limits.get("min"), field.limits.get("max")
    if field.choices:
        values = st.sampled_from(field.choices)
    elif issubclass(field.kind, Checked):
        values = configs(field.kind)
    elif field.kind is bool:
        values = st.booleans()
    else:
        values = (st.integers if field.items is int else st.floats)(low, high)
        if field.kind is tuple:
            values |= st.tuples(*[values] * field.length)
    return st.none() | values if field.optional else values


@st.composite
def configs(draw, cls, **given_values):
    """A configuration with any allowed values."""
    drawn = {
        name: draw(values_of(field))
        for name, field in config_fields(cls).items()
        if name not in given_values
    }
    if drawn.get("overlap") is not None and drawn["tile_size"] is not None:
        drawn["overlap"] = min(drawn["overlap"], drawn["tile_size"] // 2)
    return cls(**drawn, **given_values)


@st.composite
def models(draw):
    """A model as a training of the pixel classifier makes it, without the training."""
    ndim, channels = draw(st.sampled_from([2, 3])), draw(st.integers(1, 5))
    values = sorted(draw(st.sets(st.integers(0, LIMIT), min_size=2, max_size=30)))
    classes = tuple(
        LabelClass(value, draw(st.text(max_size=1000)), f"#{draw(st.integers(0, 0xFFFFFF)):06x}")
        for value in values
    )
    size = st.floats(1e-300, 1e30)
    spacing = draw(st.tuples(size, size, size))
    shape = draw(st.lists(st.integers(1, 500), min_size=ndim, max_size=ndim))
    image = as_image(np.broadcast_to(np.uint8(0), shape), "ZYX"[-ndim:])
    unset = draw(st.sampled_from(["resize", "voxel_size"])) if ndim == 2 else "resize"
    config = draw(configs(TrainConfig, epochs=20, three_axes=False, **{unset: None}))
    spec = resolve(ModelSpec("pixels", dims=f"{ndim}D"))
    inputs = Inputs(channels, len(classes), spacing[-ndim:])
    try:
        _, tile_size, overlap = tiles([image], config, stride(spec, inputs.spacing))
    except ValueError:  # the overlap is too long for the tile, which is said before a training
        config = replace(config, tile=type(config.tile)())
        _, tile_size, overlap = tiles([image], config, stride(spec, inputs.spacing))
    lows = tuple(draw(st.lists(NUMBERS, min_size=channels, max_size=channels)))
    cleaned = draw(st.lists(st.sampled_from(values), max_size=10))
    clean = tuple(draw(configs(CleanConfig, value=value)) for value in cleaned)
    return TrainedModel(
        network=build(spec, inputs).eval(),
        spec=spec,
        config=config,
        classes=classes,
        channels=channels,
        axes=image.axes,
        spacing=spacing,
        tile_size=tile_size,
        overlap=overlap,
        unit=draw(st.sampled_from(["", *NANOMETRES])),
        nonzero=draw(st.booleans()),
        patch=draw(st.sampled_from([(), (64,) * ndim])),
        object_size=draw(st.floats(0, 1e5)),
        statistics=Statistics(lows, lows) if config.normalise == "training" else None,
        contrast=tuple(map(abs, lows)),
        white=float(draw(st.sampled_from([1, 255, 65535, 2**64 - 1]))),
        history=tuple(draw(st.lists(NUMBERS, max_size=5))),
        provenance={"images": draw(st.lists(st.text(), max_size=3)), "id": "a"},
        refine=draw(configs(RefineConfig, clean=clean)),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(models())
def test_every_model_loads_again(tmp_path_factory, model):
    path = tmp_path_factory.getbasetemp() / "any.segkit"
    Segmenter.of_trained(model, device="cpu").save(path)
    loaded = Segmenter.load(path, device="cpu").trained
    named = tuple(replace(c, name=printable(c.name)) for c in model.classes)
    assert loaded.classes == named
    for field in fields(TrainedModel):
        if field.name not in ("network", "classes", "provenance"):
            assert getattr(loaded, field.name) == getattr(model, field.name), field.name
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor)
