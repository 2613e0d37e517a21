"""Anchors and grids described before training are those that the network then has."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segkit import ModelSpec
from napari_segkit.models import Inputs, build
from napari_segkit.models.instance.object_scales import sizes_text

SIZES = hnp.arrays(np.int64, st.tuples(st.integers(1, 9), st.just(2)), elements=st.integers(1, 999))


@pytest.fixture(
    scope="module", params=[("maskrcnn", "resnet18"), ("maskrcnn", "resnet50"), ("solo", None)]
)
def method(request):
    spec = ModelSpec(request.param[0], encoder=request.param[1] or "resnet18")
    return spec, build(spec, Inputs(1, 2, (1.0, 1.0)))


@given(sizes=SIZES)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_text_matches_the_network(method, sizes):
    spec, network = method
    network.set_sizes(sizes.astype(float))
    assert sizes_text(spec, sizes.astype(float)) == network.sizes_text()


def test_text_for_each_method():
    discs = np.full((5, 2), 20.0)
    light, full = (
        sizes_text(ModelSpec("maskrcnn", encoder=e), discs) for e in ("resnet18", "resnet50")
    )
    assert light == "anchors of 20, 28, 40, 57, 80, 113, 160, 226, 320, 453 pixels"
    assert full == "anchors of 20, 40, 80, 160, 320 pixels"
    assert sizes_text(ModelSpec("solo"), discs) == "grids with cells of 11 pixels"
    assert sizes_text(ModelSpec("unet", objects="distance"), discs) == ""
    assert sizes_text(ModelSpec("solo"), discs[:0]) == ""
