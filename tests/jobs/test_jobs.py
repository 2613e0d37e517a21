"""Jobs give what the public functions give, with the labels' axes, classes and provenance."""

import json

import numpy as np
import pytest

from napari_segkit import (
    CRFConfig,
    ModelSpec,
    MRFConfig,
    ObjectConfig,
    RefineConfig,
    Segmenter,
    SuperpixelConfig,
    TrainConfig,
    refine,
    superpixels,
)
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import ClassProbabilities, LabelClass
from napari_segkit.jobs.file_writer import FileWriter, OutputOptions
from napari_segkit.jobs.predict import predict_job, select_objects
from napari_segkit.jobs.refine import RefineRequest, RefineSource, Truth, fit_job, refine_job
from napari_segkit.jobs.superpixels import superpixel_job
from napari_segkit.refinement.soft_labels import soft_labels
from napari_segkit.steps import drain

CLASSES = LabelClass(1, "background", "#0000ff"), LabelClass(2, "cell", "#ff0000")
MRF = RefineConfig("mrf", mrf=MRFConfig(weight=3.0))


def scene():
    """Image of a bright square in noise, its labels, and the labels with some wrong pixels."""
    rng = np.random.default_rng(0)
    truth = np.ones((40, 50), np.uint8)
    truth[10:30, 12:36] = 2
    image = rng.normal(truth * 50, 10).astype(np.float32)
    return image, truth, np.where(rng.random(truth.shape) < 0.1, 3 - truth, truth)


IMAGE, TRUTH, ROUGH = scene()


def request(config=MRF, **options):
    source = RefineSource("rough", labels=ROUGH)
    return RefineRequest(source, AxesImage(IMAGE, "YX"), config, **options)


def test_superpixels_are_those_of_the_function():
    config = SuperpixelConfig(size=8)
    job = superpixel_job(AxesImage(IMAGE, "YX", name="noise"), config)
    result = drain(job.steps)
    assert job.title == "Superpixels of noise"
    np.testing.assert_array_equal(result.labels, superpixels(IMAGE, config))
    assert (result.axes, result.classes) == ("YX", ())
    assert json.loads(json.dumps(result.provenance))["superpixels"]["size"] == 8


def test_labels_are_refined_and_compared_with_a_truth():
    job = refine_job(request(truth=Truth(TRUTH), probabilities=True))
    result = drain(job.steps)
    probabilities, values = soft_labels(ROUGH)
    np.testing.assert_array_equal(result.labels, refine(probabilities, IMAGE, MRF, values=values))
    assert job.title == "Refine rough"
    assert [c.value for c in result.classes] == [1, 2]
    assert result.probabilities.shape == (2, *TRUTH.shape)
    assert result.after.mean_iou > result.before.mean_iou
    assert result.provenance["refined"]["start"] == "labels"


def test_stored_probabilities_are_refined():
    probabilities, _ = soft_labels(ROUGH)
    stored = ClassProbabilities(probabilities, CLASSES, "YX")
    source = RefineSource("maps", stored, classes=CLASSES, provenance={"refined": {"start": "x"}})
    result = drain(refine_job(RefineRequest(source, None, MRF)).steps)
    np.testing.assert_array_equal(result.labels, refine(probabilities, None, MRF, values=(1, 2)))
    assert result.provenance["refined"]["before"] == {"start": "x"}


def test_settings_are_fitted_to_a_truth():
    start = RefineConfig("crf", crf=CRFConfig(iterations=1))
    found = drain(fit_job(request(start, truth=Truth(TRUTH))).steps)
    assert found.best.mean_iou == max(trial.mean_iou for trial in found.trials)


@pytest.fixture(scope="module")
def segmenter():
    labels = np.where(TRUTH == 2, 1, 0).astype(np.int32)
    config = TrainConfig(labels_are="objects")
    return Segmenter(ModelSpec("pixels", objects="components"), device="cpu").fit(
        IMAGE, labels, config
    )


def test_a_prediction_is_that_of_the_segmenter_and_objects_are_selected_again(segmenter):
    job = predict_job(segmenter, AxesImage(IMAGE, "YX", name="noise"))
    result = drain(job.steps)
    assert job.title == "Predict noise"
    np.testing.assert_array_equal(result.labels, segmenter.predict(IMAGE))
    same = select_objects(result.objects, result.objects.config, result)
    assert not same.is_new
    strict = select_objects(result.objects, ObjectConfig(min_size=1e9), result)
    assert (strict.kept, strict.total, strict.is_new) == (0, same.total, True)
    assert not strict.result.labels.any()


def test_a_result_is_written_with_its_table(segmenter, tmp_path):
    image, target = AxesImage(IMAGE, "YX", name="noise"), tmp_path / "ids.npy"
    result = drain(predict_job(segmenter, image, probabilities=True).steps)
    writer = FileWriter(target, image, OutputOptions(probabilities=True))
    OutputOptions(probabilities=True).check_labels(target, image)
    writer.prepare(result)
    files = writer.write(result)
    assert [f.relative_to(tmp_path).as_posix() for f in files] == [
        "ids.npy", "ids.csv", "probabilities/ids.npy",
    ]  # fmt: skip
    np.testing.assert_array_equal(np.load(target), result.labels)
