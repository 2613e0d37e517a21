"""Whatever a worker of a dock raises, the dock says it in a sentence and works afterwards."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_segkit._qt as qt
from napari_segkit import ModelSpec, Segmenter, TrainingRow, TrainingSet
from napari_segkit._qt.app.window_project import WindowProject
from napari_segkit._qt.docks.compare.compare_dock import CompareDock
from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit._qt.docks.measure.measure_dock import MeasureDock
from napari_segkit._qt.docks.model.model_dock import ModelDock, _list_devices
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.refine.refine_dock import RefineDock
from napari_segkit._qt.docks.superpixels.superpixel_dock import SuperpixelDock
from napari_segkit._qt.docks.train.model_check import _check
from napari_segkit._qt.docks.train.row_counts import count_rows
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.session.background import LatestSteps
from napari_segkit._qt.session.interrupted import find_training
from napari_segkit._qt.widgets.dock import Dock
from napari_segkit.config import CRFConfig, RefineConfig, TrainConfig
from napari_segkit.images.axes_image import AxesImage

ERRORS = [RuntimeError("shape mismatch"), MemoryError(), KeyboardInterrupt(), SystemExit(1)]
SENTENCE = re.compile(
    r"Out of memory: \w.*\.|"
    r"[A-Z].* failed: (shape mismatch|it was ended by \w+); details in the log\."
)
PICTURE = np.zeros((8, 8, 3), np.uint8)
QUICK = RefineConfig("crf", CRFConfig(iterations=1))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Trained models by their names, and a file of the first."""
    image = np.random.default_rng(0).normal(size=(32, 32))
    labels = np.ones((32, 32), np.uint8)
    labels[4:14, 4:14] = labels[18:28, 18:28] = 2
    image += 5 * labels
    classes = Segmenter(ModelSpec("pixels"), device="cpu").fit(image, labels)
    ids = np.where(labels == 2, 1, 0)
    ids[18:28, 18:28] *= 2
    objects = Segmenter(ModelSpec("pixels", objects="components"), device="cpu").fit(image, ids)
    path = tmp_path_factory.mktemp("models") / "classes.segkit"
    classes.save(path)
    return {"image": image, "labels": labels, "classes": classes, "objects": objects, "path": path}


@dataclass
class Kit:
    """A viewer with an image and labels, and the dock under test."""

    viewer: Any
    qtbot: Any
    models: dict
    dock: Any = None

    @property
    def session(self):
        return self.dock.session

    def open(self, dock, model=None):
        self.dock = dock(self.viewer)
        self.viewer.window.add_dock_widget(self.dock)
        if model is not None:
            segmenter = Segmenter(self.models[model].spec, device="cpu")
            segmenter.trained = self.models[model].trained
            self.session.segmenter = segmenter
        assert self.dock.wait_idle()
        return self.dock

    def predicted(self, model):
        dock = self.open(PredictDock, model)
        dock.predict()
        assert dock.wait_idle()
        return dock


@dataclass
class Worker:
    """How a worker is reached: its dock, its `LatestCall` (None: a task), its message."""

    open: Callable[[Kit], Any]
    start: Callable[[Any], Any]
    text: Callable[[Any], str] | None  # None: nobody has asked for it, and nothing is said
    call: Callable[[Any], Any] | None = None


def train(kit):
    dock = kit.open(TrainDock)
    kit.session.segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    assert dock.wait_idle()
    return dock


def project(kit):
    predict, dock = kit.open(PredictDock), train(kit)
    dock.project = WindowProject(dock, predict, dock)
    dock.project.message.connect(lambda text: setattr(dock, "told", text))
    assert dock.wait_idle()
    return dock


def work_on_project(dock):
    dock.told = ""
    dock.project._work.submit(list)


def model_dock(kit, model="classes"):
    return kit.open(ModelDock, model)


def refine(kit):
    dock = kit.open(RefineDock, "classes")
    dock.form.value = QUICK
    dock.set_layer(kit.viewer.layers["labels"])
    assert dock.wait_idle()
    return dock


def fit(kit):
    dock = refine(kit)
    dock.truth.layer.value = kit.viewer.layers["truth"]
    return dock


def evaluate(kit):
    dock = kit.open(EvaluateDock)
    dock.prediction.value, dock.truth.value = (
        kit.viewer.layers["labels"],
        kit.viewer.layers["truth"],
    )
    return dock


def evaluated(kit):
    dock = evaluate(kit)
    dock.evaluate()
    assert dock.wait_idle()
    return dock


def measured(kit):
    dock = kit.open(MeasureDock)
    dock.measure()
    assert dock.wait_idle()
    return dock


def compare(kit):
    kit.viewer.add_labels(kit.models["labels"].copy(), name="labels prediction")
    kit.viewer.layers["labels"].data[::2] = 0  # what is not labelled is compared
    dock = kit.open(CompareDock)
    dock.methods.tick(["pixels"])
    dock.methods.minutes.value = 0.1
    assert dock.wait_idle()
    return dock


def compared(kit):
    dock = compare(kit)
    dock.compare()
    assert dock.wait_idle()
    dock.path = kit.models["path"].with_name("page.html")
    return dock


def folds(kit):
    dock = train(kit)
    image, labels = kit.models["image"], kit.models["labels"]
    rows = [TrainingRow(image + n, labels, name=f"image {n}") for n in range(2)]
    kit.session.training_set = TrainingSet(rows)
    dock.set_config(TrainConfig(epochs=1, unlabelled=None, labels_are="classes"))
    assert dock.wait_idle()
    dock.folds.form.folds.value = 2
    return dock


def slices(kit):
    volume = np.zeros((5, 32, 32), np.uint8)
    volume[0, 4:9], volume[4, 4:9] = 1, 1
    kit.viewer.add_image(volume, name="volume")
    labels = kit.viewer.add_labels(volume.copy(), name="strokes")
    dock = train(kit)
    dock.data.image.value, dock.data.labels.value = kit.viewer.layers["volume"], labels
    assert dock.wait_idle()
    return dock


def spare(kit):
    from napari_segkit._qt.session.spare_models import new_spare

    held = new_spare()
    kit.models["classes"].save(held.path)
    held.release()
    dock = kit.open(Dock)
    kit.qtbot.waitUntil(lambda: dock.session.spare.found is not None, timeout=10_000)
    return dock


def load_spare(dock):
    if dock.session.spare.found is None:  # after an error it waits for the next start
        dock.session.spare._search.submit(partial(_find, dock))
        assert wait_until(dock, lambda: dock.session.spare.found is not None)
    dock.session.load_spare()


def _find(dock):
    from napari_segkit._qt.session.spare_models import find_model

    return find_model()


def wait_until(dock, done):
    from time import monotonic

    from qtpy.QtWidgets import QApplication

    end = monotonic() + 10
    while not done() and monotonic() < end:
        QApplication.processEvents()
    return done()


def bar_text(dock):
    return dock.bar.status.text()


def press(dock):
    dock.bar.button.click()


def show_details(dock):
    dock.details._model = ()
    dock._update_details()
    dock.details._start_estimate()


def start_preview(dock):
    dock.preview.preview.is_on = True
    dock.preview.preview._compute()


def estimate_memory(dock):
    dock.memory._asked = None
    dock.memory.show_training(AxesImage(np.zeros((32, 32)), "YX"), TrainConfig())


def save_picture(dock):
    dock.pairs.window_of_picture.show_picture(PICTURE)
    dock.pairs.window_of_picture.save(dock.path.with_name("pairs.png"))


WORKERS = {
    "Train": Worker(train, press, bar_text),
    "Predict": Worker(lambda kit: kit.open(PredictDock, "classes"), press, bar_text),
    "Refine": Worker(refine, press, bar_text),
    "Fit to truth": Worker(
        fit, lambda dock: dock.truth.bar.button.click(), lambda dock: dock.truth.bar.status.text()
    ),
    "Superpixels": Worker(lambda kit: kit.open(SuperpixelDock), press, bar_text),
    "Evaluate": Worker(evaluate, press, bar_text),
    "Measure": Worker(lambda kit: kit.open(MeasureDock), press, bar_text),
    "Cross-validate": Worker(
        folds, lambda dock: dock.folds.bar.button.click(), lambda dock: dock.folds.bar.status.text()
    ),
    "Compare": Worker(compare, press, bar_text),
    "Train and compare": Worker(compare, lambda dock: dock.methods.button.click(), bar_text),
    "Load model": Worker(
        lambda kit: (model_dock(kit), setattr(kit.dock, "path", str(kit.models["path"])))[0],
        lambda dock: dock.files.load(dock.path),
        lambda dock: dock.files.status.text(),
    ),
    "Save model": Worker(
        lambda kit: (model_dock(kit), setattr(kit.dock, "path", str(kit.models["path"])))[0],
        lambda dock: dock.files.save(dock.path),
        lambda dock: dock.files.status.text(),
    ),
    "Merge models": Worker(
        lambda kit: (
            model_dock(kit, "objects"),
            setattr(kit.dock, "path", str(kit.models["path"])),
        )[0],
        lambda dock: dock.merge.merge(dock.path),
        lambda dock: dock.merge.status.text(),
    ),
    "Store refinement settings": Worker(
        refine,
        lambda dock: dock.keep_settings.store(),
        lambda dock: dock.keep_settings.status.text(),
    ),
    "Load the unsaved model": Worker(spare, load_spare, None),
    "model_details": Worker(
        model_dock,
        show_details,
        lambda dock: dock.details.text(),
        lambda dock: dock.details._latest,
    ),
    "model_dock": Worker(
        model_dock,
        lambda dock: dock._devices.submit(_list_devices),
        lambda dock: dock.device_line.text(),
        lambda dock: dock._devices,
    ),
    "device_line": Worker(
        model_dock,
        lambda dock: dock.device_line.show_device("cpu"),
        lambda dock: dock.device_line.text(),
        lambda dock: dock.device_line._latest,
    ),
    "evaluate_dock": Worker(
        evaluated,
        lambda dock: dock._on_redrawn(),
        lambda dock: dock.stale or "",
        lambda dock: dock._fingerprints,
    ),
    "live_evaluation": Worker(
        evaluated,
        lambda dock: dock.live._submit(),
        None,
        lambda dock: dock.live._work,
    ),
    "measure_dock": Worker(
        measured,
        lambda dock: dock._on_redrawn(),
        lambda dock: dock.stale or "",
        lambda dock: dock._fingerprints,
    ),
    "errors_panel": Worker(
        evaluate,
        lambda dock: dock.errors.errors_button.setChecked(True),
        lambda dock: dock.errors.text.text(),
        lambda dock: dock.errors._search,
    ),
    "comparison_results": Worker(
        compared,
        lambda dock: dock.results.show_comparison(dock.results.comparison, {}),
        lambda dock: dock.results.status.text(),
        lambda dock: dock.results._drawing,
    ),
    "Save page": Worker(
        compared,
        lambda dock: dock.results.save_page(dock.path),
        lambda dock: dock.results.status.text(),
        lambda dock: dock.results._saving,
    ),
    "label_stats_box": Worker(
        train,
        lambda dock: dock.label_stats._start_count(),
        lambda dock: dock.label_stats.text.text(),
        lambda dock: dock.label_stats._latest,
    ),
    "slice_filler": Worker(
        slices,
        lambda dock: dock.annotation_panel.slices.fill(),
        lambda dock: dock.annotation_panel.slices.text.text(),
        lambda dock: dock.annotation_panel.slices._latest,
    ),
    "class_list": Worker(
        train,
        lambda dock: dock.classes.remove(1),
        lambda dock: dock.classes.question.text,
        lambda dock: dock.classes._counter,
    ),
    "model_check": Worker(
        train,
        lambda dock: dock.check._latest.submit(partial(_check, dock.session.segmenter.spec, 2)),
        None,
        lambda dock: dock.check._latest,
    ),
    "picture_row": Worker(
        lambda kit: (kit.predicted("classes"), setattr(kit.dock, "path", kit.models["path"]))[0],
        lambda dock: dock.picture.save(dock.path.with_name("picture.png")),
        bar_text,
        lambda dock: dock.picture._saving,
    ),
    "class_masks": Worker(
        lambda kit: kit.predicted("classes"),
        lambda dock: dock.masks.make_masks(),
        bar_text,
        lambda dock: dock.masks._background,
    ),
    "object_actions": Worker(
        lambda kit: kit.predicted("objects"),
        lambda dock: dock.objects.buttons.measure(),
        bar_text,
        lambda dock: dock.objects.buttons._background,
    ),
    "objects_panel": Worker(
        lambda kit: kit.predicted("objects"),
        lambda dock: dock.objects._select(),
        bar_text,
        lambda dock: dock.objects._selector,
    ),
    "refine_start": Worker(
        refine,
        lambda dock: dock.inputs.start._read(),
        lambda dock: dock.inputs.start.problem or "",
        lambda dock: dock.inputs.start._reader,
    ),
    "preview": Worker(
        refine,
        start_preview,
        lambda dock: dock.preview.note.text(),
        lambda dock: dock.preview.preview._latest,
    ),
    "row_counts": Worker(
        train,
        lambda dock: dock.training_set.counts._latest.submit(partial(count_rows, ())),
        None,
        lambda dock: dock.training_set.counts._latest,
    ),
    "memory_line": Worker(train, estimate_memory, None, lambda dock: dock.memory._latest),
    "data_pictures": Worker(
        train,
        lambda dock: dock.pairs.draw(),
        lambda dock: dock.pairs.note.text(),
        lambda dock: dock.pairs._drawing,
    ),
    "next_image": Worker(
        train,
        lambda dock: dock.training_set.next_image._turn_to(None),
        lambda dock: dock.training_set.next_image.status.text(),
        lambda dock: dock.training_set.next_image._work,
    ),
    "prediction_pictures": Worker(
        train,
        lambda dock: dock.view.pictures._drawing.submit(lambda: PICTURE),
        None,
        lambda dock: dock.view.pictures._drawing,
    ),
    "held_out_regions": Worker(
        train,
        lambda dock: dock.view.regions._drawing.submit(list),
        None,
        lambda dock: dock.view.regions._drawing,
    ),
    "add_files": Worker(
        train,
        lambda dock: dock.training_set.files._submit(partial(TrainingSet, ())),
        lambda dock: dock.training_set.files.status.text(),
        lambda dock: dock.training_set.files._work,
    ),
    "history_button": Worker(
        lambda kit: (
            kit.open(TrainDock, "classes"),
            setattr(kit.dock, "path", kit.models["path"].with_name("history.csv")),
        )[0],
        lambda dock: dock.view.history.save(dock.path),
        lambda dock: dock.view.history.status.text(),
        lambda dock: dock.view.history._saving,
    ),
    "picture": Worker(
        lambda kit: (train(kit), setattr(kit.dock, "path", kit.models["path"]))[0],
        save_picture,
        lambda dock: dock.pairs.window_of_picture.status.text(),
        lambda dock: dock.pairs.window_of_picture._saving,
    ),
    "suggest_box": Worker(
        train,
        lambda dock: dock.suggestion.button.click(),
        lambda dock: dock.suggestion.text.text(),
        lambda dock: dock.suggestion._latest,
    ),
    "window_project": Worker(
        project, work_on_project, lambda dock: dock.told, lambda dock: dock.project._work
    ),
    "interrupted": Worker(
        train,
        lambda dock: dock.session.interrupted._search.submit(find_training),
        None,
        lambda dock: dock.session.interrupted._search,
    ),
    "spare_models": Worker(
        lambda kit: kit.open(Dock),
        lambda dock: dock.session.spare._search.submit(partial(_find, dock)),
        None,
        lambda dock: dock.session.spare._search,
    ),
}


def cases():
    """Every worker with every error; a sample of them is not slow."""
    for number, name in enumerate(WORKERS):
        for i, error in enumerate(ERRORS):
            is_fast = number % 4 == 0 and i == number // 4 % len(ERRORS)
            marks = () if is_fast else pytest.mark.slow
            yield pytest.param(name, error, marks=marks, id=f"{name}-{type(error).__name__}")


@pytest.fixture
def kit(make_light_viewer, qtbot, models):
    viewer = make_light_viewer(show=True)
    viewer.add_image(models["image"], name="cells")
    viewer.add_labels(models["labels"].copy(), name="labels")
    viewer.add_labels(models["labels"].copy(), name="truth")
    return Kit(viewer, qtbot, models)


def replace_work(monkeypatch, kit, call, error):
    """Let the next work of a call, or of the session, raise an error in its thread."""

    def fail():
        raise error

    def steps():
        raise error
        yield

    if call is not None:
        submit = call.submit
        work = steps if isinstance(call, LatestSteps) else fail
        monkeypatch.setattr(call, "submit", lambda _: submit(work), raising=False)
    else:
        run = kit.session.run
        monkeypatch.setattr(
            kit.session, "run", lambda _, *, title="", writer=None: run(steps()), raising=False
        )


@pytest.mark.parametrize(("name", "error"), [*cases()])
def test_a_dock_works_after_any_error(kit, name, error, monkeypatch):
    worker, outcomes = WORKERS[name], []
    dock = worker.open(kit)
    call = worker.call and worker.call(dock)
    for fails in (True, False):
        outcomes.clear()
        with monkeypatch.context() as patched:
            if fails:
                replace_work(patched, kit, call, error)
            if call is None:
                worker.start(dock)
                task = kit.session.task
                task.returned.connect(lambda _: outcomes.append("returned"))
                task.errored.connect(lambda _: outcomes.append("errored"))
                kit.qtbot.waitUntil(lambda: kit.session.task is None, timeout=30_000)
            else:
                call.returned.connect(lambda _: outcomes.append("returned"))
                call.errored.connect(lambda _: outcomes.append("errored"))
                worker.start(dock)
                kit.qtbot.waitUntil(lambda: not call.is_busy, timeout=30_000)
        assert dock.wait_idle()
        assert outcomes[0] == ("errored" if fails else "returned")
        if worker.text is not None:
            text = re.sub("<[^>]*>", "", worker.text(dock))
            assert bool(SENTENCE.fullmatch(text)) == fails, text


def test_every_worker_is_listed():
    root = Path(qt.__file__).parent
    sources = {path.stem: path.read_text() for path in root.rglob("*.py")}
    calls = {name for name, text in sources.items() if re.search(r"= Latest(Call|Steps)\(", text)}
    assert calls <= set(WORKERS)
    tasks = sum(len(re.findall(r"self\.(?:bar\.)?_?run\(", t)) for t in sources.values())
    assert tasks == sum(worker.call is None for worker in WORKERS.values()), tasks
