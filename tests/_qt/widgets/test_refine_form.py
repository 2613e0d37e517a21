import pytest

from napari_segkit import CleanConfig, CRFConfig, MRFConfig, RefineConfig
from napari_segkit._qt.widgets.refine_form import RefineForm
from napari_segkit.images.classes import LabelClass

CLASSES = LabelClass(0, "background", "#000000"), LabelClass(1, "cell", "#ff0000")
RECIPE = RefineConfig(
    "crf",
    crf=CRFConfig(iterations=7),
    mrf=MRFConfig(weight=2.5),
    clean=(CleanConfig(2, fill_holes=5.0), CleanConfig(1, largest=True)),
)


@pytest.fixture
def form(qtbot):
    form = RefineForm()
    qtbot.addWidget(form)
    form.show()
    return form


@pytest.mark.parametrize("recipe", [RefineConfig(), RECIPE])
def test_shows_any_recipe_as_one_value(form, recipe):
    form.set_value(recipe)
    assert form.value() == recipe


def test_only_the_chosen_method_has_its_numbers_on_screen(form):
    for name in ("crf", "mrf", "superpixels"):
        form.method.set_value(name)
        assert [n for n, part in form.method_forms.items() if part.isVisible()] == [name]
        assert form.value().method == name
    form.method.set_value(None)
    assert not any(part.isVisible() for part in form.method_forms.values())


def test_numbers_of_other_methods_are_kept(form):
    form.set_value(RECIPE)
    form.method.set_value("mrf")
    form.method.set_value("crf")
    assert form.value() == RECIPE


def test_classes_are_tidied_one_by_one(form):
    form.set_classes(CLASSES)
    clean = form.clean
    assert clean.choice.currentData() == 1  # rather than background
    clean.form.field("min_size").set_value(9.0)
    clean.choice.setCurrentIndex(0)
    assert clean.form.field("min_size").value() == 0
    clean.form.field("largest").set_value(True)
    assert form.value().clean == (CleanConfig(1, min_size=9.0), CleanConfig(0, largest=True))
    assert clean.section.button.text() == "Clean up (cell, background)"
    clean.form.field("largest").set_value(False)
    assert form.value().clean == (CleanConfig(1, min_size=9.0),)


def test_a_clean_up_of_a_class_that_is_not_there_stays_and_is_shown(form):
    form.set_value(RECIPE)
    form.set_classes(CLASSES)
    texts = [form.clean.choice.itemText(i) for i in range(form.clean.choice.count())]
    assert texts == ["0  background", "1  cell", "2  not in these labels"]
    assert form.value() == RECIPE


def test_says_what_sizes_are_in(form):
    form.set_classes(CLASSES, "micrometer")
    assert form.clean.unit.text() == (
        "Radii in micrometer, areas in micrometer², volumes in micrometer³."
    )


def test_without_classes_nothing_can_be_tidied(form):
    form.set_classes(())
    assert not form.clean.section.isEnabled()


def test_tells_of_a_change_once(form, qtbot):
    form.set_classes(CLASSES)
    heard = []
    form.changed.connect(lambda: heard.append(form.value()))
    form.method_forms["crf"].form.field("iterations").set_value(9)
    form.clean.form.field("largest").set_value(True)
    form.set_classes((*CLASSES, LabelClass(2, "more", "#00ff00")))
    form.set_value(RECIPE)
    assert [value.crf.iterations for value in heard] == [9, 9, 7]
