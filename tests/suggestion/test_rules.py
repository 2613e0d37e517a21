"""The rules of a suggestion, on statistics that are made up."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit import ModelSpec, TrainConfig, list_models
from napari_segkit.models import model_info, predicts_objects
from napari_segkit.suggestion import rules
from napari_segkit.suggestion.facts import Budget, Facts, ObjectFacts
from napari_segkit.suggestion.reason import percent
from napari_segkit.suggestion.suggest import propose

NUCLEI = ObjectFacts(count=100, diameter=25.0, touching=0.3, cover=0.2)
MASKS = Facts(counts={0: 800, 1: 150, 2: 50}, edge_contrast=1.9)
STROKES = Facts(counts={0: 9960, 1: 30, 2: 10}, edge_contrast=1.0)
IDS = Facts(counts={0: 800, 1: 100, 2: 100}, are_ids=True, objects=NUCLEI)
LONG = Budget(minutes=30, threads=2)
GPU = Budget(minutes=10, device="cuda")

budgets = st.builds(
    Budget,
    minutes=st.floats(0.02, 600),
    device=st.sampled_from(["cpu", "cuda", "mps"]),
    threads=st.integers(1, 64),
    memory=st.integers(2**28, 2**37),
)
object_facts = st.builds(
    ObjectFacts,
    count=st.integers(1, 9999),
    diameter=st.floats(1, 2000),
    touching=st.floats(0, 1),
    cover=st.floats(0.001, 1),
)
facts = st.builds(
    Facts,
    shape=st.tuples(st.integers(1, 200), st.integers(8, 4000), st.integers(8, 4000)),
    channels=st.integers(1, 4),
    is_rgb=st.booleans(),
    spacing=st.tuples(*[st.floats(0.01, 20)] * 3),
    counts=st.dictionaries(st.integers(0, 300), st.integers(1, 10**7), max_size=6),
    are_ids=st.booleans(),
    edge_contrast=st.none() | st.floats(0.1, 20),
    objects=st.none() | object_facts,
)


@settings(max_examples=60, deadline=None)
@given(facts, budgets)
def test_whatever_is_measured_a_model_that_fits_is_suggested(found, budget):
    suggested = propose(found, replace(budget, device="cpu"), {})
    assert suggested.config.minutes == budget.minutes
    assert suggested.config.epochs is None
    if suggested.spec.dims == "3D":
        assert found.shape[0] > 1
    for reason in suggested.reasons:
        assert reason.text.endswith(".")
        assert "nan" not in reason.text
        assert "None" not in reason.text


@settings(max_examples=60, deadline=None)
@given(
    facts,
    budgets,
    st.fixed_dictionaries(
        {},
        optional={
            "unlabelled": st.none() | st.integers(0, 3),
            "loss": st.sampled_from(["dice", "focal"]),
            "tile_size": st.sampled_from([64, 128]),
            "epochs": st.integers(1, 5),
            "batch_size": st.just(3),
            "voxel_size": st.just(2.0),
        },
    ),
)
def test_what_is_given_is_kept_and_not_suggested(found, budget, given):
    suggested = propose(found, replace(budget, device="cpu"), given)
    assert not {r.setting for r in suggested.reasons} & set(given)
    config = suggested.config
    kept = {name: getattr(config, name) for name in given if name != "tile_size"}
    assert kept == {name: value for name, value in given.items() if name != "tile_size"}
    assert config.tile.tile_size == given.get("tile_size", config.tile.tile_size)


@pytest.mark.parametrize("name", [info.name for info in list_models()])
def test_the_rest_follows_a_method_that_is_given(name):
    for found in (MASKS, IDS, replace(IDS, shape=(40, 200, 200))):
        suggested = propose(found, LONG, {"name": name})
        assert suggested.spec.name == name
        wanted = found.objects is not None or model_info(name).has_masks
        assert predicts_objects(suggested.spec) == wanted


@pytest.mark.parametrize(
    ("found", "unlabelled", "said"),
    [
        (MASKS, None, "1.9 times"),
        (STROKES, 0, "0.40 % of the pixels"),
        (replace(MASKS, counts={0: 50, 255: 50}), None, "0 and 255 only"),
        (replace(MASKS, counts={1: 50, 2: 50}), None, "No pixel is 0"),
        (
            replace(MASKS, counts={0: 50, 7: 45, 255: 5, 9: 100}),
            255,
            "2.5 % of the pixels), and 0 is",
        ),
        (IDS, None, "single objects"),
        (replace(STROKES, counts={0: 9970, 1: 30}), 0, "strokes of the background"),
        (replace(MASKS, counts={0: 9970, 1: 30}), None, "the value 1"),
    ],
)
def test_what_0_means(found, unlabelled, said):
    reason = rules.unlabelled(found, LONG, {})
    assert reason.value == unlabelled
    assert said in reason.text


@pytest.mark.parametrize("given", [{}, {"labels_are": "objects"}])
def test_ids_become_objects(given):
    suggested = propose(IDS, LONG, given)
    assert suggested.config.labels_are == "objects"
    assert suggested.spec.objects == "distance"
    assert "30 % of the 100 objects touch" in str(suggested)


def test_ids_that_a_person_calls_classes_are_classes():
    suggested = propose(IDS, LONG, {"labels_are": "classes"})
    assert "single objects" not in str(suggested)
    assert suggested.spec.objects is None
    assert suggested.config.labels_are == "classes"


def test_ids_are_merged_if_no_objects_are_wanted():
    suggested = propose(IDS, LONG, {"objects": None})
    assert not predicts_objects(suggested.spec)
    assert suggested.config.labels_are == "objects"
    assert suggested.config.unlabelled is None


def test_strokes_get_the_pixel_classifier_whatever_the_time():
    for budget in (LONG, GPU, Budget(minutes=0.1)):
        assert propose(STROKES, budget, {}).spec.name == "pixels"


def test_a_setting_of_networks_gets_a_network():
    assert propose(STROKES, LONG, {"loss": "focal"}).spec.name != "pixels"
    assert propose(STROKES, LONG, {"epochs": 3}).spec.name == "pixels"


def test_nothing_labelled_yet():
    suggested = propose(Facts(), LONG, {})
    assert suggested.spec.name == "pixels"
    assert "Nothing is labelled" in str(suggested)


def test_little_time_gets_what_trains_in_seconds():
    assert propose(MASKS, Budget(minutes=0.5, threads=1), {}).spec.name == "pixels"
    assert propose(MASKS, LONG, {}).spec.name == "unet"
    assert "30 minutes on 2 threads" in str(propose(MASKS, LONG, {}))


def test_small_images_need_less_time():
    short, volume = Budget(minutes=1.5, threads=1), replace(MASKS, shape=(9, 54, 49))
    assert propose(replace(MASKS, shape=(9, 512, 512)), short, {}).spec.name == "pixels"
    suggested = propose(volume, short, {})
    assert (suggested.spec.name, suggested.spec.dims) == ("unet", "2D")
    assert "for images of only 54 x 49" in str(suggested)


def test_objects_in_little_time_come_from_the_pixel_classifier():
    suggested = propose(IDS, Budget(minutes=2, threads=2), {})
    assert (suggested.spec.name, suggested.spec.objects) == ("pixels", "distance")
    assert propose(IDS, LONG, {}).spec.name == "unet"
    in_volume = replace(IDS, shape=(40, 100, 100))
    assert propose(in_volume, LONG, {}).spec.name == "unet3d"
    assert propose(in_volume, Budget(minutes=4, threads=2), {}).spec.name == "pixels"
    walls = replace(in_volume, objects=replace(NUCLEI, cover=0.95, touching=1.0))
    suggested = propose(walls, Budget(minutes=10, threads=2), {})
    assert (suggested.spec.name, suggested.spec.objects) == ("pixels", "boundary")


def test_patches_of_a_network_hold_several_objects():
    large = replace(IDS, objects=replace(NUCLEI, diameter=70.0))
    assert propose(large, LONG, {}).config.tile.tile_size == 288
    assert propose(large, Budget(minutes=1), {}).config.tile.tile_size is None


def test_thick_slices_are_looked_at_one_by_one():
    thick = replace(STROKES, shape=(9, 100, 100), spacing=(7.5, 0.5, 0.5))
    suggested = propose(thick, LONG, {})
    assert suggested.spec.dims == "2D"
    assert "15 times" in str(suggested)
    cubes = replace(thick, spacing=(1.0, 1.0, 1.0))
    assert propose(cubes, LONG, {}).spec.dims == "3D"


def test_large_objects_are_made_smaller():
    large = replace(IDS, objects=replace(NUCLEI, diameter=200.0), spacing=(1.0, 0.5, 0.5))
    suggested = propose(large, LONG, {})
    assert suggested.config.voxel_size == 2.5
    assert "200 pixels wide" in str(suggested)
    assert propose(IDS, LONG, {}).config.voxel_size is None


def test_several_pixel_sizes_become_one():
    sizes = ((1.0, 0.5, 0.5), (1.0, 0.8, 0.8), (1.0, 0.9, 0.9))
    suggested = propose(replace(MASKS, spacings=sizes), LONG, {})
    assert suggested.config.voxel_size == 0.8


def test_batches_of_a_graphics_card_fit_its_memory():
    small, large = (propose(MASKS, replace(GPU, memory=m), {}) for m in (2**32, 2**37))
    assert small.config.batch_size < large.config.batch_size == 16
    assert "128.0 GiB" in str(large)


def test_a_suggestion_can_be_trained_with():
    suggested = propose(MASKS, LONG, {})
    assert isinstance(suggested.spec, ModelSpec)
    assert isinstance(suggested.config, TrainConfig)
    suggested.config.require_end()


@pytest.mark.parametrize(
    ("part", "text"),
    [(0.004, "0.40 %"), (0.5, "50 %"), (1, "100 %"), (0, "0 %"), (0.0312, "3.1 %")],
)
def test_percent(part, text):
    assert percent(part) == text
