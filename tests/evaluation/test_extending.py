"""New metrics, added as `docs/extending.md` describes."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from sklearn.metrics import balanced_accuracy_score

from napari_segkit.evaluation import confusion, slab_reader
from napari_segkit.evaluation.confusion import (
    Counts,
    Floats,
    nanmean,
    predicted_pixels,
    ratio,
    recall,
    truth_pixels,
)
from napari_segkit.evaluation.kinds import KINDS
from napari_segkit.evaluation.metric import ImageInfo, Index, Metric
from napari_segkit.evaluation.report import evaluate
from napari_segkit.images.types import Labels


def volumetric_similarity(counts: Counts) -> Floats:
    """Agreement of the sizes of each class, 1 - |FN - FP| / (2 TP + FP + FN); nan where absent."""
    true, predicted = truth_pixels(counts), predicted_pixels(counts)
    return 1 - ratio(abs(true - predicted), true + predicted)


def balanced_accuracy(counts: Counts) -> float:
    """Mean recall of the classes of the truth; nan without pixels."""
    return nanmean(recall(counts))


class BoundaryRecall(Metric):
    """Fraction of the truth's boundary pixels that are boundary in the prediction, too."""

    halo = 1

    def __init__(self, image: ImageInfo) -> None:
        self.unlabelled = image.unlabelled
        self.shared = self.total = 0

    def update(self, prediction: Labels, truth: Labels, core: Index) -> None:
        true, predicted = (_boundary(labels)[core] for labels in (truth, prediction))
        true = true & (truth[core] != self.unlabelled)
        self.shared += int(np.count_nonzero(true & predicted))
        self.total += int(np.count_nonzero(true))

    def __add__(self, other: "BoundaryRecall") -> "BoundaryRecall":
        pooled = BoundaryRecall(ImageInfo(unlabelled=self.unlabelled))
        pooled.shared, pooled.total = self.shared + other.shared, self.total + other.total
        return pooled

    def compute(self) -> dict[str, float]:
        return {"boundary_recall": float(ratio(self.shared, self.total))}


def _boundary(labels: Labels) -> NDArray[np.bool_]:
    """Pixels with a neighbour of another label, or at the end of the image."""
    interior = np.zeros(labels.shape, bool)
    for value in np.unique(labels):
        interior |= binary_erosion(labels == value)
    return ~interior


@pytest.fixture
def new_ratios(monkeypatch):
    monkeypatch.setitem(confusion.RATIOS, "volumetric_similarity", volumetric_similarity)
    monkeypatch.setitem(confusion.RATIOS, "balanced_accuracy", balanced_accuracy)


@pytest.fixture
def new_metric(monkeypatch):
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, extra=(BoundaryRecall,)))


def pair(seed=0, shape=(21, 17)):
    return np.random.default_rng(seed).integers(0, 3, (2, *shape)).astype(np.uint8)


def test_a_ratio_of_the_confusion_matrix_is_a_function_and_a_line(new_ratios):
    prediction, truth = pair()
    report = evaluate(prediction, truth)
    for value in (0, 1, 2):
        true, predicted = (truth == value).sum(), (prediction == value).sum()
        expected = 1 - abs(true - predicted) / (true + predicted)
        assert report.metrics["volumetric_similarity"][value] == pytest.approx(expected)
    expected = balanced_accuracy_score(truth.ravel(), prediction.ravel())
    assert report.metrics["balanced_accuracy"] == pytest.approx(expected)


def test_new_ratios_are_columns_and_rows_of_the_table_and_of_the_text(new_ratios):
    report = evaluate(*pair())
    table = report.table().set_index("class")
    column = table["volumetric_similarity"].dropna().tolist()
    assert column[:3] == [*report.metrics["volumetric_similarity"].values()]
    assert column[3:] == pytest.approx([np.mean(column[:3]), np.mean(column[1:3])])
    assert table.loc["balanced_accuracy", "value"] == report.metrics["balanced_accuracy"]
    assert "balanced_accuracy" in str(report)


@settings(max_examples=6)
@given(rows=st.integers(1, 24), seed=st.integers(0, 999), chunk=st.integers(1, 7))
def test_a_metric_with_a_neighbourhood_is_the_same_slab_by_slab(rows, seed, chunk):
    arrays = [np.kron(a, np.ones((3, 2), np.uint8)) for a in pair(seed, (7, 5))]
    lazy = [da.from_array(a, (chunk, 4)) for a in arrays]
    with pytest.MonkeyPatch.context() as patch:
        for kind, labels_are in (("semantic", "classes"), ("instance", "objects")):
            patch.setitem(KINDS, kind, replace(KINDS[kind], extra=(BoundaryRecall,)))
            options = {"kind": kind, "labels_are": labels_are}
            whole = evaluate(*arrays, **options)
            patch.setattr(slab_reader, "SLAB_PIXELS", rows * arrays[0].shape[1])
            for pixels in (arrays, lazy):
                assert str(evaluate(*pixels, **options).metrics) == str(whole.metrics)
            patch.undo()
            true, predicted = (_boundary(a) for a in arrays[::-1])
            expected = np.count_nonzero(true & predicted) / np.count_nonzero(true)
            assert whole.metrics["boundary_recall"] == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_metric_is_pooled_and_in_the_table_of_its_kind(new_metric, kind):
    first, second = pair(1), pair(2)
    options = {"kind": kind, "labels_are": "classes" if kind == "semantic" else "objects"}
    one, other = evaluate(*first, **options), evaluate(*second, **options)
    pooled = one + other
    boundaries = [[_boundary(a) for a in arrays] for arrays in (first, second)]
    shared = sum(np.count_nonzero(p & t) for p, t in boundaries)
    expected = shared / sum(np.count_nonzero(t) for _, t in boundaries)
    assert pooled.metrics["boundary_recall"] == pytest.approx(expected)
    assert pooled.table()["boundary_recall"].dropna().tolist() == [pytest.approx(expected)]
    assert [r.metrics["boundary_recall"] for r in pooled.images.values()] == [
        one.metrics["boundary_recall"],
        other.metrics["boundary_recall"],
    ]


class Told(Metric):
    """Keeps what a metric is told of its image."""

    def __init__(self, image):
        Told.image = image

    def update(self, prediction, truth, core):
        pass

    def __add__(self, other):
        return self

    def compute(self):
        return {}


@pytest.mark.parametrize(
    ("spacing", "expected"), [(None, (1, 1)), ((2, 3), (2, 3)), ((0.5,), (1, 0.5))]
)
def test_a_metric_is_told_the_spacing_of_each_axis(monkeypatch, spacing, expected):
    monkeypatch.setitem(KINDS, "semantic", replace(KINDS["semantic"], extra=(Told,)))
    evaluate(*pair(), spacing=spacing, unlabelled=2)
    assert Told.image.spacing == expected
    assert Told.image.unlabelled == 2


@pytest.mark.parametrize("spacing", [(1, 0), (1, 1, 1)])
def test_a_wrong_spacing_is_refused(spacing):
    with pytest.raises(ValueError, match="give up to 2 positive numbers"):
        evaluate(*pair(), spacing=spacing)
