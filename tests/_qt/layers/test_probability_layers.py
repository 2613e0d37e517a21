import numpy as np
import pytest
from napari.components import ViewerModel

from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.probability_layers import show_probabilities
from napari_segkit._qt.layers.refine_layers import find_probabilities
from napari_segkit._qt.layers.result_layers import LayerWriter
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit.images.classes import LabelClass
from napari_segkit.label_result import LabelResult

CLASSES = (LabelClass(1, "nuclei", "#ff0000"), LabelClass(2, "cells", "#00ff00"))
OTHERS = (CLASSES[0], LabelClass(2, "walls", "#00ff00"))


@pytest.fixture
def predict():
    """A function that predicts the image of a viewer; `probability` is that of the first class."""
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((8, 9)), name="coins")
    registry = LayerRegistry(viewer)

    def predict(probability=None, classes=CLASSES):
        maps = None
        if probability is not None:
            maps = np.stack(
                [np.full((8, 9), p, np.float32) for p in (probability, 1 - probability)]
            )
        result = LabelResult(np.ones((8, 9), np.uint8), "YX", classes, probabilities=maps)
        writer = LayerWriter(registry, snapshot(image))
        writer.prepare(result)
        layer = writer.write(result)
        return viewer, layer, registry.probabilities_of(layer)

    return predict


def names(viewer):
    return [layer.name for layer in viewer.layers if "prediction:" in layer.name]


def test_probability_layers_follow_the_next_prediction(predict):
    shown = show_probabilities(*predict(0.75))
    viewer, layer, maps = predict(0.25)
    assert [float(x.data.mean()) for x in shown] == [0.25, 0.75]
    assert show_probabilities(viewer, layer, maps) == shown
    assert names(viewer) == ["coins prediction: nuclei", "coins prediction: cells"]


@pytest.mark.parametrize(("probability", "classes"), [(None, CLASSES), (0.25, OTHERS)])
def test_probabilities_that_are_no_longer_predicted_are_called_earlier(
    predict, probability, classes
):
    shown = show_probabilities(*predict(0.75))
    viewer, *_ = predict(probability, classes)
    earlier = ["coins prediction: nuclei (earlier)", "coins prediction: cells (earlier)"]
    assert names(viewer) == earlier
    assert [float(x.data.mean()) for x in shown] == [0.75, 0.25]
    again = show_probabilities(*predict(0.5))
    assert names(viewer) == [*earlier, "coins prediction: nuclei", "coins prediction: cells"]
    for layers, expected in (shown, [0.75, 0.25]), (again, [0.5, 0.5]):
        stored = find_probabilities(viewer, layers[1])
        assert np.asarray(stored.maps).mean(axis=(1, 2)).tolist() == expected
