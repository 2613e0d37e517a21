import pytest

from napari_segkit import CleanConfig, CRFConfig, MRFConfig, RefineConfig
from napari_segkit._qt.widgets.refine_form import SMOOTHERS, RefineForm
from napari_segkit.images.classes import LabelClass

CLASSES = LabelClass(0, "background", "#000000"), LabelClass(1, "cell", "#ff0000")
SETTINGS = RefineConfig(
    "crf",
    crf=CRFConfig(iterations=7),
    mrf=MRFConfig(weight=2.5),
    clean=(CleanConfig(2, fill_holes=5.0), CleanConfig(1, largest=True)),
)


@pytest.fixture
def form(qtbot):
    form = RefineForm()
    qtbot.addWidget(form.native)
    form.show()
    return form


@pytest.mark.parametrize("settings", [RefineConfig(), SETTINGS])
def test_shows_any_settings_as_one_value(form, settings):
    form.value = settings
    assert form.value == settings


def test_only_the_chosen_method_shows_its_settings(form):
    for name in ("crf", "mrf", "superpixels"):
        form.method.value = name
        assert [n for n in SMOOTHERS if form[n].visible] == [name]
        assert form.value.method == name
    form.method.value = None
    assert not any(form[name].visible for name in SMOOTHERS)


def test_settings_of_other_methods_are_kept(form):
    form.value = SETTINGS
    form.method.value = "mrf"
    form.method.value = "crf"
    assert form.value == SETTINGS


def test_classes_are_cleaned_one_by_one(form):
    form.clean.set_classes(CLASSES)
    clean = form.clean
    assert clean.choice.value == 1  # not background
    clean.form.min_size.value = 9.0
    clean.choice.value = 0
    assert clean.form.min_size.value == 0
    clean.form.largest.value = True
    assert form.value.clean == (CleanConfig(1, min_size=9.0), CleanConfig(0, largest=True))
    assert clean.section.title == "Clean up (cell, background)"
    clean.form.largest.value = False
    assert form.value.clean == (CleanConfig(1, min_size=9.0),)


def test_a_clean_up_of_a_missing_class_is_kept_and_shown(form):
    form.value = SETTINGS
    form.clean.set_classes(CLASSES)
    texts = [form.clean.choice.native.itemText(i) for i in range(3)]
    assert texts == ["0  background", "1  cell", "2  not in these labels"]
    assert form.value == SETTINGS


def test_shows_the_unit_of_sizes(form):
    form.clean.set_classes(CLASSES, "micrometer")
    assert form.clean.unit.text() == (
        "Radii in micrometers, areas in square micrometers, volumes in cubic micrometers."
    )


def test_clean_up_needs_classes(form):
    form.clean.set_classes(())
    assert not form.clean.section.isEnabled()


def test_changed_is_sent_once_per_change(form, qtbot):
    form.clean.set_classes(CLASSES)
    changes = []
    form.changed.connect(lambda: changes.append(form.value))
    form.crf.iterations.value = 9
    form.clean.form.largest.value = True
    form.clean.set_classes((*CLASSES, LabelClass(2, "other", "#00ff00")))
    form.value = SETTINGS
    assert [value.crf.iterations for value in changes] == [9, 9, 7]
