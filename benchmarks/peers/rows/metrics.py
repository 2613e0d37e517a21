"""IoU of classes beside scikit-learn, scikit-image, torchmetrics and MONAI."""

from collections.abc import Generator, Iterator, Mapping

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial

Steps = Generator[str | None, None, Arrays]
CLASSES = 4
UNLABELLED = 255
SIZES = (1024, 2048)


def segkit(arrays: Arrays, unlabelled: int | None) -> Steps:
    from napari_segkit import evaluate

    yield None
    report = evaluate(
        arrays["prediction"], arrays["truth"], unlabelled=unlabelled, labels_are="classes"
    )
    yield "all"
    return {"iou": np.array([*report.iou.values()])}


def scikit_learn(arrays: Arrays, unlabelled: int | None) -> Steps:
    from sklearn.metrics import jaccard_score

    truth, prediction = arrays["truth"].ravel(), arrays["prediction"].ravel()
    yield None
    if unlabelled is not None:
        known = truth != unlabelled
        truth, prediction = truth[known], prediction[known]
    iou = jaccard_score(truth, prediction, labels=range(CLASSES), average=None)
    yield "all"
    return {"iou": iou}


def scikit_image(arrays: Arrays, unlabelled: int | None) -> Steps:
    from skimage.metrics import contingency_table

    truth, prediction = arrays["truth"], arrays["prediction"]
    yield None
    table = contingency_table(truth, prediction).toarray()[:CLASSES]
    both = np.diag(table)
    iou = both / (table.sum(0) + table.sum(1) - both)
    yield "all"
    return {"iou": iou}


def torchmetrics(arrays: Arrays, unlabelled: int | None) -> Steps:
    import torch
    from torchmetrics.functional.classification import multiclass_jaccard_index

    pair = [torch.from_numpy(arrays[name]) for name in ("prediction", "truth")]
    yield None
    iou = multiclass_jaccard_index(
        *pair, num_classes=CLASSES, average="none", ignore_index=unlabelled
    )
    yield "all"
    return {"iou": iou.numpy()}


def monai(arrays: Arrays, unlabelled: int | None) -> Steps:
    import torch
    from monai.metrics import compute_iou
    from monai.networks import one_hot

    pair = [torch.from_numpy(arrays[name])[None, None] for name in ("prediction", "truth")]
    yield None
    counted = torch.ones_like(pair[1]) if unlabelled is None else (pair[1] != unlabelled).byte()
    sides = [one_hot((x * counted).long(), CLASSES, dtype=torch.uint8) * counted for x in pair]
    iou = compute_iou(*(side.float() for side in sides))[0]
    yield "all"
    return {"iou": iou.numpy()}


PEERS = {
    "scikit-learn": (scikit_learn, "scikit-learn"),
    "scikit-image": (scikit_image, "scikit-image"),
    "torchmetrics": (torchmetrics, "torchmetrics"),
    "MONAI": (monai, "monai"),
}


def difference(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    """From the IoU by definition, with float64."""
    truth, prediction = trial.inputs["truth"], trial.inputs["prediction"]
    known = truth < CLASSES
    expected = np.array(
        [
            (known & (truth == c) & (prediction == c)).sum()
            / (known & ((truth == c) | (prediction == c))).sum()
            for c in range(CLASSES)
        ]
    )
    return {
        name: {"difference": float(np.abs(arrays["iou"] - expected).max())}
        for name, arrays in results.items()
    }


def trials(edge: int, unlabelled: int | None) -> list[Trial]:
    """A prediction that is shifted against its truth, of patches of 64 x 64 pixels."""
    coarse = np.random.default_rng(0).integers(0, CLASSES, (edge // 64, edge // 64))
    truth = np.kron(coarse, np.ones((64, 64), np.uint8)).astype(np.uint8)
    prediction = np.roll(truth, 5, axis=1)
    if unlabelled is not None:
        truth[: edge // 4] = unlabelled
    return [Trial({"truth": truth, "prediction": prediction}, megapixels=edge**2 / 1e6)]


def cases(sources: Sources) -> Iterator[Case]:
    here = "benchmarks.peers.rows.metrics"
    for edge in SIZES:
        for unlabelled in (None, UNLABELLED):
            options = {"unlabelled": unlabelled}
            own = Side(OWN, f"{here}:segkit", ("napari-segkit",), options, own=True)
            peers = [
                Side(name, f"{here}:{call.__name__}", (package,), options)
                for name, (call, package) in PEERS.items()
            ]
            about = "every pixel counts" if unlabelled is None else "a quarter unlabelled"
            yield Case(
                f"{edge} x {edge}, {CLASSES} classes, {about}",
                lambda edge=edge, unlabelled=unlabelled: trials(edge, unlabelled),
                (own, *peers),
                max(sources.threads),
                difference,
            )


GROUP = Group(
    "Metrics",
    "IoU of each of four classes of uint8 labels; SegKit finds the classes itself, and Dice, "
    "recall and precision with them. Difference: the largest from the definition.",
    cases,
    {"difference": "none"},
    "s per megapixel",
)
