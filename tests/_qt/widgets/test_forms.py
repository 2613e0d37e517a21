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
        config_form = Form(cls, **options)
        qtbot.addWidget(config_form)
        return config_form

    return make


@pytest.mark.parametrize("cls", CONFIGS)
def test_a_fresh_form_is_the_default(form, cls):
    assert form(cls).value() == cls()


@pytest.mark.parametrize("config", OTHERS)
def test_a_value_set_is_the_value_read(form, config):
    config_form = form(type(config), collapsed=("seed", "tile"))
    config_form.set_value(config)
    assert config_form.value() == config
    config_form.set_value(type(config)())
    assert config_form.value() == type(config)()


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
def test_tooltips_come_from_the_docstring(form, cls):
    tips = tooltips(cls)
    assert set(tips) == {f.name for f in fields(cls)}
    config_form = form(cls)
    assert all(len(config_form.field(name).toolTip()) > 20 for name in tips)


@pytest.mark.parametrize("cls", CONFIGS)
def test_choices_are_those_declared(form, cls):
    config_form = form(cls)
    for name, (hint, _) in config_fields(cls).items():
        if get_origin(hint) is Literal:
            box = config_form.field(name)
            assert [box.itemText(i) for i in range(box.count())] == list(get_args(hint))


@pytest.mark.parametrize(
    ("value", "shown"), [(1e-3, "0.001"), (3e-4, "0.0003"), (1e-7, "1e-07"), (1.0, "1.0")]
)
def test_a_learning_rate_is_shown_with_all_its_digits(form, value, shown):
    config_form = form(TrainConfig)
    config_form.set_value(TrainConfig(learning_rate=value))
    assert config_form.field("learning_rate").text() == shown


def type_in(field, text):
    field.selectAll()
    field.lineEdit().insert(text)


@pytest.mark.parametrize("text", ["2e-4", "0.0002", "0,0002"])
def test_a_typed_number_is_used_before_enter_is_pressed(form, text):
    config_form = form(TrainConfig)
    type_in(config_form.field("learning_rate"), text)
    assert config_form.value().learning_rate == 2e-4


def test_a_number_outside_its_limits_is_rejected(form):
    config_form = form(TrainConfig)
    type_in(config_form.field("learning_rate"), "17")
    assert config_form.value().learning_rate <= 1.0


def test_steps_have_no_rounding_errors(form):
    config_form = form(TrainConfig)
    field = config_form.field("learning_rate")
    field.stepBy(1)
    assert field.value() == 0.0011
    field.stepBy(-2)
    assert field.value() == 0.0009


def test_the_wheel_scrolls_past_a_field_that_was_not_clicked(form):
    config_form = form(TrainConfig)
    field = config_form.field("epochs")
    wheel = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 120), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(field, wheel)
    assert config_form.value() == TrainConfig()


def test_an_optional_number_starts_at_a_usable_value(form):
    config_form = form(TileConfig)
    for name in ("tile_size", "overlap"):
        field = config_form.field(name)
        assert isinstance(field, OptionalField)
        assert not field.inner.isEnabled()
        assert field.inner.isHidden()
        field.switch.setChecked(True)
        assert field.inner.isEnabled()
        assert not field.inner.isHidden()
    config = config_form.value()
    assert config.tile_size >= 2 * config.overlap > 0


def test_inconsistent_values_raise_when_read(form):
    config_form = form(TileConfig)
    config_form.field("tile_size").set_value(64)
    config_form.field("overlap").set_value(64)
    with pytest.raises(ValueError, match="at most half"):
        config_form.value()


def test_hidden_fields_keep_what_was_set(form):
    config_form = form(TrainConfig, hide=("seed", "tile.batch_size", "unlabelled"))
    with pytest.raises(KeyError):
        config_form.field("seed")
    config = replace(OTHERS[2], tile=TileConfig(batch_size=7))
    config_form.set_value(config)
    config_form.field("epochs").set_value(9)
    assert config_form.value() == replace(config, epochs=9)


def test_changed_is_sent_once_for_a_form_set_and_once_for_a_field(form, qtbot):
    config_form = form(TrainConfig)
    changes = []
    config_form.changed.connect(lambda: changes.append(config_form.value()))
    config_form.set_value(OTHERS[2])
    assert changes == [OTHERS[2]]
    config_form.field("tile").field("batch_size").set_value(5)
    assert changes[1:] == [replace(OTHERS[2], tile=replace(OTHERS[2].tile, batch_size=5))]


def test_a_field_can_have_a_custom_widget(form):
    box = ChoiceField(["unet", "fpn"])
    config_form = form(ModelSpec, widgets={"name": box})
    assert config_form.field("name") is box
    config_form.set_value(ModelSpec("linknet", encoder="resnet34"))
    assert config_form.value() == ModelSpec("linknet", encoder="resnet34")
    box.set_choices(["linknet", "pan"])
    assert config_form.value().name == "linknet"
    box.set_choices(["pan"])
    assert config_form.value().name == "pan"


def test_unused_fields_are_disabled_with_the_reason(form):
    config_form = form(TrainConfig)
    tip = config_form.field("epochs").toolTip()
    config_form.grey_out(["epochs"], "It has none.")
    assert not config_form.field("epochs").isEnabled()
    assert config_form.field("epochs").toolTip() == "It has none."
    assert config_form.field("seed").isEnabled()
    config_form.grey_out([], "")
    assert config_form.field("epochs").isEnabled()
    assert config_form.field("epochs").toolTip() == tip


def test_sections_open_on_a_click(form, qtbot):
    config_form = form(TrainConfig, collapsed=("seed",))
    config_form.show()
    section = next(s for s in config_form.findChildren(Section) if s.button.text() == "More")
    assert not config_form.field("seed").isVisible()
    qtbot.mouseClick(section.button, Qt.MouseButton.LeftButton)
    assert config_form.field("seed").isVisible()


def test_a_custom_widget_keeps_its_tooltip(form):
    custom = IntField({})
    custom.setToolTip("How long.")
    config_form = form(TrainConfig, widgets={"epochs": custom})
    config_form.grey_out(["epochs"], "It has none.")
    config_form.grey_out([], "")
    assert custom.toolTip() == "How long."
