"""Cross-validation: every label is evaluated once, by a model that never saw it."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segkit import (
    ModelSpec,
    Segmenter,
    TrainConfig,
    TrainingRow,
    TrainingSet,
    cross_validate,
    cross_validations,
    evaluate,
)
from napari_segkit.cross_validation import run
from napari_segkit.cross_validation.events import FoldEnded, FoldsChosen
from napari_segkit.steps import Failure, Finish

PIXELS = ModelSpec("pixels")
DENSE = TrainConfig(unlabelled=None, labels_are="classes")


def scene(number, shape=(40, 48)):
    random = np.random.default_rng(number)
    labels = np.zeros(shape, np.uint8)
    y, x = random.integers(2, 20, 2)
    labels[y : y + 12, x : x + 12], labels[-10:, -14:] = 1, 2
    return (random.normal(size=shape) + 2.0 * labels).astype(np.float32), labels


def rows(count=6, groups=""):
    named = [groups[n % len(groups)] if groups else "" for n in range(count)]
    return [TrainingRow(*scene(n), group=g, name=f"image {n}") for n, g in enumerate(named)]


@pytest.fixture(scope="module")
def found():
    return cross_validate(PIXELS, TrainingSet(rows(groups="xyz")), DENSE, 3, device="cpu")


def test_each_report_is_that_of_its_model_on_the_images_it_never_saw(found):
    images = {f"image {n}": scene(n) for n in range(6)}
    assert (found.over, found.planned, found.notes) == ("groups", 3, ())
    held = [list(fold.report.images) for fold in found.folds]
    assert sorted(name for own in held for name in own) == sorted(images)
    for fold, names in zip(found.folds, held, strict=True):
        predictions = [fold.segmenter.predict(images[name][0]) for name in names]
        expected = evaluate(predictions, [images[name][1] for name in names])
        assert fold.report.iou == pytest.approx(expected.iou, abs=1e-12)
        seen = [fold.segmenter.trained_pixels(image) is not None for image, _ in images.values()]
        assert seen == [name not in names for name in images]


def test_the_table_has_every_fold_their_spread_and_the_pooled_value(found):
    table = found.table()
    row = table[(table["metric"] == "iou") & (table["class"] == 2)].iloc[0]
    own = [fold.report.iou[2] for fold in found.folds]
    assert row[["fold 1", "fold 2", "fold 3"]].tolist() == own
    assert row["mean"] == pytest.approx(np.mean(own))
    assert row["std"] == pytest.approx(np.std(own, ddof=1))
    assert (row["folds"], row["pooled"]) == (3, found.report.iou[2])
    assert f"{np.mean([fold.score for fold in found.folds]):.4f} ± " in found.summary()
    assert found.summary() in repr(found)


def test_the_mean_model_keeps_the_metrics(found, tmp_path):
    mean = found.mean_model()
    mean.save(tmp_path / "mean.segkit")
    loaded = Segmenter.load(tmp_path / "mean.segkit", device="cpu").trained
    assert loaded.members == 3
    assert loaded.provenance["validation"]["score"] == pytest.approx(found.report.mean_dice)
    assert len(loaded.provenance["cross_validation"]["folds"]) == 3


@pytest.mark.parametrize("unlabelled", [None, 9])
def test_regions_of_one_image_are_evaluated_once_each(unlabelled):
    image = scene(0, (100, 130))[0]
    stripes = np.where(np.arange(130) // 10 % 2, 1, 2).astype(np.uint8)
    labels = np.ones((100, 1), np.uint8) * stripes
    labels[:, :30] = 9
    images = TrainingSet([TrainingRow(image, labels)])
    config = replace(DENSE, unlabelled=unlabelled)
    with pytest.warns(UserWarning, match="regions of the same images"):
        found = cross_validate(PIXELS, images, config, 2, over="regions", device="cpu")
    labelled = (labels != unlabelled).sum()
    assert found.report.pixels == labelled
    for fold in found.folds:
        seen = fold.segmenter.trained_pixels(image)
        assert 0.8 * labelled < fold.report.pixels + seen.sum() < labelled  # none next to others


def test_objects_are_matched_in_every_fold():
    spec = ModelSpec("pixels", objects="components")
    images = [TrainingRow(image, labels) for image, labels in map(scene, range(4))]
    found = cross_validate(spec, TrainingSet(images), folds=2, device="cpu")
    assert found.report.truth_objects == 8
    assert found.summary().startswith("F1 at IoU 0.5")
    assert found.mean_model().trained.predicts_objects


def test_intensities_are_scaled_alike_in_all_folds():
    dark = [replace(r, image=np.where(r.labels, r.image, 0)) for r in rows(3)]
    images = TrainingSet([*dark, *rows(6)[3:]])
    for normalise in ("image", "training"):
        config = replace(DENSE, normalise=normalise)
        found = cross_validate(PIXELS, images, config, 3, device="cpu")
        models = [fold.segmenter.trained for fold in found.folds]
        assert len({(m.nonzero, m.statistics) for m in models}) == 1


def test_finish_keeps_the_folds_that_are_complete():
    steps = cross_validations(PIXELS, TrainingSet(rows(3)), DENSE, 3, device="cpu")
    assert isinstance(next(step for step in steps if isinstance(step, FoldsChosen)), FoldsChosen)
    next(step for step in steps if isinstance(step, FoldEnded))
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Finish())
    found = end.value.value
    assert ([fold.number for fold in found.folds], found.planned) == ([1], 3)
    assert "1 of 3 folds" in found.summary()
    with pytest.raises(ValueError, match="a mean needs two"):
        found.mean_model()


def test_a_fold_that_fails_costs_itself_only(monkeypatch):
    made, calls = run.make_trainer, []

    def make(*args, **options):
        calls.append(args)
        if len(calls) == 2:
            raise ValueError("no room")
        return made(*args, **options)

    monkeypatch.setattr(run, "make_trainer", make)
    steps = cross_validations(PIXELS, TrainingSet(rows(3)), DENSE, 3, device="cpu")
    assert [s.part for s in steps if isinstance(s, Failure)] == ["Fold 2"]
    calls.clear()
    with pytest.warns(UserWarning, match="Fold 2 failed: no room"):
        found = cross_validate(PIXELS, TrainingSet(rows(3)), DENSE, 3, device="cpu")
    assert [fold.number for fold in found.folds] == [1, 3]
    assert "Fold 2 failed: no room" in found.notes


def test_rows_to_validate_score_the_trainings_and_are_in_no_fold():
    extra = TrainingRow(*scene(9), role="validate", name="extra")
    found = cross_validate(PIXELS, TrainingSet([*rows(3), extra]), DENSE, 3, device="cpu")
    assert "extra" not in found.report.images
    for fold in found.folds:
        assert fold.segmenter.trained.provenance["validation"]["pixels"] == extra.labels.size


def test_wrong_settings_are_refused_before_any_work():
    for options, error in (
        ({"folds": 1}, "between 2 and 50"),
        ({"over": "slides"}, "choose one of"),
        ({"config": TrainConfig().live()}, "has no end"),
    ):
        with pytest.raises(ValueError, match=error):
            cross_validate(PIXELS, TrainingSet(rows(2)), device="cpu", **options)
