from dataclasses import fields, replace
from typing import Literal, get_args, get_origin

import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_segkit._qt.widgets.fields import ChoiceField, FloatField, IntField, OptionalField
from napari_segkit._qt.widgets.forms import Form, Section, tooltips
from napari_segkit.config import FeatureConfig, ModelSpec, TileConfig, TrainConfig
from napari_segkit.config._schema import config_fields

CONFIGS = [ModelSpec, FeatureConfig, TileConfig, TrainConfig]
OTHERS = [
    ModelSpec("fpn", encoder="resnet50", weights="imagenet"),
    TileConfig(tile_size=1024, overlap=512, batch_size=1),
    TrainConfig(
        epochs=3,
        steps_per_epoch=100_000,
        minutes=0.01,
        batch_size=1024,
        learning_rate=1.2345678901234567e-7,
        unlabelled=None,
        labels_are="objects",
        normalise="training",
        augment=False,
        seed=2**31 - 1,
        tile=TileConfig(tile_size=64, overlap=16),
    ),
    TrainConfig(learning_rate=0.1 + 0.2, unlabelled=255),
    ModelSpec("pixels", dims="3D", features=FeatureConfig(edges=False, window=5)),
]


@pytest.fixture
def form(qtbot):
    def make(cls, **options):
        made = Form(cls, **options)
        qtbot.addWidget(made)
        return made

    return make


@pytest.mark.parametrize("cls", CONFIGS)
def test_a_fresh_form_is_the_default(form, cls):
    assert form(cls).value() == cls()


@pytest.mark.parametrize("config", OTHERS)
def test_what_is_set_is_what_is_read(form, config):
    made = form(type(config), collapsed=("seed", "tile"))
    made.set_value(config)
    assert made.value() == config
    made.set_value(type(config)())
    assert made.value() == type(config)()


def numbers(form):
    for name, (hint, limits) in config_fields(type(form.value())).items():
        field = form.field(name)
        if isinstance(field, Form):
            yield from numbers(field)
        elif limits:
            yield getattr(field, "inner", field), hint, limits


@pytest.mark.parametrize("cls", CONFIGS)
def test_limits_and_steps_are_those_declared(form, cls):
    for field, hint, limits in numbers(form(cls)):
        assert isinstance(field, IntField if int in (hint, *get_args(hint)) else FloatField)
        assert (field.minimum(), field.maximum()) == (limits["min"], limits["max"])
        assert field.singleStep() == limits.get("step", 1)


@pytest.mark.parametrize("cls", CONFIGS)
def test_every_field_has_its_line_of_the_docstring_as_tooltip(form, cls):
    tips = tooltips(cls)
    assert set(tips) == {f.name for f in fields(cls)}
    made = form(cls)
    assert all(len(made.field(name).toolTip()) > 20 for name in tips)


@pytest.mark.parametrize("cls", CONFIGS)
def test_choices_are_those_declared(form, cls):
    made = form(cls)
    for name, (hint, _) in config_fields(cls).items():
        if get_origin(hint) is Literal:
            box = made.field(name)
            assert [box.itemText(i) for i in range(box.count())] == list(get_args(hint))


@pytest.mark.parametrize(
    ("value", "shown"), [(1e-3, "0.001"), (3e-4, "0.0003"), (1e-7, "1e-07"), (1.0, "1.0")]
)
def test_a_learning_rate_is_shown_with_all_its_digits(form, value, shown):
    made = form(TrainConfig)
    made.set_value(TrainConfig(learning_rate=value))
    assert made.field("learning_rate").text() == shown


def type_in(field, text):
    field.selectAll()
    field.lineEdit().insert(text)


@pytest.mark.parametrize("text", ["2e-4", "0.0002", "0,0002"])
def test_a_typed_number_counts_before_enter_is_pressed(form, text):
    made = form(TrainConfig)
    type_in(made.field("learning_rate"), text)
    assert made.value().learning_rate == 2e-4


def test_a_number_outside_its_limits_is_not_taken(form):
    made = form(TrainConfig)
    type_in(made.field("learning_rate"), "17")
    assert made.value().learning_rate <= 1.0


def test_steps_leave_no_binary_fractions(form):
    made = form(TrainConfig)
    field = made.field("learning_rate")
    field.stepBy(1)
    assert field.value() == 0.0011
    field.stepBy(-2)
    assert field.value() == 0.0009


def test_the_wheel_scrolls_past_a_field_that_was_not_clicked(form):
    made = form(TrainConfig)
    field = made.field("epochs")
    wheel = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 120), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(field, wheel)
    assert made.value() == TrainConfig()


def test_an_optional_number_starts_at_something_usable(form):
    made = form(TileConfig)
    for name in ("tile_size", "overlap"):
        field = made.field(name)
        assert isinstance(field, OptionalField)
        assert not field.inner.isEnabled()
        assert field.inner.isHidden()
        field.switch.setChecked(True)
        assert field.inner.isEnabled()
        assert not field.inner.isHidden()
    config = made.value()
    assert config.tile_size >= 2 * config.overlap > 0


def test_numbers_that_do_not_go_together_are_told_when_read(form):
    made = form(TileConfig)
    made.field("tile_size").set_value(64)
    made.field("overlap").set_value(64)
    with pytest.raises(ValueError, match="at most half"):
        made.value()


def test_hidden_fields_keep_what_was_set(form):
    made = form(TrainConfig, hide=("seed", "tile.batch_size", "unlabelled"))
    with pytest.raises(KeyError):
        made.field("seed")
    config = replace(OTHERS[2], tile=TileConfig(batch_size=7))
    made.set_value(config)
    made.field("epochs").set_value(9)
    assert made.value() == replace(config, epochs=9)


def test_changed_is_sent_once_for_a_form_set_and_once_for_a_field(form, qtbot):
    made = form(TrainConfig)
    heard = []
    made.changed.connect(lambda: heard.append(made.value()))
    made.set_value(OTHERS[2])
    assert heard == [OTHERS[2]]
    made.field("tile").field("batch_size").set_value(5)
    assert heard[1:] == [replace(OTHERS[2], tile=replace(OTHERS[2].tile, batch_size=5))]


def test_a_field_may_have_a_widget_of_its_own(form):
    box = ChoiceField(["unet", "fpn"])
    made = form(ModelSpec, widgets={"name": box})
    assert made.field("name") is box
    made.set_value(ModelSpec("linknet", encoder="resnet34"))
    assert made.value() == ModelSpec("linknet", encoder="resnet34")
    box.set_choices(["linknet", "pan"])
    assert made.value().name == "linknet"
    box.set_choices(["pan"])
    assert made.value().name == "pan"


def test_fields_that_do_not_count_are_greyed_out_with_the_reason(form):
    made = form(TrainConfig)
    tip = made.field("epochs").toolTip()
    made.grey_out(["epochs"], "It has none.")
    assert not made.field("epochs").isEnabled()
    assert made.field("epochs").toolTip() == "It has none."
    assert made.field("seed").isEnabled()
    made.grey_out([], "")
    assert made.field("epochs").isEnabled()
    assert made.field("epochs").toolTip() == tip


def test_sections_open_on_a_click(form, qtbot):
    made = form(TrainConfig, collapsed=("seed",))
    made.show()
    more = next(s for s in made.findChildren(Section) if s.button.text() == "More")
    assert not made.field("seed").isVisible()
    qtbot.mouseClick(more.button, Qt.MouseButton.LeftButton)
    assert made.field("seed").isVisible()


def test_a_widget_keeps_a_tooltip_of_its_own(form):
    own = IntField({})
    own.setToolTip("How long.")
    made = form(TrainConfig, widgets={"epochs": own})
    made.grey_out(["epochs"], "It has none.")
    made.grey_out([], "")
    assert own.toolTip() == "How long."
