"""Several trainings, one after the other: what fails is told, and the others go on."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TrainConfig, TrainingRow, TrainingSet
from napari_segkit.comparison.trainings import TrainedStep, specs_of, trainings
from napari_segkit.steps import Failure, Finish, Step

SET = TrainingSet([TrainingRow(np.zeros((8, 8)), np.ones((8, 8), int))])


@pytest.fixture
def quick(monkeypatch, threshold):
    """Trainings of three steps each; that of SegNet fails, and `Finish` ends one."""
    model = threshold(1).trained

    def train_epochs(self, images, *, config):
        for number in range(3):
            if self.spec.name == "segnet":
                raise ValueError("there is no way")
            if isinstance((yield Step(number + 1, 3)), Finish):
                if self.spec.name == "fpn":
                    raise ValueError("it has learned nothing")
                break
        self.trained = model

    monkeypatch.setattr(Segmenter, "train_epochs", train_epochs)


def run(steps, command=None):
    """The steps, and the result; the command is sent after the first one."""
    found, result = [next(steps)], None
    try:
        found.append(steps.send(command))
        while True:
            found.append(next(steps))
    except StopIteration as end:
        result = end.value
    return found, result


def test_one_that_fails_does_not_stop_the_others(quick):
    steps, models = run(trainings(specs_of(["segnet", "unet"]), SET, TrainConfig(), "cpu"))
    (failure,) = [step for step in steps if isinstance(step, Failure)]
    assert (failure.part, str(failure.error)) == ("SegNet", "there is no way")
    assert list(models) == ["U-Net"]
    (trained,) = [step for step in steps if isinstance(step, TrainedStep)]
    assert trained.segmenter is models["U-Net"]
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].total


def test_if_none_can_be_trained_that_is_an_error(quick):
    with pytest.raises(ValueError, match="None of SegNet could be trained"):
        run(trainings(specs_of(["segnet"]), SET, TrainConfig(), "cpu"))


def test_finish_ends_with_the_models_so_far(quick):
    steps = trainings(specs_of(["unet", "fpn"]), SET, TrainConfig(), "cpu")
    assert list(run(steps, Finish())[1]) == ["U-Net"]


def test_finish_ends_all_trainings_if_the_first_has_learned_nothing(quick):
    steps = trainings(specs_of(["fpn", "unet"]), SET, TrainConfig(), "cpu")
    with pytest.raises(ValueError, match="None of FPN, U-Net could be trained"):
        run(steps, Finish())


def test_settings_are_those_that_a_method_has():
    specs = specs_of(["unet", "maskrcnn", "unet"], ModelSpec(objects="distance"))
    assert list(specs) == ["U-Net", "Mask R-CNN"]
    assert [spec.objects for spec in specs.values()] == ["distance", None]
