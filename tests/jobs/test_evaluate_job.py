"""The job of an evaluation gives what `evaluate` gives, and the images have names."""

import numpy as np
import pytest

from napari_segkit import evaluate
from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation.report import LabelPair
from napari_segkit.jobs.evaluate import evaluate_job
from napari_segkit.steps import drain

TRUTH = np.kron(np.arange(12).reshape(3, 4), np.ones((4, 4), int))
PREDICTION = np.roll(TRUTH, 1, axis=1)


@pytest.mark.parametrize("kind", ["semantic", "instance", "panoptic"])
def test_the_report_is_that_of_evaluate(kind):
    pairs = [LabelPair(PREDICTION, TRUTH, "a.tif"), LabelPair(TRUTH, TRUTH, "b.tif")]
    labels_are = "classes" if kind == "semantic" else "objects"
    job = evaluate_job(pairs, EvaluateConfig(kind, labels_are=labels_are))
    assert job.title == "Evaluate a.tif, b.tif"
    report = drain(job.steps)
    options = {"kind": kind, "labels_are": labels_are}
    assert str(report) == str(evaluate([PREDICTION, TRUTH], [TRUTH, TRUTH], **options))
    assert list(report.images) == ["a.tif", "b.tif"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "objects"}, "choose one of 'semantic', 'instance', 'panoptic'"),
        ({"kind": "semantic", "thresholds": (0.5,)}, "are for kind='instance' only"),
        ({"unlabelled": -1}, "unlabelled is -1"),
    ],
)
def test_wrong_options_are_refused_before_the_job(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        EvaluateConfig(**options)
