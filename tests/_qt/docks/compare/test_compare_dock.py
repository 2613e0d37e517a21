"""The Compare dock: what is ticked is compared, shown in its colour, and trained if asked."""

import numpy as np
import pytest

from napari_segkit import evaluate
from napari_segkit._qt.docks.compare.compare_dock import CompareDock
from napari_segkit.images.layer_metadata import LayerMetadata

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 60, (48, 56)).astype(np.uint8)
TRUTH = np.ones(IMAGE.shape, np.uint8)
TRUTH[12:36, 10:40] = 2
IMAGE[TRUTH == 2] += 150
SCRIBBLES = np.where(np.indices(IMAGE.shape)[0] % 6 == 0, TRUTH, 0).astype(np.uint8)


@pytest.fixture
def dock(light_viewer):
    light_viewer.add_image(IMAGE, name="image")
    light_viewer.add_labels(SCRIBBLES, name="scribbles")
    light_viewer.add_labels(TRUTH, name="truth")
    for shift in (1, 4):
        name = f"prediction {shift}"
        light_viewer.add_labels(np.roll(TRUTH, shift, axis=0), name=name)
    dock = CompareDock(light_viewer)
    light_viewer.window.add_dock_widget(dock)
    return dock


def press(qtbot, dock, button):
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        button.click()


def texts(dock):
    table = dock.results.table
    return [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount())]


def shown(dock):
    return {x.name: x for x in dock.viewer.layers if "(compared)" in x.name}


def test_predictions_are_compared_with_the_truth(dock, qtbot, tmp_path):
    assert (dock.image.value.name, dock.truth.value.name) == ("image", "truth")
    press(qtbot, dock, dock.bar.button)
    expected = evaluate(np.roll(TRUTH, 4, axis=0), TRUTH)
    figures = [f"{expected.mean_iou:.3f}", f"{expected.mean_dice:.3f}"]
    assert texts(dock)[0] == ["prediction 4", *figures]
    assert dock.results.comparison.best == "prediction 1"
    layers = shown(dock)
    assert list(layers) == ["prediction 4 (compared)", "prediction 1 (compared)"]
    assert all(layer.contour == 2 for layer in layers.values())
    assert len({tuple(layer.get_color(1)) for layer in layers.values()}) == 2
    dock.shown.choice.value = "prediction 1"
    assert [layer.visible for layer in layers.values()] == [False, True]
    dock.results.save_page(tmp_path / "page")
    qtbot.waitUntil(lambda: (tmp_path / "page.html").exists())


def test_results_of_other_options_are_marked(dock, qtbot):
    press(qtbot, dock, dock.bar.button)
    dock.semantics.unlabelled.value = 0
    assert dock.results.table.item(0, 1).font().strikeOut()
    dock.semantics.unlabelled.value = None
    assert not dock.results.table.item(0, 1).font().strikeOut()


def test_what_is_shown_is_no_prediction_to_compare(dock, qtbot):
    press(qtbot, dock, dock.bar.button)
    assert all(LayerMetadata.of(x).kind == "preview" for x in shown(dock).values())
    dock.compared.update_list()
    assert dock.compared.names() == ["prediction 4", "prediction 1"]
    press(qtbot, dock, dock.bar.button)
    assert len(shown(dock)) == 2


def test_without_a_tick_nothing_is_compared(dock):
    for row in range(dock.compared.count()):
        dock.compared.item(row).setCheckState(dock.compared.item(row).checkState().Unchecked)
    dock.wait_idle()
    assert "Nothing is ticked" in dock.bar.reason


def test_methods_are_trained_and_compared(dock, qtbot):
    dock.methods.tick(["pixels"])
    dock.methods.minutes.value = 0.1
    assert dock.labels.value.name == "scribbles"
    press(qtbot, dock, dock.methods.button)
    (row,) = texts(dock)
    assert row[0] == "Pixel classifier"
    (report,) = dock.results.comparison.reports.values()
    assert report.pixels == (SCRIBBLES == 0).sum()
    assert report.mean_iou > 0.8
    assert [x.model.spec.name for x in dock.session.models.all] == ["pixels"]
    assert any(name.startswith("Pixel classifier, ") for name in dock.compared.names())
