"""Distances between boundaries: MONAI, SciPy, brute force, and what must hold of them."""

from math import inf, isnan, nan

import dask.array as da
import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels
from scipy.spatial.distance import cdist

from napari_segkit.evaluation import slab_reader
from napari_segkit.evaluation.report import evaluate

NAMES = ("boundary_f1", "surface_dice", "assd", "hausdorff_95", "hausdorff")


def distances(prediction, truth, **options):
    """Name -> class -> value."""
    metrics = evaluate(prediction, truth, distances=True, **options).metrics
    return {name: metrics[name] for name in NAMES}


def boundary_points(labels, value, labelled):
    """Pixels of a class with a labelled neighbour of another class, one by one."""
    points = []
    for place in np.ndindex(labels.shape):
        if labels[place] != value or not labelled[place]:
            continue
        for step in (*np.eye(labels.ndim, dtype=int), *-np.eye(labels.ndim, dtype=int)):
            other = tuple(np.add(place, step))
            inside = all(0 <= o < n for o, n in zip(other, labels.shape, strict=True))
            if inside and labelled[other] and labels[other] != value:
                points.append(place)
                break
    return np.array(points, float).reshape(-1, labels.ndim)


def brute_force(prediction, truth, value, spacing, tolerance, unlabelled=None):
    labelled = truth != unlabelled if unlabelled is not None else np.ones(truth.shape, bool)
    sides = [boundary_points(x, value, labelled) * spacing for x in (prediction, truth)]
    if not any(map(len, sides)):
        return [nan] * 5
    if not all(map(len, sides)):
        return [0, 0, inf, inf, inf]
    between = cdist(*sides)
    nearest = between.min(1), between.min(0)
    both = np.concatenate(nearest)
    precision, recall = (np.mean(d <= tolerance + 1e-9) for d in nearest)
    return [
        2 * precision * recall / max(precision + recall, 1e-30),
        np.mean(both <= tolerance + 1e-9),
        both.mean(),
        max(np.percentile(d, 95) for d in nearest),
        both.max(),
    ]


@st.composite
def pairs(draw):
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=3)))
    values = st.lists(st.sampled_from((0, 1, 1, 2, 7)), min_size=125, max_size=125)
    return tuple(np.resize(draw(values), shape) for _ in range(2))


@settings(max_examples=25)
@given(pairs(), st.sampled_from((None, 7)), st.sampled_from((None, 0.3, 2.0)))
def test_distances_agree_with_brute_force(pair, unlabelled, tolerance):
    prediction, truth = pair
    if (truth == unlabelled).all():
        return
    spacing = (0.1, 0.7, 0.3)[-truth.ndim :]
    found = distances(
        prediction, truth, unlabelled=unlabelled, tolerance=tolerance, spacing=spacing
    )
    for value in {*np.unique(prediction).tolist(), *np.unique(truth).tolist()}:
        expected = brute_force(
            prediction, truth, value, spacing, 0.7 if tolerance is None else tolerance, unlabelled
        )
        values = [found[name].get(value, nan) for name in NAMES]
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)


def blobs(seed, shape=(14, 30, 26)):
    """Class 1 and 2 as smooth blobs, the prediction near the truth."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 2.5)
    noise = gaussian_filter(rng.standard_normal(shape), 1.5)
    cuts = np.quantile(field, (0.6, 0.85))
    return tuple(np.digitize(x, cuts).astype(np.uint8) for x in (field + noise / 4, field))


@pytest.mark.parametrize("seed", range(2))
def test_lazy_arrays_are_measured_slab_by_slab(monkeypatch, seed):
    prediction, truth = blobs(seed)
    whole = distances(prediction, truth, spacing=(3, 1, 1))
    monkeypatch.setattr(slab_reader, "SLAB_PIXELS", 3 * 30 * 26)
    lazy = (da.from_array(x, (1, 30, 26)) for x in (prediction, truth))
    assert distances(*lazy, spacing=(3, 1, 1)) == whole


def test_images_are_measured_one_by_one_and_averaged():
    first, second = blobs(0), blobs(1)
    report = evaluate([first[0], second[0]], [first[1], second[1]], distances=True)
    alone = [distances(*pair)["assd"][2] for pair in (first, second)]
    assert report.metrics["assd"][2] == pytest.approx(np.mean(alone))
    assert [r.metrics["assd"][2] for r in report.images.values()] == alone
    assert "means over 2 images" in report.notes[-1]
    with pytest.raises(ValueError, match="distances=True and distances=False cannot be pooled"):
        report + evaluate(*first)


def test_time_points_are_measured_one_by_one():
    prediction, truth = blobs(0)
    series = [np.stack([a, b]) for a, b in ((prediction, truth), (truth, truth))]
    alone = distances(prediction, truth)
    assert distances(*series)["hausdorff"][1] == alone["hausdorff"][1] / 2
    planes = [distances(*pair) for pair in zip(prediction, truth, strict=True)]
    by_plane = distances(prediction, truth, spacing=(1, 1))  # two sizes: Y and X only
    assert by_plane["assd"][0] == pytest.approx(np.mean([plane["assd"][0] for plane in planes]))


def test_axes_and_scale_of_a_layer_are_used():
    prediction, truth = blobs(0)
    layer = Labels(truth, scale=(5, 2, 2), axis_labels=("t", "y", "x"))
    planes = [distances(*pair, spacing=(2, 2)) for pair in zip(prediction, truth, strict=True)]
    found = distances(prediction, layer)["assd"][0]
    assert found == pytest.approx(np.mean([plane["assd"][0] for plane in planes]))


def test_a_class_on_one_side_only_is_infinitely_far_and_said_so():
    truth = np.zeros((8, 8), int)
    prediction = truth.copy()
    truth[2:4, 2:4], prediction[2:4, 2:4] = 1, 2
    report = evaluate([prediction, truth], [truth, truth], distances=True)
    assert report.metrics["hausdorff_95"] == {0: 0.0, 1: inf, 2: inf}
    assert report.metrics["surface_dice"] == {0: 1.0, 1: 0.5, 2: 0.0}
    assert any("Class 2 has a boundary in only one" in note for note in report.notes)
    assert any("in 1 of 2 images" in note for note in report.notes)


def test_the_end_of_the_image_and_unlabelled_pixels_make_no_boundary():
    truth = np.zeros((6, 6), int)
    truth[:, 3:] = 1
    truth[:, 2] = 9
    found = evaluate(np.where(truth == 9, 0, truth), truth, unlabelled=9, distances=True)
    assert all(isnan(value) for value in found.table()["assd"])
    with_boundary = distances(np.where(truth == 9, 0, truth), np.where(truth == 9, 0, truth))
    assert with_boundary["assd"] == {0: 0, 1: 0}


def test_files_say_how_large_their_pixels_are(tmp_path):
    truth = np.zeros((12, 20, 20), np.uint8)
    truth[3:9, 5:15, 5:15] = 1
    for name, labels in (("truth", truth), ("prediction", np.roll(truth, 1, 0))):
        volume = nibabel.Nifti1Image(labels.T, np.diag([0.5, 0.5, 5, 1]))
        nibabel.save(volume, tmp_path / f"{name}.nii")
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            labels,
            imagej=True,
            resolution=(2, 2),
            metadata={"axes": "TYX", "unit": "um"},
        )
    volumes = distances(tmp_path / "prediction.nii", tmp_path / "truth.nii")
    assert volumes["hausdorff"][1] == 5
    movies = evaluate(tmp_path / "prediction.tif", tmp_path / "truth.tif", distances=True)
    assert len(movies.extra[0].samples) == 12
    assert any("pixels of 0.5 x 0.5," in note for note in movies.notes)


def test_a_tolerance_without_distances_is_refused():
    with pytest.raises(ValueError, match="boundary distances only: choose distances=True"):
        evaluate(np.eye(4, dtype=int), np.eye(4, dtype=int), tolerance=2)
