from types import SimpleNamespace

import pytest

from napari_segkit._qt.layers.result_makers import Maker

PLAIN = {"model": {"id": "a"}, "refine": None, "precision": "float32", "flips": False, "passes": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"precision": "bfloat16"}, "precision bfloat16"), ({"flips": True}, "flips")],
)
def test_results_of_a_network_that_was_applied_otherwise_stand_side_by_side(changes, words):
    registry = SimpleNamespace(first_training=str)
    plain, other = Maker.of(PLAIN), Maker.of(PLAIN | changes)
    assert not other.may_replace(registry, plain)
    assert other.description(registry, plain) == words
    assert plain.description(registry, other) == "default settings"
    earlier = Maker.of({"model": {"id": "a"}, "refine": None})
    assert plain.may_replace(registry, earlier)
