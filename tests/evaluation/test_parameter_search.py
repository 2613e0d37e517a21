import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit import CRFConfig, MRFConfig, RefineConfig, evaluate, refine
from napari_segkit.config import CleanConfig, SuperpixelConfig
from napari_segkit.evaluation.labelled_windows import select_windows
from napari_segkit.evaluation.parameter_search import fit_refinement, refinement_trials
from napari_segkit.evaluation.search_space import SEARCH_SPACE, fixed_values, multiples
from napari_segkit.refinement.preview_region import refine_region
from napari_segkit.refinement.probability_maps import as_probability_maps

MRF = RefineConfig("mrf", mrf=MRFConfig(weight=0.1))
SHORT_MRF = RefineConfig("mrf", mrf=MRFConfig(weight=0.1, iterations=2))


def scene(shape=(40, 48), seed=0):
    """A bright block, a truth of values 3 and 7, and noisy probabilities of it."""
    rng = np.random.default_rng(seed)
    truth = np.full(shape, 3, np.uint8)
    truth[tuple(slice(n // 4, 3 * n // 4) for n in shape)] = 7
    pixels = rng.normal(20.0 * truth, 4).astype(np.float32)
    block = np.clip(0.3 + 0.4 * (truth == 7) + rng.normal(0, 0.2, shape), 0.01, 0.99)
    return pixels, truth, np.stack([1 - block, block]).astype(np.float32)


def scene_of(shape):
    """The same in the order in which a search takes it: probabilities, image, truth."""
    pixels, truth, maps = scene(shape)
    return maps, pixels, truth


def score(config, pixels, truth, maps, unlabelled=None, **more):
    labels = refine(maps, pixels, config, values=(3, 7), **more)
    return evaluate(labels, truth, unlabelled=unlabelled).mean_iou


@pytest.fixture
def short_search(monkeypatch):
    """A search of two trials more than the first two."""
    monkeypatch.setitem(SEARCH_SPACE, "mrf", {"weight": fixed_values(2.0, 4.0)})


def test_better_parameters_are_found_and_all_trials_listed():
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


def test_steps_are_counted_to_their_end(short_search):
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


def test_only_labelled_pixels_count(short_search):
    pixels, truth, maps = scene()
    scribbles = np.zeros_like(truth)
    scribbles[12:20, 14:30], scribbles[5:8, 2:9] = truth[12:20, 14:30], truth[5:8, 2:9]
    fit = fit_refinement(maps, pixels, scribbles, MRF, values=(3, 7), unlabelled=0)
    for trial in (fit.trials[0], fit.trials[1], fit.best):
        expected = score(trial.config, pixels, scribbles, maps, unlabelled=0)
        assert trial.mean_iou == pytest.approx(expected)


def test_time_points_and_volumes_are_pooled(short_search):
    pixels, truth, maps = scene((3, 24, 32))
    truth[1] = 0
    for axes in ("TYX", "ZYX"):
        options = {"values": (3, 7), "axes": axes, "spacing": (4, 1, 1)}
        fit = fit_refinement(maps, pixels, truth, MRF, unlabelled=0, **options)
        more = {"axes": axes, "spacing": (4, 1, 1)}
        expected = score(MRF, pixels, truth, maps, unlabelled=0, **more)
        assert fit.trials[1].mean_iou == pytest.approx(expected)


def test_a_large_image_is_evaluated_in_windows(short_search, monkeypatch):
    """Windows of 20 x 24 pixels: with room for all that are labelled, and for two of them."""
    monkeypatch.setattr("napari_segkit.evaluation.labelled_windows.WINDOW_PIXELS", 480)
    pixels, truth, maps = scene()
    maps[:, 20:] = maps[::-1, 20:]  # where most is labelled, nearly all is wrong
    scribbles = np.zeros_like(truth)
    scribbles[10:14, 12:40], scribbles[20:, 2:46] = truth[10:14, 12:40], truth[20:, 2:46]
    lower = np.where(np.arange(40)[:, None] < 20, 0, scribbles)
    for limit, counted in ((2**22, scribbles), (2 * 480, lower)):
        monkeypatch.setattr("napari_segkit.evaluation.labelled_windows.TOTAL_PIXELS", limit)
        fit = fit_refinement(maps, pixels, scribbles, SHORT_MRF, values=(3, 7), unlabelled=0)
        for trial in fit.trials:
            expected = score(trial.config, pixels, counted, maps, unlabelled=0)
            assert trial.mean_iou == pytest.approx(
                expected, abs=0.002
            )  # where two are all but equal
    assert fit.trials[0].mean_iou < 0.3


def test_a_long_movie_is_evaluated_over_its_full_length(short_search, monkeypatch):
    monkeypatch.setattr("napari_segkit.evaluation.labelled_windows.TOTAL_PIXELS", 4 * 40 * 48)
    scenes = [scene(seed=i) for i in range(8)]
    pixels, truth, maps = (np.stack([s[i] for s in scenes]) for i in range(3))
    maps = maps.swapaxes(0, 1)
    maps[:, :4] = maps[::-1, :4]
    fit = fit_refinement(maps, pixels, truth, SHORT_MRF, values=(3, 7), axes="TYX")
    parts = [1, 3, 5, 7]
    for trial in fit.trials:
        given = trial.config, pixels[parts], truth[parts], maps[:, parts]
        assert trial.mean_iou == pytest.approx(score(*given, axes="TYX"), abs=0.002)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(1, 12))
def test_windows_with_most_labels_are_selected(counts, limit):
    chosen = select_windows(counts, limit)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(limit, np.count_nonzero(counts))
    most = sorted(n for n in counts if n)[-limit:]
    for found, best in zip(sorted(counts[i] for i in chosen), most, strict=True):
        assert found >= 0.8 * best


@given(st.integers(1, 60), st.integers(1, 12))
def test_similar_windows_are_spread_evenly(places, limit):
    counts = [100 + i % 3 for i in range(places)]
    chosen = np.array([-1, *select_windows(counts, limit), places])
    if places > limit:
        assert np.diff(chosen).max() <= places / limit + 1


@pytest.mark.parametrize(
    ("config", "tried"),
    [
        (
            RefineConfig("superpixels", superpixels=SuperpixelConfig("quickshift", 20.0)),
            {"size": multiples(0.25, 3), "compactness": multiples(3)},
        ),
        (
            RefineConfig("crf", crf=CRFConfig(1, appearance_sigma=4e5)),
            {"appearance_sigma": multiples(1e-5, 4), "smoothness_weight": fixed_values(0.5)},
        ),
    ],
    ids=["the method's", "a number's"],
)
def test_values_beyond_limits_are_left_out(config, tried, monkeypatch):
    monkeypatch.setitem(SEARCH_SPACE, config.method, tried)
    fit = fit_refinement(*scene_of((20, 24)), config, values=(3, 7))
    assert [t.total for t in fit.trials] == [4] * 4
    assert fit.trials[-1].config.smoother != config.smoother


def test_an_impossible_refinement_is_refused_at_once():
    config = RefineConfig("superpixels", superpixels=SuperpixelConfig("quickshift"))
    with pytest.raises(ValueError, match="quickshift is for 2D images"):
        next(refinement_trials(*scene_of((4, 20, 24)), config, values=(3, 7)))


@pytest.mark.parametrize(
    "config",
    [RefineConfig("crf", crf=CRFConfig(2, appearance_weight=0.0)), MRF],
    ids=["crf", "mrf"],
)
def test_without_an_image_nothing_is_tried_that_needs_one(config):
    maps, _, truth = scene_of((20, 24))
    fit = fit_refinement(maps, None, truth, config, values=(3, 7))
    assert len(fit.trials) > 4
    for trial in fit.trials:
        assert refine(maps, None, trial.config).shape == truth.shape
    changed = [n for n in SEARCH_SPACE[config.method] if len(fit.table()[n].dropna().unique()) > 1]
    assert (
        changed
        == {
            "crf": ["smoothness_weight", "smoothness_sigma"],
            "mrf": ["weight", "diagonals"],
        }[config.method]
    )


def test_parameters_without_effect_are_not_tried():
    """With a weight of 0, how far it reaches does not matter."""
    config = RefineConfig("crf", crf=CRFConfig(2, smoothness_weight=0.0, appearance_weight=0.0))
    fit = fit_refinement(*scene_of((20, 24)), config, values=(3, 7))
    crfs = [t.config.crf for t in fit.trials[1:]]
    for weight, numbers in (
        ("appearance_weight", ("appearance_sigma", "intensity_sigma")),
        ("smoothness_weight", ("smoothness_sigma",)),
    ):
        idle = [crf for crf in crfs if getattr(crf, weight) == 0]
        for number in numbers:
            assert {getattr(crf, number) for crf in idle} == {getattr(config.crf, number)}
    assert len({crf.appearance_sigma for crf in crfs}) > 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": RefineConfig()}, "choose a smoothing method"),
        ({"truth": np.zeros((40, 48), np.uint8), "unlabelled": 0}, "No pixel of the truth"),
        ({"truth": np.ones((4, 4), np.uint8)}, "give the truth of this image"),
        ({"probabilities": np.ones((2, 40, 48))}, "add up to one"),
        ({"image": None, "config": RefineConfig("crf")}, "uses the image"),
    ],
)
def test_errors_say_what_cannot_be_fitted(change, words):
    pixels, truth, maps = scene()
    given = {"probabilities": maps, "image": pixels, "truth": truth, "config": MRF} | change
    with pytest.raises(ValueError, match=words):
        fit_refinement(**given, values=(3, 7))


def test_without_an_image_what_needs_none_is_fitted(short_search):
    _, truth, maps = scene()
    fit = fit_refinement(maps, None, truth, MRF, values=(3, 7))
    assert fit.best.mean_iou > fit.trials[1].mean_iou


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 99),
    corner=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 28)),
    method=st.sampled_from([None, "mrf", "crf", "superpixels"]),
)
def test_a_region_is_refined_as_in_the_full_image(seed, corner, size, method):
    pixels, _, maps = scene(seed=seed)
    crf = CRFConfig(3, 1.0, 1.0, 3.0, 2.0, 0.2)
    superpixel = SuperpixelConfig(size=5.0)
    config = RefineConfig(method, crf, MRFConfig(iterations=4), superpixel)
    region = tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))
    maps_of_image = as_probability_maps(maps, pixels, axes="YX", spacing=None, uses_image=True)
    found = refine_region(maps_of_image, {}, region, config, (3, 7), device="cpu")
    expected = refine(maps, pixels, config, values=(3, 7), device="cpu")
    different = np.count_nonzero(found != expected[region])
    assert different <= (2 if method in ("mrf", "crf") else 0)  # where two are all but equal
