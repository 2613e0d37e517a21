"""Training sets of files: read when needed, with roles, groups and channels."""

from dataclasses import replace
from shutil import rmtree

import numpy as np
import pytest
from skimage.io import imread, imsave

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, TrainingSet
from napari_segkit.images.labels import LabelsError
from napari_segkit.training import read_data, record
from napari_segkit.training.events import ReadStep, TrainStep

CONFIG = TrainConfig(
    epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(32, 16), unlabelled=None
)
PIXELS = ModelSpec("pixels")


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, pixels, check_contrast=False)


@pytest.fixture
def folder(scene, tmp_path):
    """Five grey images, each with its labels."""
    image, labels = scene
    grey = np.clip(image * 30 + 80, 0, 255).astype(np.uint8)
    for number in range(5):
        save(tmp_path / f"d/images/{number}.png", np.roll(grey, number, 0))
        save(tmp_path / f"d/masks/{number}.png", np.roll(labels, number, 0))
    return tmp_path / "d"


def as_arrays(training_set):
    images = [row.image.open().data for row in training_set.rows]
    return images, [row.labels.open() for row in training_set.rows]


def rows(training_set):
    return [(row.image.name, row.role, row.group) for row in training_set.rows]


@pytest.mark.parametrize("spec", [ModelSpec("segresnet", dims="2D"), ModelSpec("maskrcnn")])
def test_files_train_as_their_arrays_do_however_little_is_kept(spec, folder, monkeypatch):
    config = (
        CONFIG
        if spec.name == "segresnet"
        else TrainConfig(
            epochs=1, steps_per_epoch=1, batch_size=2, tile=TileConfig(32, 16), labels_are="objects"
        )
    )
    training_set = TrainingSet.from_files(folder)
    expected = Segmenter(spec, device="cpu").fit(*as_arrays(training_set), config).history
    monkeypatch.setattr(read_data, "cache_bytes", lambda: 64 * 64)
    assert Segmenter(spec, device="cpu").fit(training_set, config=config).history == expected


def test_reading_yields_steps(folder):
    steps = Segmenter(PIXELS).train_epochs(TrainingSet.from_files(folder), config=CONFIG)
    read = [s for s, _ in zip(steps, range(6), strict=False)]
    assert [(s.done, s.total) for s in read] == [(n, 5) for n in (1, 2, 3, 4, 5, 5)]
    assert all(isinstance(s, ReadStep) for s in read)
    assert len(read[-1].labelled.pairs) == 5


def test_roles_and_groups_come_from_a_list(folder):
    lines = ["image,mask,split,subject"]
    lines += [
        f"images/{n}.png,masks/{n}.png,{r},s{n // 2}" for n, r in enumerate(["", "val", "test"])
    ]
    (folder / "list.csv").write_text("\n".join(lines))
    assert rows(TrainingSet.from_files(folder / "list.csv")) == [
        ("images/0.png", "train", "s0"),
        ("images/1.png", "validate", "s0"),
        ("images/2.png", "leave out", "s1"),
    ]
    (folder / "list.csv").write_text("\n".join([*lines, "images/3.png,masks/3.png,maybe,s2"]))
    with pytest.raises(ValueError, match=r"Line 5 of .* has the role 'maybe': write train"):
        TrainingSet.from_files(folder / "list.csv")


def test_roles_and_groups_come_from_folders_and_names(folder, tmp_path):
    for part, number in (("train", 0), ("val", 1), ("test", 2)):
        for kind in ("images", "masks"):
            target = tmp_path / f"s/{part}/{kind}/sub-0{number}_scan.png"
            target.parent.mkdir(parents=True)
            (folder / kind / f"{number}.png").rename(target)
    with pytest.warns(UserWarning, match="1 of 3 pairs lie in folders of"):
        training_set = TrainingSet.from_files(tmp_path / "s")
    assert sorted(rows(training_set)) == [
        ("test/images/sub-02_scan.png", "leave out", "sub-02"),
        ("train/images/sub-00_scan.png", "train", "sub-00"),
        ("val/images/sub-01_scan.png", "validate", "sub-01"),
    ]


def test_channels_of_a_list_are_asked_for_by_name(folder):
    lines = ["images:T1,images:t2,masks", "images/0.png,images/1.png,masks/0.png"]
    (folder / "list.csv").write_text("\n".join(lines))
    segmenter = Segmenter(PIXELS, device="cpu")
    segmenter.fit(TrainingSet.from_files(folder / "list.csv"), config=CONFIG)
    path = segmenter.save(folder / "m.segkit")
    loaded = Segmenter.load(folder / "m.segkit" if path is None else path)
    assert loaded.trained.channel_names == ("T1", "t2")
    images, _ = as_arrays(TrainingSet.from_files(folder / "images", folder / "masks"))
    channels = {"t2": images[1], "T1": images[0]}
    expected = loaded.predict(np.stack(images[:2]), axes="CYX")
    np.testing.assert_array_equal(loaded.predict(channels), expected)
    with pytest.raises(ValueError, match="those of the model are T1, t2: give these"):
        loaded.predict({"T1": images[0], "flair": images[1]})


def test_channels_of_all_images_have_the_order_of_the_first(folder):
    for name, columns in (("a", "images:t1,images:t2"), ("b", "images:t2,images:t1")):
        files = "images/0.png,images/1.png" if name == "a" else "images/1.png,images/0.png"
        (folder / f"{name}.csv").write_text(f"{columns},masks\n{files},masks/0.png")
    rows = [TrainingSet.from_files(folder / f"{name}.csv").rows[0] for name in "aab"]
    same, turned = (
        Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu").fit(
            TrainingSet([rows[0], row]), config=CONFIG
        )
        for row in rows[1:]
    )
    assert turned.history == same.history
    images = [row.image.open() for row in rows]
    np.testing.assert_array_equal(same.predict(images[2]), same.predict(images[0]))
    other = TrainingSet([rows[0], replace(rows[1], image={"t3": images[0].data[0]})])
    with pytest.raises(ValueError, match="The channels are t3, but those of the model are t1, t2"):
        Segmenter(PIXELS).fit(other, config=CONFIG)


def test_files_that_cannot_be_read_are_named_all_at_once(folder):
    for number in (1, 3):
        (folder / f"images/{number}.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"^2 of 5 images .*images/1.png.*; .*images/3.png") as e:
        Segmenter(PIXELS).fit(TrainingSet.from_files(folder), config=CONFIG)
    assert not isinstance(e.value, LabelsError)


CHANGES = {
    "image": ("images", lambda pixels: pixels.astype(np.uint16)),
    "classes": ("masks", np.zeros_like),
    "size of the labels": ("masks", lambda pixels: pixels[:50]),
    "objects": ("masks", lambda pixels: (pixels > 0).astype(np.uint8)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_during_a_training_ends_it_with_a_sentence(change, folder, monkeypatch):
    monkeypatch.setattr(read_data, "cache_bytes", lambda: 64 * 64)
    kind, changed = CHANGES[change]
    spec = ModelSpec("segresnet", dims="2D", objects="distance" if change == "objects" else None)
    labels_are = "ask" if spec.objects is None else "objects"
    config = replace(CONFIG, epochs=9, labels_are=labels_are, validation=None)
    segmenter = Segmenter(spec, device="cpu")
    steps = segmenter.train_epochs(TrainingSet.from_files(folder), config=config)
    assert any(isinstance(step, TrainStep) for step in steps)
    for path in (folder / kind).iterdir():
        save(path, changed(imread(path)))
    name = "images/.*" if kind == "images" else "The labels of images/.*"
    with pytest.raises(ValueError, match=f"^{name}png changed since the training began: leave"):
        list(steps)


def test_masks_of_another_size_are_counted_or_fitted(folder):
    mask = np.kron(TrainingSet.from_files(folder).rows[1].labels.open(), np.ones((2, 3), np.uint8))
    save(folder / "masks/1.png", mask)
    message = (
        r"1 of 5 masks differs in size from their images, such as masks/1.png \(192 x 128, image"
    )
    with pytest.raises(ValueError, match=message):
        Segmenter(PIXELS).fit(TrainingSet.from_files(folder), config=CONFIG)
    fitted = TrainingSet.from_files(folder, fit_masks=True)
    model = Segmenter(PIXELS, device="cpu").fit(fitted, config=CONFIG)
    assert [c.value for c in model.classes] == [0, 1, 2]


def test_files_in_both_of_two_sets_are_said(folder):
    training_set = TrainingSet.from_files(folder)
    with pytest.warns(UserWarning, match="images/0.png, .* in both training sets"):
        assert len(training_set + training_set) == 10


def test_the_files_are_not_needed_after_the_last_step(folder, monkeypatch):
    monkeypatch.setattr(read_data, "cache_bytes", lambda: 64 * 64)
    image = TrainingSet.from_files(folder).rows[0].image.open().data
    segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu")
    config = replace(CONFIG, validation=None, unlabelled=0)
    steps = segmenter.train_epochs(TrainingSet.from_files(folder), config=config)
    while not isinstance(step := next(steps), TrainStep) or step.done < step.total:
        pass
    rmtree(folder)
    assert list(steps) == []
    assert segmenter.trained_pixels(image).all()  # which of them cannot be read any more


def test_of_a_large_set_all_that_is_not_held_out_counts_as_trained_on(folder, monkeypatch):
    training_set = TrainingSet.from_files(folder)
    config = replace(CONFIG, validation="regions")
    segmenter = Segmenter(PIXELS, device="cpu").fit(training_set, config=config)
    exact = segmenter.trained.provenance["trained_on"]
    monkeypatch.setattr(record, "MAX_PIXELS", 0)
    rough = segmenter.fit(training_set, config=config).trained.provenance["trained_on"]
    assert exact == rough  # all of their pixels are labelled
    assert all(row["fingerprint"] for row in exact)
    sparse = segmenter.fit(training_set, config=replace(config, unlabelled=0))
    assert sparse.trained.provenance["trained_on"][0]["trained"] == [0, 64 * 64]
