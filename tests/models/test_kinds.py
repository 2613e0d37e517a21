"""The table of kinds agrees with the methods and with the tables that choose by kind."""

from types import SimpleNamespace

import pytest

from napari_segkit import ModelSpec
from napari_segkit.evaluation import kinds
from napari_segkit.inference import predict_tiles_of
from napari_segkit.models import KINDS, kind_of, list_models, predicts_objects


def test_every_kind_is_predicted_and_evaluated():
    assert all(callable(predict_tiles_of(SimpleNamespace(kind=kind))) for kind in KINDS)
    assert {kind.metrics for kind in KINDS.values()} == set(kinds.KINDS)
    assert all(name == kind.name for name, kind in KINDS.items())
    assert {info.kind for info in list_models()} < set(KINDS)


@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_methods_predict_objects_as_masks_or_where_pixels_are_separated(info):
    assert predicts_objects(ModelSpec(info.name)) == info.has_masks
    if not info.has_masks:
        separated = ModelSpec(info.name, objects="distance")
        assert kind_of(separated) == "objects"
        assert predicts_objects(separated)
