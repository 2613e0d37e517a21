import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit import CRFConfig, MRFConfig, RefineConfig, evaluate, refine
from napari_segkit.config import CleanConfig, SuperpixelConfig
from napari_segkit.evaluation.fit import TRIED, fit_refinement, refinement_trials, these
from napari_segkit.refinement.maps import maps_of
from napari_segkit.refinement.region import refine_region

MRF = RefineConfig("mrf", mrf=MRFConfig(weight=0.1))


def scene(shape=(40, 48), seed=0):
    """A bright block, a truth of values 3 and 7, and noisy probabilities of it."""
    rng = np.random.default_rng(seed)
    truth = np.full(shape, 3, np.uint8)
    truth[tuple(slice(n // 4, 3 * n // 4) for n in shape)] = 7
    pixels = rng.normal(20.0 * truth, 4).astype(np.float32)
    block = np.clip(0.3 + 0.4 * (truth == 7) + rng.normal(0, 0.2, shape), 0.01, 0.99)
    return pixels, truth, np.stack([1 - block, block]).astype(np.float32)


def score(config, pixels, truth, maps, unlabelled=None, **more):
    labels = refine(maps, pixels, config, values=(3, 7), **more)
    return evaluate(labels, truth, unlabelled=unlabelled).mean_iou


@pytest.fixture
def few(monkeypatch):
    """A search of two trials more than the first two."""
    monkeypatch.setitem(TRIED, "mrf", {"weight": these(2.0, 4.0)})


def test_finds_better_numbers_and_tells_all_that_it_tried():
    pixels, truth, maps = scene()
    fit = fit_refinement(maps, pixels, truth, MRF, values=(3, 7))
    first, second = fit.trials[:2]
    assert (first.config.method, second.config) == (None, MRF)
    assert fit.best.mean_iou == max(t.mean_iou for t in fit.trials) > second.mean_iou
    for trial in (first, second, fit.best):
        assert trial.mean_iou == pytest.approx(score(trial.config, pixels, truth, maps))
    table = fit.table()
    assert list(table["mean_iou"]) == [t.mean_iou for t in fit.trials]
    assert {"method", "weight", "intensity_sigma", "mean_dice"} <= set(table)
    assert len({t.config for t in fit.trials}) == len(fit.trials)


def test_steps_are_counted_to_their_end(few):
    pixels, truth, maps = scene()
    steps = list(refinement_trials(maps, pixels, truth, MRF, values=(3, 7)))
    assert [s.done for s in steps] == list(range(1, len(steps) + 1))
    assert {s.total for s in steps} == {len(steps)}


@pytest.mark.parametrize(
    "config",
    [
        RefineConfig("crf", crf=CRFConfig(appearance_sigma=5.0)),
        RefineConfig("superpixels", superpixels=SuperpixelConfig(size=6.0)),
        RefineConfig("mrf", clean=(CleanConfig(7, fill_holes=20.0),)),
    ],
    ids=["crf", "superpixels", "with a clean-up"],
)
def test_every_method_is_fitted_and_keeps_its_clean_up(config):
    pixels, truth, maps = scene()
    fit = fit_refinement(maps, pixels, truth, config, values=(3, 7))
    assert fit.best.mean_iou > fit.trials[0].mean_iou
    assert {t.config.method for t in fit.trials} == {None, config.method}
    assert {t.config.clean for t in fit.trials} == {config.clean}


def test_only_what_is_labelled_counts(few):
    pixels, truth, maps = scene()
    scribbles = np.zeros_like(truth)
    scribbles[12:20, 14:30], scribbles[5:8, 2:9] = truth[12:20, 14:30], truth[5:8, 2:9]
    fit = fit_refinement(maps, pixels, scribbles, MRF, values=(3, 7), unlabelled=0)
    for trial in (fit.trials[0], fit.trials[1], fit.best):
        whole = score(trial.config, pixels, scribbles, maps, unlabelled=0)
        assert trial.mean_iou == pytest.approx(whole)


def test_time_points_and_volumes_are_pooled(few):
    pixels, truth, maps = scene((3, 24, 32))
    truth[1] = 0
    for axes in ("TYX", "ZYX"):
        options = {"values": (3, 7), "axes": axes, "spacing": (4, 1, 1)}
        fit = fit_refinement(maps, pixels, truth, MRF, unlabelled=0, **options)
        more = {"axes": axes, "spacing": (4, 1, 1)}
        whole = score(MRF, pixels, truth, maps, unlabelled=0, **more)
        assert fit.trials[1].mean_iou == pytest.approx(whole)


def test_a_large_image_is_looked_at_in_windows(few, monkeypatch):
    monkeypatch.setattr("napari_segkit.evaluation.fit.LARGEST", 400)
    pixels, truth, maps = scene()
    scribbles = np.zeros_like(truth)
    scribbles[10:14, 12:40] = truth[10:14, 12:40]
    fit = fit_refinement(maps, pixels, scribbles, MRF, values=(3, 7), unlabelled=0)
    assert len(fit.trials) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": RefineConfig()}, "choose how to smooth"),
        ({"truth": np.zeros((40, 48), np.uint8), "unlabelled": 0}, "No pixel of the truth"),
        ({"truth": np.ones((4, 4), np.uint8)}, "give the truth of this image"),
        ({"probabilities": np.ones((2, 40, 48))}, "add up to one"),
        ({"image": None, "config": RefineConfig("crf")}, "looks at the image"),
    ],
)
def test_says_what_cannot_be_fitted(change, words):
    pixels, truth, maps = scene()
    given = {"probabilities": maps, "image": pixels, "truth": truth, "config": MRF} | change
    with pytest.raises(ValueError, match=words):
        fit_refinement(**given, values=(3, 7))


def test_without_an_image_what_needs_none_is_fitted(few):
    _, truth, maps = scene()
    fit = fit_refinement(maps, None, truth, MRF, values=(3, 7))
    assert fit.best.mean_iou > fit.trials[1].mean_iou


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 99),
    corner=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 28)),
    method=st.sampled_from(["mrf", "none"]),
)
def test_a_region_is_refined_as_the_whole_is(seed, corner, size, method):
    pixels, _, maps = scene(seed=seed)
    config = RefineConfig(None if method == "none" else method, mrf=MRFConfig(iterations=4))
    region = tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))
    known = maps_of(maps, pixels, axes="YX", spacing=None, sees_image=True)
    found = refine_region(known, {}, region, config, (3, 7), device="cpu")
    whole = refine(maps, pixels, config, values=(3, 7), device="cpu")
    different = np.count_nonzero(found != whole[region])
    assert different <= (0 if method == "none" else 2)  # where two classes are all but equal
