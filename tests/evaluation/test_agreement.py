"""The metrics against independent implementations: each row of the table in docs/metrics.md."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from imageio.v3 import imread
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import directed_hausdorff
from skimage.metrics import adapted_rand_error, variation_of_information
from sklearn import metrics as sklearn

from napari_segkit.evaluation.metric import THRESHOLDS
from napari_segkit.evaluation.report import evaluate

DOCS = Path(__file__).parents[2] / "docs/metrics.md"
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of MONAI to itself
LIMIT = 1e-6
DISTANCES = ("boundary_f1", "surface_dice", "assd", "hausdorff_95", "hausdorff")
SPACING, TOLERANCE = (3.0, 0.7, 1.1), 1.5


def per_class(score):
    """A score of scikit-learn for each class, as one against the others."""
    return lambda p, t, values: [score(t.ravel() == v, p.ravel() == v) for v in values]


def torchmetrics(name, **options):
    def compute(prediction, truth, values):
        import torch
        from torchmetrics.functional import classification

        pair = (torch.from_numpy(np.searchsorted(values, x)) for x in (prediction, truth))
        score = getattr(classification, f"multiclass_{name}")
        return score(*pair, num_classes=len(values), **options).double().numpy()

    return compute


def monai(name, **options):
    def compute(prediction, truth, values):
        import monai.metrics
        import torch

        one_hot = (np.stack([x == v for v in values])[None] for x in (prediction, truth))
        pair = map(torch.from_numpy, one_hot)
        score, spacing = getattr(monai.metrics, f"compute_{name}"), SPACING[-truth.ndim :]
        if name == "surface_dice":
            options["class_thresholds"] = [TOLERANCE] * len(values)
        return score(*pair, include_background=True, spacing=spacing, **options)[0].double().numpy()

    return compute


def boundary_distances(prediction, truth, value):
    """Distances of boundary pixels to the other boundary, by SciPy's distance transform."""
    edges = [(x == value) & ~binary_erosion(x == value) for x in (prediction, truth)]
    to_edge = [distance_transform_edt(~e, sampling=SPACING[-truth.ndim :]) for e in edges]
    return to_edge[1][edges[0]], to_edge[0][edges[1]]


def boundary_f1(prediction, truth, values):
    found = [boundary_distances(prediction, truth, v) for v in values]
    scores = [[np.mean(d <= TOLERANCE) for d in distances] for distances in found]
    return [2 * p * r / (p + r) for p, r in scores]


def hausdorff(prediction, truth, values):
    def points(x, value):
        return np.argwhere((x == value) & ~binary_erosion(x == value)) * SPACING[-x.ndim :]

    pairs = [(points(prediction, v), points(truth, v)) for v in values]
    return [max(directed_hausdorff(a, b)[0], directed_hausdorff(b, a)[0]) for a, b in pairs]


def dense_iou(prediction, truth):
    """IoU of every true with every predicted object, mask by mask."""
    true, predicted = ([x == v for v in np.unique(x[x > 0])] for x in (truth, prediction))
    return np.array([[(t & p).sum() / (t | p).sum() for p in predicted] for t in true])


def matched(prediction, truth, score):
    iou = dense_iou(prediction, truth)
    scores = []
    for threshold in THRESHOLDS:
        pairs = linear_sum_assignment(np.where(iou >= threshold, 1 + iou / 1000, 0), maximize=True)
        hits = int((iou[pairs] >= threshold).sum())
        scores.append(score(hits, iou.shape[1] - hits, iou.shape[0] - hits))
    return scores


def objects_score(score):
    return lambda p, t: matched(p, t, score)


def panoptic_quality(position):
    def compute(prediction, truth):
        import torch
        from torchmetrics.functional.detection import panoptic_quality

        segments = (np.stack([x > 0, x], -1)[None].astype(int) for x in (prediction, truth))
        found = panoptic_quality(
            *map(torch.from_numpy, segments),
            things={1},
            stuffs={0},
            return_sq_and_rq=True,
            return_per_class=True,
        )
        return found[0, position].numpy()

    return compute


def rand(position):
    return lambda p, t: adapted_rand_error(t, p)[position]


def information(position):
    return lambda p, t: variation_of_information(t, p, ignore_labels=(0,))[position]


OF_CLASSES = {
    "iou": per_class(sklearn.jaccard_score),
    "dice": per_class(sklearn.f1_score),
    "precision": per_class(sklearn.precision_score),
    "recall": per_class(sklearn.recall_score),
    "specificity": torchmetrics("specificity", average=None),
    "accuracy": lambda p, t, _: sklearn.accuracy_score(t.ravel(), p.ravel()),
    "frequency_weighted_iou": torchmetrics("jaccard_index", average="weighted"),
    "kappa": lambda p, t, _: sklearn.cohen_kappa_score(t.ravel(), p.ravel()),
    "boundary_f1": boundary_f1,
    "surface_dice": monai("surface_dice"),
    "assd": monai("average_surface_distance", symmetric=True),
    "hausdorff_95": monai("hausdorff_distance", percentile=95),
    "hausdorff": hausdorff,
}
OF_OBJECTS = {
    "f1": objects_score(lambda tp, fp, fn: 2 * tp / (2 * tp + fp + fn)),
    "precision": objects_score(lambda tp, fp, fn: tp / (tp + fp)),
    "recall": objects_score(lambda tp, fp, fn: tp / (tp + fn)),
    "ap": objects_score(lambda tp, fp, fn: tp / (tp + fp + fn)),
    "pq": panoptic_quality(0),
    "sq": panoptic_quality(1),
    "rq": panoptic_quality(2),
    "vi_split": information(0),
    "vi_merge": information(1),
    "adapted_rand_error": rand(0),
    "rand_precision": rand(2),  # scikit-image 0.26 gives these two the other way round
    "rand_recall": rand(1),
}


def displaced(labels, seed=0):
    """Labels with displaced boundaries."""
    rng = np.random.default_rng(seed)
    shifts = [gaussian_filter(rng.standard_normal(labels.shape), 2) * 12 for _ in labels.shape]
    places = np.round(np.indices(labels.shape) + shifts).astype(int)
    return labels[tuple(np.clip(p, 0, n - 1) for p, n in zip(places, labels.shape, strict=True))]


def random_classes(shape):
    field = gaussian_filter(np.random.default_rng(1).standard_normal(shape), 3)
    return np.digitize(field, np.quantile(field, (0.3, 0.6, 0.8)))


def random_objects():
    """About a hundred objects, most of which touch others."""
    seeds = np.argwhere(np.random.default_rng(2).random((90, 110)) < 0.01)
    places = np.indices((90, 110)).reshape(2, -1, 1) - seeds.T[:, None]
    nearest = np.square(places).sum(0)
    return np.where(nearest.min(1) < 40, nearest.argmin(1) + 1, 0).reshape(90, 110)


def difference(ours, theirs):
    """The largest difference, of numbers above 1 as a fraction of them (MONAI's are float32)."""
    return float(np.max(np.abs(np.subtract(ours, theirs)) / np.maximum(1, np.abs(theirs))))


def class_differences(labels):
    """Name -> largest difference over classes; of distances over those but background.

    All lie in a frame of background, because MONAI takes the end of the image for a boundary.
    """
    prediction, truth = (np.pad(x, 1) for x in (displaced(labels), labels))
    values, spacing = np.unique(truth), SPACING[-truth.ndim :]
    found = evaluate(
        prediction, truth, distances=True, tolerance=TOLERANCE, spacing=spacing
    ).metrics
    differences = {}
    for name, compute in OF_CLASSES.items():
        counted = values[1:] if name in DISTANCES else values
        ours = found[name]
        if isinstance(ours, dict):
            ours = [ours[v] for v in counted]
        differences[name] = difference(ours, compute(prediction, truth, counted))
    return differences


def object_differences(truth):
    prediction = displaced(truth)
    prediction[prediction % 9 == 0] = 0
    prediction[prediction % 7 == 0] = 8
    found = evaluate(prediction, truth, kind="instance", labels_are="objects").metrics
    ours = {n: [*v.values()] if isinstance(v, dict) else v for n, v in found.items()}
    return {n: difference(ours[n], compute(prediction, truth)) for n, compute in OF_OBJECTS.items()}


@pytest.mark.parametrize("shape", [(70, 80), (16, 30, 26)])
def test_metrics_of_random_classes_agree(shape):
    assert max(class_differences(random_classes(shape)).values()) < LIMIT


def test_metrics_of_random_objects_agree():
    assert max(object_differences(random_objects()).values()) < LIMIT


def test_metrics_of_real_pairs_agree(real_data):
    brain = nibabel.load(real_data / "mri_mni152/masks/t1.nii.gz").dataobj[60:90, 90:150, 60:110]
    membranes = imread(real_data / "isbi2012_em/masks/20.png")[:200, :200]
    nuclei = imread(sorted((real_data / "dsb2018_fluo/masks").iterdir())[0])
    differences = [
        *(class_differences(x.astype(int)) for x in (brain, membranes)),
        object_differences(nuclei.astype(int)),
    ]
    assert max(d for found in differences for d in found.values()) < LIMIT


def test_the_table_of_the_docs_lists_what_is_compared():
    table = DOCS.read_text(encoding="utf-8").split("## Agreement")[1]
    listed = re.findall(r"`(\w+)`", "".join(line for line in table.splitlines() if line[:1] == "|"))
    assert set(listed) == {*OF_CLASSES, *OF_OBJECTS}
