"""Distances between surfaces beside MONAI and google's surface-distance."""

from collections.abc import Generator, Iterator, Mapping

import numpy as np

from benchmarks.peers.case import OWN, Arrays, Case, Group, Side, Sources, Trial

Steps = Generator[str | None, None, Arrays]
SPACING = (2.0, 0.7, 0.7)
EDGES = (64, 128)


def segkit(arrays: Arrays) -> Steps:
    from napari_segkit import evaluate

    pair = arrays["prediction"], arrays["truth"]
    yield None
    metrics = evaluate(*pair, labels_are="classes", distances=True, spacing=SPACING).metrics
    yield "all"
    return {"values": np.array([metrics["hausdorff_95"][1], metrics["assd"][1]])}


def monai(arrays: Arrays) -> Steps:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    pair = [torch.from_numpy(arrays[n])[None, None].float() for n in ("prediction", "truth")]
    shared = {"include_background": True, "spacing": SPACING}
    yield None
    hausdorff = compute_hausdorff_distance(*pair, percentile=95, **shared)
    mean = compute_average_surface_distance(*pair, symmetric=True, **shared)
    yield "all"
    return {"values": np.array([float(hausdorff), float(mean)])}


def google(arrays: Arrays) -> Steps:
    import surface_distance

    pair = [arrays[name] > 0 for name in ("truth", "prediction")]
    yield None
    found = surface_distance.compute_surface_distances(*pair, SPACING)
    means = surface_distance.compute_average_surface_distance(found)
    hausdorff = surface_distance.compute_robust_hausdorff(found, 95)
    yield "all"
    return {"values": np.array([hausdorff, float(np.mean(means))])}


def balls(edge: int) -> Trial:
    """A ball with an uneven surface, and a prediction beside it."""
    from scipy.ndimage import gaussian_filter

    rng, centre = np.random.default_rng(0), edge / 2
    away = np.linalg.norm(np.indices((edge,) * 3, np.float32) - centre, axis=0)
    bumps, others = (gaussian_filter(rng.standard_normal(away.shape), edge / 40) for _ in "ab")
    bumps, others = bumps * edge / 40 / bumps.std(), others * edge / 80 / others.std()
    truth = away < edge * 0.3 + bumps
    prediction = np.roll(away < edge * 0.31 + bumps + others, max(1, edge // 80), 0)
    return Trial({"prediction": prediction.astype(np.uint8), "truth": truth.astype(np.uint8)})


def values(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    names = ("95 % Hausdorff", "mean distance")
    return {
        name: dict(zip(names, arrays["values"].tolist(), strict=True))
        for name, arrays in results.items()
    }


def cases(sources: Sources) -> Iterator[Case]:
    here = "benchmarks.peers.rows.distances"
    sides = (
        Side(OWN, f"{here}:segkit", ("napari-segkit",), own=True),
        Side("MONAI", f"{here}:monai", ("monai",)),
        Side("surface-distance", f"{here}:google", ("surface-distance",)),
    )
    for edge in EDGES:
        yield Case(
            f"a ball in {edge} x {edge} x {edge} voxels",
            lambda edge=edge: [balls(edge)],
            sides,
            max(sources.threads),
            values,
        )


GROUP = Group(
    "Surface distances",
    "95 % Hausdorff distance and mean distance of the surfaces of a class, voxels of 2 x 0.7 x "
    "0.7. SegKit measures both classes and more distances. surface-distance weights by area, so "
    "that its values differ.",
    cases,
    {"95 % Hausdorff": "none", "mean distance": "none"},
)
