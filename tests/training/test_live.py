"""A training goes on while a person paints: labels are added, weights are averaged."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_segkit import AugmentConfig, ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.orientation import reorient
from napari_segkit.models import resolve
from napari_segkit.new_training import new_training
from napari_segkit.steps import Step, Waiting, drain
from napari_segkit.training.commands import AddLabels, Checkpoint, Finish, Snapshot
from napari_segkit.training.events import LabelsStep, RefusedStep, TrainStep, ValidationStep
from napari_segkit.training_set import TrainingRow, TrainingSet

SMALL = ModelSpec("segresnet", dims="2D")
UNET = ModelSpec("unet", options={"encoder_depth": 3, "decoder_channels": (16, 8, 8)})
CONFIG = TrainConfig(
    steps_per_epoch=3, batch_size=2, tile=TileConfig(32, 0), augment=AugmentConfig(augment=False)
)
LIVE = CONFIG.live()


@pytest.fixture
def strokes():
    """Two strokes in an image of 96 x 96 pixels, whose lower half is brighter."""
    image = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    image[48:] += 3
    labels = np.zeros((96, 96), np.uint8)
    labels[6:10, 6:26], labels[80:84, 6:26] = 1, 2
    return image, labels


def run(steps, until):
    """The events of a training up to a step."""
    events = []
    while not any(isinstance(e, TrainStep) and e.done == until for e in events):
        events.append(next(steps))
    return events


def validated(steps):
    """The next validation."""
    return next(step for step in steps if isinstance(step, ValidationStep))


def finished(segmenter, steps):
    """The events that follow `Finish`, and the model."""
    events = []
    try:
        events.append(steps.send(Finish()))
        while True:
            events.append(next(steps))
    except StopIteration:
        return events, segmenter.trained


def weights_of(segmenter):
    return {n: p.detach().clone() for n, p in segmenter.trained.network.named_parameters()}


def test_the_model_has_the_moving_average_of_the_weights(strokes):
    trainer, averaged = ready(SMALL, replace(PLAIN, average=0.3), *strokes, "YX"), None
    for step in islice(trainer.steps(), 4):
        now = [p.detach().clone() for p in trainer.network.parameters()]
        decay = min(0.3, step.done / (9 + step.done))  # from the second step on
        averaged = averaged or now
        averaged = [decay * a + (1 - decay) * w for a, w in zip(averaged, now, strict=True)]
    for weight, average in zip(trainer.result().network.parameters(), averaged, strict=True):
        torch.testing.assert_close(weight, average, rtol=1e-4, atol=1e-6)


def test_a_training_without_end_goes_on_until_it_is_told_to_finish(strokes):
    segmenter = Segmenter(SMALL)
    steps = segmenter.train_epochs(*strokes, LIVE)
    last = run(steps, 7)[-1]
    assert (last.total, last.seconds_left) == (0, None)
    copy = steps.send(Snapshot()).model
    _, model = finished(segmenter, steps)
    assert len(model.history) == 7
    assert torch.equal(*(next(network.parameters()) for network in (copy.network, model.network)))


def test_the_model_in_the_end_is_the_last_copy_if_few_steps_followed_it(strokes):
    """A person waits for the end, and has seen what the copy predicts."""
    for later, is_copy in ((1, True), (3, False)):
        segmenter = Segmenter(SMALL)
        steps = segmenter.train_epochs(*strokes, PLAIN)
        run(steps, 10)
        copy = steps.send(Snapshot()).model
        run(steps, 10 + later)
        _, model = finished(segmenter, steps)
        assert (model.identity == copy.identity) == is_copy
        assert len(model.history) == 10 if is_copy else 10 + later
        assert model.provenance["trained_on"]


def test_it_is_not_where_labels_came_after_the_copy(strokes):
    segmenter = Segmenter(SMALL)
    steps = segmenter.train_epochs(*strokes, PLAIN)
    run(steps, 10)
    copy = steps.send(Snapshot()).model
    steps.send(AddLabels(0, (70, 70), np.full((4, 20), 2, np.uint8)))
    _, model = finished(segmenter, steps)
    assert model.identity != copy.identity


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrainConfig(epochs=None, minutes=None),  # whose learning rate falls to the end
        lambda: Segmenter(SMALL).fit([], [], LIVE),
    ],
)
def test_a_training_without_end_is_refused_where_nothing_ends_it(make):
    with pytest.raises(ValueError, match="the training has no end: set one of them"):
        make()


def test_strokes_that_are_added_are_learned(strokes):
    """A class that was wrong in one corner is right there after a stroke."""
    image, labels = strokes
    image[60:, 60:] -= 6  # darker than the first class
    segmenter = Segmenter(UNET)
    steps = segmenter.train_epochs(image, labels.copy(), LIVE)
    run(steps, 10)
    stroke = np.full((4, 20), 2, np.uint8)
    step = steps.send(AddLabels(0, (70, 70), stroke))
    assert isinstance(step, LabelsStep)
    assert (step.train, step.validate) == ({1: 80, 2: 160}, {1: 0, 2: 0})
    run(steps, 40)
    _, model = finished(segmenter, steps)
    assert (segmenter.predict(image)[66:90, 66:90] == 2).mean() > 0.9
    held = labels.copy()
    held[70:74, 70:90] = 2
    runs = model.provenance["trained_on"][0]["trained"]
    assert sum(runs[1::2]) == (held > 0).sum()


def test_about_every_fifth_stroke_is_held_out_and_none_touches_what_is_trained_on(strokes):
    image, labels = strokes
    segmenter = Segmenter(SMALL)
    steps = segmenter.train_epochs(image, labels.copy(), LIVE)
    run(steps, 1)
    held = []
    for number in range(9):
        box = np.ones((2, 6), np.uint8)
        step = steps.send(AddLabels(0, (14 + 8 * (number % 4), 8 + 30 * (number // 4)), box))
        held.append(step.validate[1])
    assert held == [0, 0, 0, 12, 12, 12, 12, 12, 24]  # the fifth and the tenth of this class
    (mask,) = segmenter.held_out.masks
    assert mask.sum() == 24
    step = steps.send(AddLabels(0, (38, 14), np.ones((2, 6), np.uint8)))  # goes on with the fifth
    assert step.validate[1] == 24 + 12
    step = steps.send(AddLabels(0, (38, 8), np.zeros((2, 12), np.uint8)))  # erased
    assert step.validate[1] == 12
    assert validated(steps).pixels == 12
    _, model = finished(segmenter, steps)
    assert model.provenance["validation"]["pixels"] == 12


def test_it_ends_at_once_also_in_the_middle_of_a_validation(strokes):
    segmenter = Segmenter(SMALL)
    image, labels = strokes
    steps = segmenter.train_epochs([image], [labels], LIVE, validation=(image, labels))
    validated(steps)
    done = next(steps).done
    assert finished(segmenter, steps)[0] == []
    assert len(segmenter.history) == done
    steps = segmenter.train_epochs([image], [labels], LIVE, validation=(image, labels))
    while type(next(steps)) is not Step:  # the model that is to be scored is copied
        pass
    events, model = finished(segmenter, steps)
    assert events == []
    assert "validation" not in model.provenance


def test_what_is_held_out_of_several_images_is_scored(strokes):
    image, labels = strokes
    segmenter = Segmenter(SMALL)
    steps = segmenter.train_epochs([image, image + 1], [labels, labels.copy()], LIVE)
    for number, starts in enumerate((range(14, 46, 8), range(14, 62, 8))):
        run(steps, 3 + number)  # the end of an epoch
        for start in starts:
            step = steps.send(AddLabels(number, (start, 58), np.ones((2, 6), int)))
    assert step.validate[1] == 24
    step = validated(steps)
    assert (step.pixels, step.images) == (24, 2)


def test_it_waits_while_all_labels_are_taken_away(strokes):
    image, labels = strokes
    labels[20:60:10, 10:20] = 1
    steps = Segmenter(SMALL).train_epochs(image, labels.copy(), LIVE)
    run(steps, 1)
    step = steps.send(AddLabels(0, (70, 40), np.ones((2, 6), int)))
    assert (step.validate[1], step.strokes) == (12, 1)
    step = steps.send(AddLabels(0, (0, 0), np.zeros_like(labels)))
    assert (step.train, step.validate, step.strokes) == ({1: 0, 2: 0}, {1: 0, 2: 0}, 0)
    assert isinstance(next(steps), Waiting)
    steps.send(AddLabels(0, (0, 0), labels))
    assert isinstance(next(steps), TrainStep)


def test_a_class_value_may_be_too_large_for_the_dtype_of_the_labels(strokes):
    image, labels = strokes
    rows = [TrainingRow(image, labels), TrainingRow(image + 1, labels.astype(int) * 200)]
    trainer = drain(new_training(resolve(SMALL), PLAIN, TrainingSet(rows), "cpu"))
    answer = trainer._answer(AddLabels(0, (30, 30), np.full((4, 10), 400)), STEP)
    assert answer.train == {1: 80, 2: 80, 200: 80, 400: 120}
    assert (np.asarray(trainer.data.samples[0].indices.data)[30:34, 30:40] == 3).all()


def test_objects_of_several_classes_may_have_an_image_for_validation():
    """Whose classes are not known, so there is no loss."""
    ids = squares(64, 64)
    image = np.where(ids > 0, 3, np.random.default_rng(0).normal(size=ids.shape))
    rows = [
        TrainingRow(image, ids, object_classes=np.where(ids > 2, 1, 2) * (ids > 0)),
        TrainingRow(image + 1, ids, role="validate"),
    ]
    segmenter = Segmenter(DISTANCE)
    steps = segmenter.train_epochs(TrainingSet(rows), config=replace(LIVE, labels_are="objects"))
    run(steps, 1)
    assert validated(steps).images == 1


def test_what_cannot_be_added_is_refused_and_the_training_goes_on(strokes):
    steps = Segmenter(SMALL).train_epochs(*strokes, LIVE)
    run(steps, 1)
    for command, words in [
        (AddLabels(0, (0, 0), np.full((2, 2), 7)), "class 7.*start it anew"),
        (AddLabels(0, (95, 0), np.ones((2, 2), int)), "does not lie in"),
        (AddLabels(0, (0,), np.ones((2, 2), int)), "does not lie in"),
        (AddLabels(0, (0, 0), np.ones((2, 2))), "must be integers"),
        (AddLabels(3, (0, 0), np.ones((2, 2), int)), "have the numbers 0"),
    ]:
        answer = steps.send(command)
        assert isinstance(answer, RefusedStep)
        with pytest.raises(ValueError, match=words):
            raise answer.error
    assert isinstance(next(steps), TrainStep)


def squares(*shape):
    """Labels of squares of 12 pixels, each an object; 0 between them."""
    ids = np.zeros(shape, np.uint8)
    planes = ids.reshape(-1, *shape[-2:])
    for plane in planes:
        for number in range(4):
            y, x = 8 + 32 * (number // 2), 8 + 32 * (number % 2)
            plane[y : y + 12, x : x + 12] = number + 1
    return ids


def stroke_labels(*shape):
    labels = np.zeros(shape, np.uint8)
    labels[..., 4:8, 4:30], labels[..., 50:54, 4:30] = 1, 2
    return labels


def dense_labels():
    labels = np.repeat(np.uint8([1, 2]), 32)[:, None] * np.ones((1, 64), np.uint8)
    labels[28:36, 28:60] = 0
    return labels


CUBE = ModelSpec("segresnet", dims="3D")
DISTANCE = replace(SMALL, objects="distance")
OBJECTS = replace(LIVE, labels_are="objects", validation=None)
CLASSES = replace(LIVE, labels_are="classes", validation=None)
PLAIN = replace(LIVE, validation=None)
STEP = TrainStep(1, 0, 1, 0, 0, 0)
BOXES = [  # value, and slices of the last two axes
    (1, np.s_[20:24, 40:60]),
    (2, np.s_[6:10, 40:60]),  # over nothing
    (2, np.s_[4:6, 10:20]),  # over class 1
    (0, np.s_[50:54, 4:12]),  # erased
]
OBJECT_BOXES = [(9, np.s_[24:36, 24:36]), (0, np.s_[40:52, 40:52])]


@pytest.mark.parametrize(
    ("spec", "config", "labels", "boxes", "channels"),
    [
        pytest.param(SMALL, PLAIN, stroke_labels(64, 64), BOXES, (), id="YX"),
        pytest.param(SMALL, PLAIN, stroke_labels(3, 64, 64), BOXES, (), id="TYX"),
        pytest.param(CUBE, PLAIN, stroke_labels(20, 64, 64), BOXES, (), id="ZYX"),
        pytest.param(SMALL, PLAIN, stroke_labels(64, 64), BOXES, (3,), id="RGB"),
        pytest.param(SMALL, replace(PLAIN, voxel_size=1.7), stroke_labels(64, 64), BOXES, (),
                     id="voxel size"),
        pytest.param(SMALL, replace(PLAIN, resize=96), stroke_labels(3, 64, 64), BOXES, (),
                     id="resize"),
        pytest.param(SMALL, replace(PLAIN, unlabelled=None), dense_labels(), BOXES, (),
                     id="dense"),
        pytest.param(DISTANCE, OBJECTS, squares(2, 64, 64), OBJECT_BOXES, (), id="objects"),
        pytest.param(DISTANCE, CLASSES, np.minimum(squares(64, 64), 1),
                     [(1, np.s_[24:36, 24:36]), (0, np.s_[40:52, 40:52])], (), id="components"),
        pytest.param(replace(DISTANCE, objects="boundary"), replace(OBJECTS, voxel_size=0.7),
                     squares(64, 64), OBJECT_BOXES, (), id="boundary, voxel size"),
    ],
)  # fmt: skip
def test_what_was_added_is_trained_on_as_if_it_had_been_there(
    spec, config, labels, boxes, channels
):
    """Targets and places of patches, against those of a training that begins with the labels."""
    image = np.random.default_rng(0).normal(size=(*labels.shape, *channels)).astype(np.float32)
    axes = {2: "YX", 3: "ZYX" if spec.dims == "3D" else "TYX"}[labels.ndim] + "C" * len(channels)
    live = ready(spec, config, image, labels.copy(), axes)
    for value, box in boxes:
        inside = (*[slice(1, 2)] * (labels.ndim - 2), *box)
        labels[inside] = value
        start = [max(0, (side.start or 0) - 1) for side in inside]
        around = tuple(slice(a, side.stop + 2) for a, side in zip(start, inside, strict=True))
        step = live._answer(AddLabels(0, tuple(start), labels[around]), STEP)
        assert isinstance(step, LabelsStep), step
    anew = ready(spec, config, image, labels, axes)
    for one, other in zip(live.data.samples, anew.data.samples, strict=True):
        assert np.array_equal(np.asarray(one.indices.data), np.asarray(other.indices.data))
    assert np.array_equal(live.sampler._counts, anew.sampler._counts)
    random = [np.random.default_rng(3) for _ in range(2)]
    live.sampler.random, anew.sampler.random = random
    for one, other in zip(live.sampler.batch(4), anew.sampler.batch(4), strict=True):
        assert torch.equal(one, other)
    counts = {c.value: 0 for c in anew.data.classes} | anew.setup.live.counts()[0]
    assert step.train == counts


def ready(spec, config, image, labels, axes):
    """A training that has not begun."""
    training_set = TrainingSet([TrainingRow(image, labels)])
    return drain(new_training(resolve(spec), config, training_set, "cpu", axes=axes))


def test_images_are_counted_as_in_the_training_set(strokes):
    """Left-out ones, too; what is held out as a whole is scored on what is added."""
    image, labels = strokes
    roles = ["train", "leave out", "validate", "train"]
    rows = [TrainingRow(image + n, labels, role=role) for n, role in enumerate(roles)]
    trainer = drain(new_training(resolve(SMALL), LIVE, TrainingSet(rows), "cpu"))
    stroke = np.ones((4, 10), np.uint8)
    answers = [trainer._answer(AddLabels(n, (30, 30), stroke), STEP) for n in range(4)]
    assert isinstance(answers[1], RefusedStep)
    taken = [answers[n] for n in (0, 2, 3)]
    assert [a.train[1] for a in taken] == [200, 200, 240]
    assert [a.validate[1] for a in taken] == [80, 120, 120]
    first, last = (np.asarray(s.indices.data) for s in trainer.data.samples)
    assert (first[30:34, 30:40] == 0).all()
    assert (last[30:34, 30:40] == 0).all()


def test_a_volume_is_painted_on_in_its_own_orientation():
    """The second volume is turned to the first one's orientation for the training."""
    labels = stroke_labels(20, 64, 64)
    volume = np.random.default_rng(0).normal(size=labels.shape).astype(np.float32)
    turned = reorient(volume, "ZYX", "SAR", "LSA"), reorient(labels, "ZYX", "SAR", "LSA")
    rows = [
        TrainingRow(AxesImage(data, "ZYX", orientation=orientation), values)
        for data, values, orientation in ((volume, labels, "SAR"), (*turned, "LSA"))
    ]
    trainer = drain(new_training(resolve(CUBE), PLAIN, TrainingSet(rows), "cpu"))
    painted = np.zeros_like(labels)
    painted[3:5, 20:24, 30:50] = 1
    own = reorient(painted, "ZYX", "SAR", "LSA")
    (box,) = ndimage.find_objects(own)
    trainer.setup.live.add(AddLabels(1, tuple(s.start for s in box), own[box]))
    found = np.asarray(trainer.data.samples[1].indices.data)
    assert ((found >= 0) == ((painted > 0) | (labels > 0))).all()


def test_pixels_without_an_intensity_are_not_trained_on(strokes):
    image, labels = strokes
    image[30:32] = np.nan
    trainer = ready(SMALL, PLAIN, image, labels, "YX")
    trainer.setup.live.add(AddLabels(0, (28, 20), np.ones((6, 10), np.uint8)))
    indices = np.asarray(trainer.data.samples[0].indices.data)
    assert (indices[28:34, 20:30] == np.array([0, 0, -1, -1, 0, 0])[:, None]).all()


def test_a_resumed_training_has_the_averages_and_takes_changed_labels(strokes, tmp_path):
    image, labels = strokes
    one, other = Segmenter(SMALL), Segmenter(SMALL)
    steps = one.train_epochs(image, labels, LIVE)
    run(steps, 4)
    steps.send(Checkpoint(tmp_path / "a.state"))
    run(steps, 6)
    finished(one, steps)
    steps = other.train_epochs(image, labels, LIVE, resume=tmp_path / "a.state")
    run(steps, 6)
    finished(other, steps)
    for name, weight in weights_of(one).items():
        assert torch.equal(weight, weights_of(other)[name])
    labels[20:24, 6:26] = 1
    assert next(other.train_epochs(image, labels, LIVE, resume=tmp_path / "a.state")).done == 5
