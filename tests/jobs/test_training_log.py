"""The history of a training is written as a table, as curves and for TensorBoard."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_segkit.jobs.training_log import check_log_folder, logged
from napari_segkit.steps import drain
from napari_segkit.training.events import TrainStep, ValidationStep

pytestmark = pytest.mark.filterwarnings("ignore:TensorBoard is not installed")


def training(first=1, last=4):
    for done in range(first, last + 1):
        yield TrainStep(done, 4, 1 + done // 3, 1 / done, done * 0.5, done * 2)
        if done % 2 == 0:
            yield ValidationStep(done, 4, done // 2, done / 10, is_best=True)
    return "model"


def test_table_and_curves_hold_every_step_and_validation(tmp_path):
    assert drain(logged(training(), tmp_path / "log")) == "model"
    table = pd.read_csv(tmp_path / "log" / "history.csv")
    assert table["step"].tolist() == [1, 2, 3, 4]
    assert table["loss"].tolist() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert table["images"].tolist() == [2, 4, 6, 8]
    assert table["validation_score"].dropna().tolist() == [0.2, 0.4]
    picture = np.asarray(Image.open(tmp_path / "log" / "history.png"))
    assert (picture == (0x4E, 0x79, 0xA7)).all(-1).sum() > 500  # the curves


def test_a_stopped_training_is_logged_and_a_resumed_one_goes_on(tmp_path):
    steps = logged(training(last=3), tmp_path)
    list(zip(range(4), steps, strict=False))
    steps.close()
    drain(logged(training(first=3), tmp_path, go_on=True))
    table = pd.read_csv(tmp_path / "history.csv")
    assert table["step"].tolist() == [1, 2, 3, 4]
    assert table["validation_score"].dropna().tolist() == [0.2, 0.4]


def test_a_missing_tensorboard_is_said_and_an_installed_one_written(tmp_path):
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.warns(UserWarning, match="pip install tensorboard"):
            drain(logged(training(), tmp_path))
    else:
        drain(logged(training(), tmp_path))
        assert list(tmp_path.glob("events.out.tfevents.*"))


def test_a_log_takes_no_other_logs_place(tmp_path):
    drain(logged(training(), tmp_path))
    with pytest.raises(ValueError, match=r"history\.csv exists already"):
        check_log_folder(tmp_path, overwrite=False)
    check_log_folder(tmp_path, overwrite=True)
